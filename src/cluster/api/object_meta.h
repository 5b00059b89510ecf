// metadata, as the server keeps it (metav1.ObjectMeta): which of its fields are the server's own,
// how they change, and what may stand in the others.
#pragma once

#include <string>
#include <string_view>

#include "base/executor.h"
#include "base/result.h"
#include "cluster/api/field_errors.h"
#include "cluster/api/resource.h"
#include "kube/object.h"

namespace enclave::cluster {

// The annotation with the TraceID of what last changed an object on purpose.
inline constexpr const char* kTraceIdAnnotation = "enclave.dev/trace-id";

bool HasFinalizers(const kube::Json& object);
// Deleted, and nothing holds it back any more: to be removed.
bool ReadyToGo(const Resource& resource, const kube::Json& object);

// The server's fields of `fresh` as they are in `current`.
void KeepSystemFields(kube::Json& fresh, const kube::Json& current);
// The server's fields of a new object. metadata.name is set.
void StampNew(const Resource& resource, kube::Json& fresh, std::string uid, base::WallTime now);

// name, labels, annotations, finalizers, ownerReferences.
void ValidateMetadata(const Resource& resource, const kube::Json& object, FieldErrors& errors);
void ValidateMetadataUpdate(const kube::Json& fresh, const kube::Json& current,
                            FieldErrors& errors);

// Finalizers that a way of deleting adds or removes: "Foreground", "Orphan", "Background", or "".
base::Result<> SetPropagation(kube::Json& object, std::string_view propagation);

}  // namespace enclave::cluster
