// A fuzzer with a planted bug, to show that the fuzzers' machinery finds bugs: the test run starts
// it like the others and fails unless it crashes within seconds.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  // Coverage must lead the way through the nested conditions, byte by byte.
  if (text.size() >= 4 && text[0] == 'b' && text[1] == 'i' && text[2] == 'r' && text[3] == 'd')
    std::abort();
  return 0;
}
