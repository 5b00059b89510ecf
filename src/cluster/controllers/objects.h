// What controllers read from and write into API objects: owner references, conditions, pod states.
// Stateless and thread-safe; nothing here throws on malformed objects.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/executor.h"
#include "kube/kind.h"
#include "kube/object.h"

namespace enclave::cluster {

// "" when absent. Keys hold dots, so kube::StringAt cannot address them.
const std::string& AnnotationOf(const kube::Json& object, const std::string& key);
const std::string& LabelOf(const kube::Json& object, const std::string& key);

// The entry of metadata.ownerReferences with controller: true; null when there is none.
const kube::Json* ControllerOf(const kube::Json& object);
// "" when no controller.
const std::string& ControllerUid(const kube::Json& object);
// An ownerReference that makes `owner` the controller (controller and blockOwnerDeletion set).
kube::Json ControllerReference(const kube::Kind& kind, const kube::Object& owner);
// `references` (metadata.ownerReferences) without those to `uid`.
kube::Json WithoutOwner(const kube::Json& references, const std::string& uid);

bool HasFinalizer(const kube::Json& object, std::string_view finalizer);
// metadata.finalizers of `object` without `finalizer`; the field vanishes when it is empty.
void RemoveFinalizer(kube::Json& object, std::string_view finalizer);

// The entry of status.conditions of that type; null when there is none.
const kube::Json* ConditionOf(const kube::Json& object, std::string_view type);
// Sets or adds a condition in a `conditions` array. An equal status and reason change nothing (so a
// message alone does not); an equal status keeps lastTransitionTime.
// `with_update_time`: Deployments have lastUpdateTime beside lastTransitionTime.
void SetCondition(kube::Json& conditions, std::string_view type, std::string_view status,
                  std::string_view reason, const std::string& message, const std::string& now,
                  bool with_update_time);
void RemoveCondition(kube::Json& conditions, std::string_view type);

// An array or object at `path` of one level, made when absent or of another type.
kube::Json& ArrayAt(kube::Json& object, const std::string& key);
kube::Json& ObjectAt(kube::Json& object, const std::string& key);
// The array at a dotted path; an empty array when it is something else, so it can be iterated.
const kube::Json& ItemsAt(const kube::Json& object, std::string_view dotted_path);

bool PodTerminal(const kube::Json& pod);  // phase Succeeded or Failed
// Counts for its owner: neither terminal nor being deleted.
bool PodActive(const kube::Object& pod);
bool PodReady(const kube::Json& pod);
// Ready for at least `min_ready` seconds. When it is ready but not that long, `*wait` is lowered to
// what is missing.
bool PodAvailable(const kube::Json& pod, std::int64_t min_ready_seconds, base::WallTime now,
                  std::optional<base::Duration>* wait);

// The annotation that carries the TraceID of what caused an object, from object to object.
inline const std::string kTraceAnnotation = "enclave.dev/trace-id";

}  // namespace enclave::cluster
