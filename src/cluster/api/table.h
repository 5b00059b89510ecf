// Objects in the shapes that clients ask for instead of the objects themselves: rows of a Table, or
// their metadata alone (Kubernetes API concepts, "Receiving resources as Tables").
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/executor.h"
#include "cluster/api/resource.h"
#include "kube/object.h"

namespace enclave::cluster {

// What a row carries of its object: the query parameter includeObject.
enum class IncludeObject { kNone, kMetadata, kObject };
IncludeObject ParseIncludeObject(std::string_view text);  // "" is Metadata

// `metadata` is the ListMeta of the table; `version` that of meta.k8s.io. The columns may be left
// out (in a watch all events but the first have none).
kube::Json RenderTable(const Resource& resource, std::span<const kube::ObjectPtr> objects,
                       kube::Json metadata, IncludeObject include, bool with_columns,
                       std::string_view version, base::WallTime now);

kube::Json RenderPartialMetadata(const kube::Json& object, std::string_view version);
kube::Json RenderPartialMetadataList(std::span<const kube::ObjectPtr> objects, kube::Json metadata,
                                     std::string_view version);

}  // namespace enclave::cluster
