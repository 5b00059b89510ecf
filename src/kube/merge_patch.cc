#include <fmt/format.h>

#include <algorithm>

#include "kube/patch.h"

namespace enclave::kube {
namespace {

// Depth was checked by the caller.
void Merge(Json& target, const Json& patch) {
  if (!patch.is_object()) {
    target = patch;
    return;
  }
  if (!target.is_object()) target = Json::object();
  for (const auto& [key, value] : patch.items()) {
    if (value.is_null()) {
      target.erase(key);
    } else {
      Merge(target[key], value);
    }
  }
}

}  // namespace

int JsonDepth(const Json& value, int limit) {
  if (!value.is_structured()) return 0;
  if (limit <= 0) return 1;
  int deepest = 0;
  for (const Json& child : value) {
    deepest = std::max(deepest, JsonDepth(child, limit - 1));
    if (deepest >= limit) break;
  }
  return deepest + 1;
}

base::Result<Json> ApplyMergePatch(Json target, const Json& patch) {
  if (JsonDepth(patch, kMaxPatchDepth) > kMaxPatchDepth) {
    return base::Fail(base::ErrorKind::kTooLarge,
                      fmt::format("the patch is nested deeper than {} levels", kMaxPatchDepth));
  }
  Merge(target, patch);
  return target;
}

Json DiffMergePatch(const Json& before, const Json& after) {
  if (!before.is_object() || !after.is_object()) return after;
  Json patch = Json::object();
  for (const auto& [key, value] : before.items()) {
    if (!after.contains(key)) patch[key] = nullptr;
  }
  for (const auto& [key, value] : after.items()) {
    const auto old = before.find(key);
    if (old == before.end()) {
      if (!value.is_null()) patch[key] = value;
    } else if (*old != value) {
      patch[key] = DiffMergePatch(*old, value);
    }
  }
  return patch;
}

}  // namespace enclave::kube
