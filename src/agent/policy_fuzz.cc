// A policy is refused with a line of the file, or is one that can be acted upon.
#include <cstddef>
#include <cstdint>

#include "agent/policy.h"
#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace enclave::agent;
  if (size > 16 << 10) return 0;
  const auto policy = ParsePolicy({reinterpret_cast<const char*>(data), size}, "f");
  if (!policy) {
    CHECK(policy.error().message().starts_with("f:"), "an error names its line");
    return 0;
  }
  CHECK(!policy->namespaces.empty() && !policy->rules.empty() && policy->guardrail.max_at_once > 0,
        "a policy says where and what");
  CHECK(policy->verify.window >= policy->verify.settle + policy->verify.hold,
        "what is done can be verified");
  for (const Rule& rule : policy->rules)
    for (const Attempt& attempt : rule.attempts)
      CHECK(attempt.kind != ActionKind::kScale || attempt.most > 0, "scaling has a bound");
  return 0;
}
