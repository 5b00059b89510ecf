// Patches: [kind, target, patch]. Results are finite and bounded, the target decides nothing about
// safety; a merge patch made from a difference gives the other document; merge patches are
// idempotent.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "kube/body.h"
#include "kube/patch.h"

namespace enclave::kube {
namespace {

bool HasNull(const Json& value) {
  if (value.is_null()) return true;
  if (!value.is_structured()) return false;
  for (const Json& child : value) {
    if (HasNull(child)) return true;
  }
  return false;
}

bool HasDirective(const Json& value) {
  if (value.is_object()) {
    for (const auto& [key, child] : value.items()) {
      if (key.starts_with("$") || HasDirective(child)) return true;
    }
  } else if (value.is_array()) {
    for (const Json& child : value) {
      if (HasDirective(child)) return true;
    }
  }
  return false;
}

void CheckBounded(const Json& result) {
  CHECK(JsonDepth(result, 3 * kMaxPatchDepth) <= 2 * kMaxPatchDepth, "the depth stays bounded");
  CHECK(!result.dump(-1, ' ', false, Json::error_handler_t::replace).empty(), "it can be written");
}

void Fuzz(std::uint8_t kind, const Json& target, const Json& patch) {
  switch (kind % 4) {
    case 0: {
      const auto once = ApplyMergePatch(target, patch);
      if (!once) return;
      CheckBounded(*once);
      CHECK(*ApplyMergePatch(*once, patch) == *once, "a merge patch is idempotent");
      return;
    }
    case 1: {
      if (HasNull(target) || HasNull(patch)) return;
      const Json difference = DiffMergePatch(target, patch);
      const auto result = ApplyMergePatch(target, difference);
      if (result && patch.is_object()) CHECK(*result == patch, "a difference leads to the other");
      return;
    }
    case 2: {
      if (const auto result = ApplyJsonPatch(target, patch)) CheckBounded(*result);
      return;
    }
    default: {
      const auto once = ApplyStrategicMergePatch(target, patch);
      if (!once) return;
      CheckBounded(*once);
      if (HasDirective(patch) || HasNull(*once)) return;
      const auto twice = ApplyStrategicMergePatch(*once, patch);
      CHECK(twice && *twice == *once, "without directives a strategic patch is idempotent");
    }
  }
}

}  // namespace
}  // namespace enclave::kube

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace enclave::kube;
  if (size < 2 || size > 16384) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t middle = text.find('\n');
  if (middle == std::string_view::npos) return 0;
  const auto target = ParseJson(text.substr(0, middle));
  const auto patch = ParseJson(text.substr(middle + 1));
  if (target && patch) Fuzz(data[0], *target, *patch);
  return 0;
}
