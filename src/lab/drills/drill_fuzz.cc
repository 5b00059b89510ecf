// A drill's file is refused with the file's name, or read into a drill that can be carried out.
#include <cstddef>
#include <cstdint>

#include <algorithm>

#include "base/check.h"
#include "lab/drills/drill.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace enclave;
  if (size > 16 << 10) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto objectives = lab::drills::ParseObjectives(text, "f"); !objectives)
    CHECK(objectives.error().message().starts_with("f"), "an error names its file");
  const auto drill = lab::drills::ParseDrill(text, "f");
  if (!drill) {
    CHECK(drill.error().message().starts_with("f"), "an error names its file");
    return 0;
  }
  CHECK(!drill->faults.empty() && drill->whole >= base::Duration::zero(), "a drill is sound");
  CHECK(std::ranges::is_sorted(drill->faults, {}, &lab::drills::Fault::after), "in order of time");
  for (const auto& fault : drill->faults)
    CHECK(!lab::drills::CommandOf(fault, drill->ns).empty(), "a fault can be told");
  return 0;
}
