#include "cluster/api/table.h"

#include "cluster/api/columns.h"

namespace enclave::cluster {
namespace {

using kube::Json;

std::string MetaVersion(std::string_view version) {
  return "meta.k8s.io/" + std::string(version.empty() ? "v1" : version);
}

}  // namespace

IncludeObject ParseIncludeObject(std::string_view text) {
  if (text == "None") return IncludeObject::kNone;
  if (text == "Object") return IncludeObject::kObject;
  return IncludeObject::kMetadata;
}

Json RenderPartialMetadata(const Json& object, std::string_view version) {
  return {{"kind", "PartialObjectMetadata"},
          {"apiVersion", MetaVersion(version)},
          {"metadata", kube::At(object, "metadata")}};
}

Json RenderPartialMetadataList(std::span<const kube::ObjectPtr> objects, Json metadata,
                               std::string_view version) {
  Json items = Json::array();
  for (const kube::ObjectPtr& object : objects)
    items.push_back(RenderPartialMetadata(object->json(), version));
  return {{"kind", "PartialObjectMetadataList"},
          {"apiVersion", MetaVersion(version)},
          {"metadata", std::move(metadata)},
          {"items", std::move(items)}};
}

Json RenderTable(const Resource& resource, std::span<const kube::ObjectPtr> objects, Json metadata,
                 IncludeObject include, bool with_columns, std::string_view version,
                 base::WallTime now) {
  Json rows = Json::array();
  for (const kube::ObjectPtr& object : objects) {
    Json row = {{"cells", Cells(resource, object->json(), now)}};
    if (include == IncludeObject::kMetadata)
      row["object"] = RenderPartialMetadata(object->json(), version);
    if (include == IncludeObject::kObject) row["object"] = object->json();
    rows.push_back(std::move(row));
  }
  Json table = {{"kind", "Table"},
                {"apiVersion", MetaVersion(version)},
                {"metadata", std::move(metadata)},
                {"rows", std::move(rows)}};
  table["columnDefinitions"] = with_columns ? ColumnDefinitions(resource) : Json(nullptr);
  return table;
}

}  // namespace enclave::cluster
