// Whatever a program prints, the parts of its line are views into that line or into text the head
// keeps.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "base/check.h"
#include "telemetry/templates/line_head.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace enclave;
  const std::string line(reinterpret_cast<const char*>(data), size);
  const telemetry::templates::LineHead head = telemetry::templates::SplitHead(line);
  const auto held = [&](std::string_view part) {
    const auto within = [part](const std::string& text) {
      return std::greater_equal<>()(part.data(), text.data()) &&
             std::less_equal<>()(part.data() + part.size(), text.data() + text.size());
    };
    if (part.empty() || within(line)) return true;
    if (!head.unescaped) return false;
    for (const std::string& text : *head.unescaped)
      if (within(text)) return true;
    return false;
  };
  CHECK(held(head.level) && held(head.location) && held(head.message) && held(head.trace_id) &&
            held(head.span_id),
        "a part of a line lives as long as its head");
  return 0;
}
