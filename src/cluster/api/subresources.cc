#include "cluster/api/subresources.h"

#include <fmt/format.h>

#include "kube/selector.h"

namespace enclave::cluster {
namespace {

using base::ErrorKind;
using base::Fail;
using kube::At;
using kube::Json;

}  // namespace

void SetAt(Json& object, std::string_view path, Json value) {
  Json* here = &object;
  while (true) {
    if (!here->is_object()) *here = Json::object();
    const std::size_t dot = path.find('.');
    Json& next = (*here)[std::string(path.substr(0, dot))];
    if (dot == std::string_view::npos) {
      next = std::move(value);
      return;
    }
    here = &next;
    path.remove_prefix(dot + 1);
  }
}

Subresource StatusSubresource() {
  return {.name = "status",
          .verbs = {"get", "patch", "update"},
          .merge = [](const Json& body, const Json& current,
                      const WriteContext&) -> base::Result<Json> {
            Json fresh = current;
            const Json& status = At(body, "status");
            if (status.is_null()) {
              fresh.erase("status");
            } else if (status.is_object()) {
              fresh["status"] = status;
            } else {
              return Fail(ErrorKind::kInvalidArgument, "status must be an object");
            }
            return fresh;
          }};
}

Subresource ScaleSubresource(const ScalePaths& paths) {
  Subresource scale{.name = "scale",
                    .group = "autoscaling",
                    .version = "v1",
                    .kind = "Scale",
                    .verbs = {"get", "patch", "update"}};
  scale.view = [paths](const Json& object) {
    Json metadata = Json::object();
    for (const char* field : {"name", "namespace", "uid", "resourceVersion", "creationTimestamp"}) {
      const Json& value = At(At(object, "metadata"), field);
      if (!value.is_null()) metadata[field] = value;
    }
    Json status = {{"replicas", kube::IntAt(object, paths.observed)}};
    if (const auto selector = kube::LabelSelector::FromJson(At(object, paths.selector))) {
      status["selector"] = selector->ToString();
    }
    return Json{{"kind", "Scale"},
                {"apiVersion", "autoscaling/v1"},
                {"metadata", std::move(metadata)},
                {"spec", {{"replicas", kube::IntAt(object, paths.replicas)}}},
                {"status", std::move(status)}};
  };
  scale.merge = [paths](const Json& body, const Json& current,
                        const WriteContext&) -> base::Result<Json> {
    const Json& replicas = At(body, "spec.replicas");
    if (!replicas.is_null() && !replicas.is_number_integer()) {
      return Fail(ErrorKind::kInvalidArgument, "spec.replicas must be an integer");
    }
    const std::int64_t wanted = kube::IntAt(body, "spec.replicas");
    if (wanted < 0) {
      return Fail(ErrorKind::kUnprocessable,
                  fmt::format("Scale.autoscaling \"{}\" is invalid: spec.replicas: Invalid value: "
                              "{}: must be greater than or equal to 0",
                              kube::StringAt(current, "metadata.name"), wanted));
    }
    Json fresh = current;
    SetAt(fresh, paths.replicas, wanted);
    return fresh;
  };
  return scale;
}

}  // namespace enclave::cluster
