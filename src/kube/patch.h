// The three patch formats of the Kubernetes API, on untyped JSON.
//
// Each takes the target by value and gives the patched document or an error: kInvalidArgument for a
// malformed patch, kUnprocessable for one that does not fit the target (a failing `test`, a missing
// path), kTooLarge beyond the bounds below. Work and memory are linear in target plus patch but for
// JSON patch, which is bounded by kMaxPatchOperations and kMaxCopiedBytes.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "base/result.h"
#include "kube/object.h"

namespace enclave::kube {

inline constexpr int kMaxPatchDepth = 128;  // nesting of patch and result
inline constexpr std::size_t kMaxPatchOperations = 10'000;
inline constexpr std::size_t kMaxCopiedBytes = 3 << 20;  // by `copy` operations, together

// RFC 7386: null deletes, objects merge, all else replaces.
base::Result<Json> ApplyMergePatch(Json target, const Json& patch);

// The merge patch that turns `before` into `after`. `after` holds no nulls in objects (API objects
// do not); a null in it cannot be expressed and is left out.
Json DiffMergePatch(const Json& before, const Json& after);

// RFC 6902.
base::Result<Json> ApplyJsonPatch(Json target, const Json& operations);

// How a strategic merge patch treats one list field. A list without a rule is atomic: replaced.
struct MergeRule {
  std::string_view parent;  // name of the field that holds the field; "" for any
  std::string_view field;
  std::string_view key;  // elements are objects merged by this key; "": a set of scalars
};

// The rules of the built-in kinds, as the patchStrategy and patchMergeKey tags of k8s.io/api.
std::span<const MergeRule> StrategicMergeRules();

// Kubernetes' strategic merge patch (k8s.io/apimachinery/pkg/util/strategicpatch) with its
// directives: `$patch: replace | delete | merge` in an object or as a list element,
// `$retainKeys: [k...]`, `$setElementOrder/FIELD: [...]`, `$deleteFromPrimitiveList/FIELD: [...]`.
// As in Kubernetes, `$patch: delete` on an object field leaves an empty object.
base::Result<Json> ApplyStrategicMergePatch(
    Json target, const Json& patch, std::span<const MergeRule> rules = StrategicMergeRules());

// Nesting depth of a value: 0 for scalars, 1 for [] and {}. Looks no deeper than `limit` + 1.
int JsonDepth(const Json& value, int limit);

}  // namespace enclave::kube
