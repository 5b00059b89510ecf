// Whatever the text: it parses or is refused with a place; what is printed parses again to the
// same; and what parses can be evaluated within its bounds.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "observatory/promql/engine.h"
#include "observatory/promql/memory_source.h"
#include "observatory/promql/parser.h"

namespace {

namespace observatory = enclave::observatory;
using observatory::promql::Engine;
using observatory::promql::MemorySource;

MemorySource& Data() {
  static MemorySource* source = [] {
    auto* made = new MemorySource;
    for (int i = 0; i < 12; ++i) {
      made->Add({{"__name__", "a"}, {"x", "1"}}, i * 15'000, i);
      made->Add({{"__name__", "a"}, {"x", "2"}}, i * 15'000, i % 5);
      made->Add({{"__name__", "b"}, {"x", "1"}, {"le", "1"}}, i * 15'000, i);
      made->Add({{"__name__", "b"}, {"x", "1"}, {"le", "+Inf"}}, i * 15'000, 2 * i);
    }
    return made;
  }();
  return *source;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto expr = observatory::promql::Parse(text);
  if (!expr) {
    CHECK(expr.error().message().contains("parse error"), "errors say where");
    return 0;
  }
  const std::string printed = Print(**expr);
  const auto again = observatory::promql::Parse(printed);
  CHECK(again, "what is printed parses");
  CHECK(Print(**again) == printed, "the canonical spelling is stable");
  CHECK(observatory::promql::Parse(PrintPretty(**expr)), "the pretty spelling parses");
  static Engine engine(Data(), {.max_samples = 2000, .max_steps = 10});
  static_cast<void>(engine.Instant(text, 120'000));
  static_cast<void>(engine.Range(text, 0, 180'000, 60'000));
  return 0;
}
