#include <array>
#include <map>

#include "cluster/api/pod_rules.h"
#include "cluster/api/resource.h"
#include "kube/quantity.h"

namespace enclave::cluster {
namespace {

using kube::At;
using kube::Json;
using kube::StringAt;

// A field that is there and is an object.
Json* Child(Json& object, const char* field) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(field);
  return found != object.end() && found->is_object() ? &*found : nullptr;
}

template <typename Visit>
void ForEach(Json& object, const char* field, Visit visit) {
  if (!object.is_object()) return;
  const auto found = object.find(field);
  if (found == object.end() || !found->is_array()) return;
  for (Json& element : *found) {
    if (element.is_object()) visit(element);
  }
}

void DefaultHttpGet(Json& holder) {
  if (Json* get = Child(holder, "httpGet")) {
    SetDefault(*get, "path", "/");
    SetDefault(*get, "scheme", "HTTP");
  }
}

void DefaultProbe(Json& container, const char* field) {
  Json* probe = Child(container, field);
  if (probe == nullptr) return;
  SetDefault(*probe, "timeoutSeconds", 1);
  SetDefault(*probe, "periodSeconds", 10);
  SetDefault(*probe, "successThreshold", 1);
  SetDefault(*probe, "failureThreshold", 3);
  DefaultHttpGet(*probe);
  if (Json* grpc = Child(*probe, "grpc")) SetDefault(*grpc, "service", "");
}

// ":latest" and no tag change under the same name.
std::string PullPolicy(const std::string& image) {
  const std::size_t slash = image.rfind('/');
  const std::string last = slash == std::string::npos ? image : image.substr(slash + 1);
  if (last.contains('@')) return "IfNotPresent";
  const std::size_t colon = last.find(':');
  return colon == std::string::npos || last.substr(colon) == ":latest" ? "Always" : "IfNotPresent";
}

void DefaultContainer(Json& container) {
  SetDefault(container, "terminationMessagePath", "/dev/termination-log");
  SetDefault(container, "terminationMessagePolicy", "File");
  SetDefault(container, "imagePullPolicy", PullPolicy(StringAt(container, "image")));
  SetDefault(container, "resources", Json::object());
  ForEach(container, "ports", [](Json& port) { SetDefault(port, "protocol", "TCP"); });
  ForEach(container, "env", [](Json& variable) {
    if (Json* source = Child(variable, "valueFrom")) {
      if (Json* field = Child(*source, "fieldRef")) SetDefault(*field, "apiVersion", "v1");
      if (Json* resource = Child(*source, "resourceFieldRef"))
        SetDefault(*resource, "divisor", "0");
    }
  });
  for (const char* probe : {"livenessProbe", "readinessProbe", "startupProbe"}) {
    DefaultProbe(container, probe);
  }
  if (Json* lifecycle = Child(container, "lifecycle")) {
    for (const char* hook : {"postStart", "preStop"}) {
      if (Json* handler = Child(*lifecycle, hook)) DefaultHttpGet(*handler);
    }
  }
}

void DefaultDownwardItems(Json& holder) {
  ForEach(holder, "items", [](Json& item) {
    if (Json* field = Child(item, "fieldRef")) SetDefault(*field, "apiVersion", "v1");
    if (Json* resource = Child(item, "resourceFieldRef")) SetDefault(*resource, "divisor", "0");
  });
}

void DefaultVolume(Json& volume) {
  constexpr int kDefaultMode = 0644;
  if (volume.size() == 1 && volume.contains("name")) volume["emptyDir"] = Json::object();
  for (const char* source : {"configMap", "secret", "downwardAPI", "projected"}) {
    if (Json* child = Child(volume, source)) SetDefault(*child, "defaultMode", kDefaultMode);
  }
  if (Json* path = Child(volume, "hostPath")) SetDefault(*path, "type", "");
  if (Json* downward = Child(volume, "downwardAPI")) DefaultDownwardItems(*downward);
  if (Json* projected = Child(volume, "projected")) {
    ForEach(*projected, "sources", [](Json& source) {
      if (Json* downward = Child(source, "downwardAPI")) DefaultDownwardItems(*downward);
      if (Json* token = Child(source, "serviceAccountToken")) {
        SetDefault(*token, "expirationSeconds", 3600);
      }
    });
  }
}

void RequestsFromLimits(Json& container) {
  Json* resources = Child(container, "resources");
  if (resources == nullptr) return;
  const Json limits = At(*resources, "limits");
  if (!limits.is_object()) return;
  Json requests = At(*resources, "requests");
  if (!requests.is_object()) requests = Json::object();
  for (const auto& [name, limit] : limits.items()) {
    if (!requests.contains(name)) requests[name] = limit;
  }
  (*resources)["requests"] = std::move(requests);
}

// Pods stay on a node that went away for five minutes (admission plugin DefaultTolerationSeconds).
void DefaultTolerations(Json& spec) {
  for (const char* key : {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}) {
    bool tolerated = false;
    for (const Json& toleration : At(spec, "tolerations")) {
      const std::string& effect = StringAt(toleration, "effect");
      const std::string& its_key = StringAt(toleration, "key");
      if ((its_key == key || its_key.empty()) && (effect == "NoExecute" || effect.empty())) {
        tolerated = true;
      }
    }
    if (tolerated) continue;
    spec["tolerations"].push_back({{"key", key},
                                   {"operator", "Exists"},
                                   {"effect", "NoExecute"},
                                   {"tolerationSeconds", 300}});
  }
}

}  // namespace

void SetPodSpecDefaults(Json& spec) {
  if (!spec.is_object()) return;
  SetDefault(spec, "restartPolicy", "Always");
  SetDefault(spec, "terminationGracePeriodSeconds", 30);
  SetDefault(spec, "dnsPolicy", "ClusterFirst");
  SetDefault(spec, "securityContext", Json::object());
  SetDefault(spec, "schedulerName", "default-scheduler");
  // The old name of the field follows the new one.
  if (spec.contains("serviceAccountName")) {
    spec["serviceAccount"] = spec["serviceAccountName"];
  } else if (spec.contains("serviceAccount")) {
    spec["serviceAccountName"] = spec["serviceAccount"];
  }
  for (const char* list : {"containers", "initContainers"}) {
    ForEach(spec, list, [](Json& container) { DefaultContainer(container); });
  }
  ForEach(spec, "volumes", [](Json& volume) { DefaultVolume(volume); });
}

void SetPodDefaults(Json& pod) {
  Json* spec = Child(pod, "spec");
  if (spec == nullptr) return;
  for (const char* list : {"containers", "initContainers"}) {
    ForEach(*spec, list, [](Json& container) { RequestsFromLimits(container); });
  }
  SetPodSpecDefaults(*spec);
  SetDefault(*spec, "enableServiceLinks", true);
  SetDefault(*spec, "preemptionPolicy", "PreemptLowerPriority");
  SetDefault(*spec, "priority", 0);
  if (!spec->contains("serviceAccountName")) {
    (*spec)["serviceAccountName"] = "default";
    (*spec)["serviceAccount"] = "default";
  }
  DefaultTolerations(*spec);
}

std::string QosClass(const Json& pod_spec) {
  bool any = false;
  bool guaranteed = true;
  for (const char* list : {"containers", "initContainers"}) {
    for (const Json& container : At(pod_spec, list)) {
      for (const char* resource : {"cpu", "memory"}) {
        const auto limit =
            kube::Quantity::At(container, std::string("resources.limits.") + resource);
        const auto request =
            kube::Quantity::At(container, std::string("resources.requests.") + resource);
        if (!limit.is_zero() || !request.is_zero()) any = true;
        if (limit.is_zero() || limit != request) guaranteed = false;
      }
    }
  }
  if (!any) return "BestEffort";
  return guaranteed ? "Guaranteed" : "Burstable";
}

}  // namespace enclave::cluster
