# Compiler, warnings and instrumentation, the same for every target.
if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang" OR CMAKE_CXX_COMPILER_VERSION VERSION_LESS 19)
  message(FATAL_ERROR "enclave needs clang 19 (g++ 12 miscompiles coroutines); use a preset of CMakePresets.json")
endif()

set(ENCLAVE_SANITIZE "" CACHE STRING "Sanitizers to build with, e.g. address,undefined or thread")
option(ENCLAVE_FUZZ "Build the libFuzzer targets" OFF)
option(ENCLAVE_WHOLE "Build for whole builds: headers precompiled, a folder's sources compiled together" OFF)

add_library(enclave_options INTERFACE)
target_include_directories(enclave_options INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_compile_options(enclave_options INTERFACE
  -Wall -Wextra -Wconversion -Werror -Wthread-safety -Wno-missing-field-initializers
  -fno-omit-frame-pointer -pthread)
# Boost 1.81 and Asio are system headers: their warnings are not ours.
target_compile_definitions(enclave_options INTERFACE
  BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_HAS_CO_AWAIT=1)
target_link_options(enclave_options INTERFACE -fuse-ld=lld)
if(ENCLAVE_SANITIZE)
  target_compile_options(enclave_options INTERFACE -fsanitize=${ENCLAVE_SANITIZE} -fno-sanitize-recover=all)
  if(ENCLAVE_SANITIZE MATCHES address)
    # A fifth of the code generated, and the address sanitizer stops at a null pointer as well.
    target_compile_options(enclave_options INTERFACE -fno-sanitize=null,vptr)
  endif()
  target_link_options(enclave_options INTERFACE -fsanitize=${ENCLAVE_SANITIZE})
endif()
if(ENCLAVE_WHOLE)
  # Parsing templates and generating them again in each unit is most of the cost of a build.
  set(CMAKE_UNITY_BUILD ON)
  set(CMAKE_UNITY_BUILD_BATCH_SIZE 10)
  # Compiler caches compare contents, not times.
  target_compile_options(enclave_options INTERFACE "SHELL:-Xclang -fno-pch-timestamp")
endif()
if(ENCLAVE_FUZZ)
  target_compile_options(enclave_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
