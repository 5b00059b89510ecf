// A rule file, or a configuration with alerting, is refused with a line of the file or read.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "observatory/rules/rule_file.h"
#include "observatory/rules/rules_config.h"

namespace {

// Every expression is one.
class AnyEngine final : public enclave::observatory::rules::RuleEngine {
 public:
  enclave::base::Result<> Check(std::string_view) override { return {}; }
  enclave::base::Result<std::vector<enclave::observatory::rules::VectorSample>> Query(
      std::string_view, std::int64_t) override {
    return std::vector<enclave::observatory::rules::VectorSample>();
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace enclave::observatory::rules;
  if (size == 0 || size > 16 << 10) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  AnyEngine engine;
  if (data[0] % 2 == 0) {
    const auto groups = ParseRuleFile(text, "f", engine);
    CHECK(groups || groups.error().message().starts_with("f:"), "an error names its line");
    if (groups) {
      for (const RuleGroup& group : *groups) {
        CHECK(!group.name.empty() && group.interval.count() > 0, "a group is sound");
        (void)group.Fingerprint();
      }
    }
  } else {
    const auto config = ParseRulesConfig(text, "f");
    CHECK(config || config.error().message().starts_with("f:"), "an error names its line");
  }
  return 0;
}
