#include "otel/symbolizer.h"

#include <backtrace.h>
#include <cxxabi.h>

#include <cstdlib>
#include <memory>

namespace enclave::otel {
namespace {

// Names of templates can be kilobytes long.
constexpr std::size_t kMaxNameBytes = 400;

std::string Demangle(const char* name) {
  if (name == nullptr) return {};
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(
      abi::__cxa_demangle(name, nullptr, nullptr, &status), &std::free);
  std::string result = status == 0 ? text.get() : name;
  if (result.size() > kMaxNameBytes) result = result.substr(0, kMaxNameBytes) + "...";
  return result;
}

// Missing tables leave frames without names, which is all that can be done about them.
void IgnoreError(void*, const char*, int) {}

backtrace_state* State() {
  static backtrace_state* const state = backtrace_create_state(nullptr, 1, IgnoreError, nullptr);
  return state;
}

}  // namespace

std::vector<Frame> Symbolize(void* return_address) {
  // The call itself lies before the address that it returns to.
  const std::uintptr_t pc = reinterpret_cast<std::uintptr_t>(return_address) - 1;
  std::vector<Frame> frames;
  if (State() == nullptr) return {Frame{}};
  backtrace_pcinfo(
      State(), pc,
      [](void* out, std::uintptr_t, const char* file, int line, const char* function) {
        static_cast<std::vector<Frame>*>(out)->push_back(
            Frame{Demangle(function), file == nullptr ? "" : file, line});
        return 0;
      },
      IgnoreError, &frames);
  if (frames.empty()) frames.emplace_back();
  // Line tables alone may have no names, or have them without their namespace; the symbol of the
  // function that all of these are inlined into has the whole name.
  std::string symbol;
  backtrace_syminfo(
      State(), pc,
      [](void* out, std::uintptr_t, const char* name, std::uintptr_t, std::uintptr_t) {
        *static_cast<std::string*>(out) = Demangle(name);
      },
      IgnoreError, &symbol);
  if (!symbol.empty()) frames.back().function = std::move(symbol);
  return frames;
}

}  // namespace enclave::otel
