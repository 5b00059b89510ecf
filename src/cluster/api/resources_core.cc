// Namespaces, nodes, configuration, accounts, events, leases.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "cluster/api/columns.h"
#include "cluster/api/registry.h"
#include "cluster/api/subresources.h"
#include "kube/names.h"
#include "kube/time.h"
#include "net/tls.h"

namespace enclave::cluster {
namespace {

using base::ErrorKind;
using base::Fail;
using kube::At;
using kube::Json;
using kube::StringAt;

constexpr std::size_t kMaxDataBytes = 1 << 20;  // of a ConfigMap or Secret

// ---- Namespace

bool NamespaceHolds(const Json& ns) {
  const Json& finalizers = At(ns, "spec.finalizers");
  return finalizers.is_array() && !finalizers.empty();
}

Subresource FinalizeSubresource() {
  return {.name = "finalize",
          .verbs = {"update"},
          .merge = [](const Json& body, const Json& current,
                      const WriteContext&) -> base::Result<Json> {
            Json fresh = current;
            Json finalizers = At(body, "spec.finalizers");
            if (!fresh["spec"].is_object()) fresh["spec"] = Json::object();
            if (finalizers.is_array() && !finalizers.empty()) {
              fresh["spec"]["finalizers"] = std::move(finalizers);
            } else {
              fresh["spec"].erase("finalizers");
            }
            return fresh;
          }};
}

Resource Namespaces() {
  Resource resource;
  resource.kind = kube::kNamespace;
  resource.singular = "namespace";
  resource.short_names = {"ns"};
  resource.schema = "Namespace";
  resource.verbs = {"create", "delete", "get", "list", "patch", "update", "watch"};
  resource.columns = {NameColumn(), PathColumn("Status", "status.phase"), AgeColumn()};
  resource.selectable_fields = {"status.phase"};
  resource.has_status = true;
  resource.subresources = {FinalizeSubresource(), StatusSubresource()};
  resource.set_defaults = [](Json& ns) {
    ns["metadata"]["labels"]["kubernetes.io/metadata.name"] = StringAt(ns, "metadata.name");
  };
  resource.prepare_create = [](Json& ns, const WriteContext&) {
    ns["spec"]["finalizers"] = Json::array({"kubernetes"});
    ns["status"] = {{"phase", "Active"}};
  };
  resource.prepare_update = [](Json& fresh, const Json& current, const WriteContext&) {
    fresh["spec"] = At(current, "spec");
  };
  resource.validate_name = kube::ValidateDns1123Label;
  resource.holds = NamespaceHolds;
  resource.prepare_delete = [](Json& ns) { ns["status"]["phase"] = "Terminating"; };
  resource.may_delete = [](const Json& ns) -> base::Result<> {
    static constexpr std::array<std::string_view, 3> kKept = {"default", "kube-system",
                                                              "kube-public"};
    const std::string& name = StringAt(ns, "metadata.name");
    if (std::ranges::find(kKept, name) == kKept.end()) return {};
    return Fail(
        ErrorKind::kPermissionDenied,
        fmt::format("namespaces \"{}\" is forbidden: this namespace may not be deleted", name));
  };
  return resource;
}

// ---- Node

Json NodeStatus(const Json& node) {
  std::string text = "Unknown";
  for (const Json& condition : At(node, "status.conditions")) {
    if (StringAt(condition, "type") != "Ready") continue;
    const std::string& status = StringAt(condition, "status");
    text = status == "True" ? "Ready" : "NotReady";
  }
  if (kube::BoolAt(node, "spec.unschedulable")) text += ",SchedulingDisabled";
  return text;
}

Json NodeRoles(const Json& node) {
  constexpr std::string_view kPrefix = "node-role.kubernetes.io/";
  std::string text;
  const Json& labels = At(node, "metadata.labels");
  if (labels.is_object()) {
    for (const auto& [key, value] : labels.items()) {
      if (!key.starts_with(kPrefix) || key.size() == kPrefix.size()) continue;
      if (!text.empty()) text += ',';
      text += key.substr(kPrefix.size());
    }
  }
  return OrNone(text);
}

Column NodeAddress(std::string name, std::string type) {
  return ComputedColumn(std::move(name), "string", kWide,
                        [type = std::move(type)](const Json& node) -> Json {
                          for (const Json& address : At(node, "status.addresses")) {
                            if (StringAt(address, "type") == type) {
                              return StringAt(address, "address");
                            }
                          }
                          return "<none>";
                        });
}

Column NodeInfo(std::string name, const char* field, int priority = kWide) {
  return PathColumn(std::move(name), std::string("status.nodeInfo.") + field, "string", priority,
                    "<unknown>");
}

Resource Nodes() {
  Resource resource;
  resource.kind = kube::kNode;
  resource.singular = "node";
  resource.short_names = {"no"};
  resource.schema = "Node";
  resource.columns = {NameColumn(),
                      ComputedColumn("Status", "string", 0, NodeStatus),
                      ComputedColumn("Roles", "string", 0, NodeRoles),
                      AgeColumn(),
                      NodeInfo("Version", "kubeletVersion", 0),
                      NodeAddress("Internal-IP", "InternalIP"),
                      NodeAddress("External-IP", "ExternalIP"),
                      NodeInfo("OS-Image", "osImage"),
                      NodeInfo("Kernel-Version", "kernelVersion"),
                      NodeInfo("Container-Runtime", "containerRuntimeVersion")};
  resource.selectable_fields = {"spec.unschedulable"};
  resource.has_status = true;
  resource.creates_status = true;
  resource.subresources = {StatusSubresource(),
                           {.name = "proxy", .verbs = {"get"}, .connect = true}};
  resource.validate = [](const Json& node, FieldErrors& errors) {
    static constexpr std::array<std::string_view, 3> kEffects = {"NoSchedule", "PreferNoSchedule",
                                                                 "NoExecute"};
    std::size_t index = 0;
    for (const Json& taint : At(node, "spec.taints")) {
      const std::string at = Indexed("spec.taints", index++);
      const std::string& key = StringAt(taint, "key");
      errors.Check(at + ".key", key, kube::ValidateLabelKey(key));
      const std::string& effect = StringAt(taint, "effect");
      if (std::ranges::find(kEffects, effect) == kEffects.end()) {
        errors.NotSupported(at + ".effect", effect, kEffects);
      }
    }
  };
  return resource;
}

// ---- ConfigMap and Secret

std::size_t CheckData(const Json& object, const char* field, bool base64, FieldErrors& errors) {
  std::size_t total = 0;
  const Json& data = At(object, field);
  if (!data.is_object()) return 0;
  for (const auto& [key, value] : data.items()) {
    const std::string at = fmt::format("{}[{}]", field, key.substr(0, 256));
    errors.Check(at, key, kube::ValidateConfigMapKey(key));
    if (!value.is_string()) continue;
    const auto& text = value.get_ref<const std::string&>();
    total += text.size();
    // The value is not shown: it may be a secret.
    if (base64 && !net::Base64Decode(text)) {
      errors.Invalid(at, "", "illegal base64 data");
    }
  }
  return total;
}

void ValidateConfigMap(const Json& map, FieldErrors& errors) {
  const std::size_t total =
      CheckData(map, "data", false, errors) + CheckData(map, "binaryData", true, errors);
  if (total > kMaxDataBytes) errors.Invalid("", "", "Too long: may not be more than 1048576 bytes");
  const Json& data = At(map, "data");
  if (!data.is_object()) return;
  for (const auto& [key, value] : data.items()) {
    const Json& binary = At(map, "binaryData");
    if (binary.is_object() && binary.contains(key)) {
      errors.Invalid(fmt::format("data[{}]", key), key, "duplicate of key present in binaryData");
    }
  }
}

void ValidateSecret(const Json& secret, FieldErrors& errors) {
  if (CheckData(secret, "data", true, errors) > kMaxDataBytes * 4 / 3) {
    errors.Invalid("data", "", "Too long: may not be more than 1048576 bytes");
  }
  const std::string& type = StringAt(secret, "type");
  const Json& data = At(secret, "data");
  const auto require = [&](const std::string& key) {
    if (!data.is_object() || !data.contains(key)) errors.Required(fmt::format("data[{}]", key));
  };
  if (type == "kubernetes.io/tls") {
    require("tls.crt");
    require("tls.key");
  } else if (type == "kubernetes.io/dockerconfigjson") {
    require(".dockerconfigjson");
  } else if (type == "kubernetes.io/basic-auth" &&
             (!data.is_object() || (!data.contains("username") && !data.contains("password")))) {
    require("username");
    require("password");
  }
}

void ValidateImmutable(const Json& fresh, const Json& current, FieldErrors& errors) {
  if (!kube::BoolAt(current, "immutable")) return;
  if (!kube::BoolAt(fresh, "immutable")) {
    errors.Forbidden("immutable", "field is immutable when `immutable` is set");
  }
  for (const char* field : {"data", "binaryData"}) {
    if (At(fresh, field) != At(current, field)) {
      errors.Forbidden(field, "field is immutable when `immutable` is set");
    }
  }
}

// Write-only text becomes data.
void MergeStringData(Json& secret) {
  const auto text = secret.find("stringData");
  if (text == secret.end()) return;
  if (text->is_object()) {
    for (const auto& [key, value] : text->items()) {
      if (value.is_string()) {
        secret["data"][key] = net::Base64Encode(value.get_ref<const std::string&>());
      }
    }
  }
  secret.erase("stringData");
}

std::size_t CountOf(const Json& object, const char* field) {
  const Json& value = At(object, field);
  return value.is_structured() ? value.size() : 0;
}

Resource ConfigMaps() {
  Resource resource;
  resource.kind = kube::kConfigMap;
  resource.singular = "configmap";
  resource.short_names = {"cm"};
  resource.schema = "ConfigMap";
  resource.columns = {NameColumn(),
                      ComputedColumn("Data", "integer", 0,
                                     [](const Json& map) -> Json {
                                       return CountOf(map, "data") + CountOf(map, "binaryData");
                                     }),
                      AgeColumn()};
  resource.validate = ValidateConfigMap;
  resource.validate_update = ValidateImmutable;
  return resource;
}

Resource Secrets() {
  Resource resource;
  resource.kind = kube::kSecret;
  resource.singular = "secret";
  resource.schema = "Secret";
  resource.columns = {
      NameColumn(), PathColumn("Type", "type"),
      ComputedColumn("Data", "integer", 0,
                     [](const Json& secret) -> Json { return CountOf(secret, "data"); }),
      AgeColumn()};
  resource.selectable_fields = {"type"};
  resource.set_defaults = [](Json& secret) {
    MergeStringData(secret);
    if (!secret.contains("type")) secret["type"] = "Opaque";
  };
  resource.validate = ValidateSecret;
  resource.validate_update = [](const Json& fresh, const Json& current, FieldErrors& errors) {
    if (At(fresh, "type") != At(current, "type")) {
      errors.Invalid("type", At(fresh, "type"), "field is immutable");
    }
    ValidateImmutable(fresh, current, errors);
  };
  return resource;
}

// ---- ServiceAccount, Event, Lease

Resource ServiceAccounts() {
  Resource resource;
  resource.kind = kube::kServiceAccount;
  resource.singular = "serviceaccount";
  resource.short_names = {"sa"};
  resource.schema = "ServiceAccount";
  resource.columns = {
      NameColumn(),
      ComputedColumn("Secrets", "integer", 0,
                     [](const Json& account) -> Json { return CountOf(account, "secrets"); }),
      AgeColumn()};
  resource.subresources = {{.name = "token",
                            .group = "authentication.k8s.io",
                            .version = "v1",
                            .kind = "TokenRequest",
                            .verbs = {"create"},
                            .connect = true}};
  return resource;
}

std::string EventTime(const Json& event, std::string_view first, std::string_view second,
                      base::WallTime now) {
  const auto time = kube::TimeAt(event, first);
  return time ? HumanDuration(now - *time) : AgeAt(event, second, now);
}

Json EventObject(const Json& event) {
  std::string kind = StringAt(event, "involvedObject.kind");
  std::ranges::transform(kind, kind.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  const std::string& name = StringAt(event, "involvedObject.name");
  return name.empty() ? kind : kind + "/" + name;
}

Json EventSourceCell(const Json& event) {
  const std::string& component = StringAt(event, "source.component");
  const std::string& host = StringAt(event, "source.host");
  const std::string& shown = component.empty() ? StringAt(event, "reportingComponent") : component;
  return host.empty() ? shown : shown + ", " + host;
}

Resource Events() {
  Resource resource;
  resource.kind = kube::kEvent;
  resource.singular = "event";
  resource.short_names = {"ev"};
  resource.schema = "Event";
  resource.selectable_fields = {"involvedObject.kind",
                                "involvedObject.namespace",
                                "involvedObject.name",
                                "involvedObject.uid",
                                "involvedObject.apiVersion",
                                "involvedObject.resourceVersion",
                                "involvedObject.fieldPath",
                                "reason",
                                "reportingComponent",
                                "source",
                                "type"};
  resource.columns = {
      {.name = "Last Seen",
       .cell = [](const Json& event, base::WallTime now) -> Json {
         const bool series = !At(event, "series").is_null();
         return series ? EventTime(event, "series.lastObservedTime", "eventTime", now)
                       : EventTime(event, "lastTimestamp", "eventTime", now);
       }},
      PathColumn("Type", "type"),
      PathColumn("Reason", "reason"),
      ComputedColumn("Object", "string", 0, EventObject),
      PathColumn("Subobject", "involvedObject.fieldPath", "string", kWide),
      ComputedColumn("Source", "string", kWide, EventSourceCell),
      ComputedColumn("Message", "string", 0,
                     [](const Json& event) -> Json {
                       std::string text = StringAt(event, "message");
                       while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) {
                         text.pop_back();
                       }
                       return text;
                     }),
      {.name = "First Seen",
       .priority = kWide,
       .cell = [](const Json& event, base::WallTime now) -> Json {
         return EventTime(event, "firstTimestamp", "eventTime", now);
       }},
      ComputedColumn("Count", "string", kWide,
                     [](const Json& event) -> Json {
                       const std::int64_t count = kube::IntAt(event, "count");
                       return std::to_string(count == 0 ? 1 : count);
                     }),
      PathColumn("Name", "metadata.name", "string", kWide)};
  resource.columns.back().format = "name";
  resource.validate = [](const Json& event, FieldErrors& errors) {
    const std::string& regarding = StringAt(event, "involvedObject.namespace");
    const std::string& ns = StringAt(event, "metadata.namespace");
    if (!regarding.empty() && regarding != ns) {
      errors.Invalid("involvedObject.namespace", regarding, "does not match event.namespace");
    }
  };
  return resource;
}

Resource Leases() {
  Resource resource;
  resource.kind = kube::kLease;
  resource.singular = "lease";
  resource.schema = "Lease";
  resource.columns = {NameColumn(), PathColumn("Holder", "spec.holderIdentity"), AgeColumn()};
  resource.validate = [](const Json& lease, FieldErrors& errors) {
    const Json& duration = At(lease, "spec.leaseDurationSeconds");
    if (!duration.is_null() && kube::IntAt(lease, "spec.leaseDurationSeconds") <= 0) {
      errors.Invalid("spec.leaseDurationSeconds", duration, "must be greater than 0");
    }
  };
  return resource;
}

}  // namespace

void AddCoreResources(Registry& registry) {
  registry.Add(Namespaces());
  registry.Add(Nodes());
  registry.Add(ConfigMaps());
  registry.Add(Secrets());
  registry.Add(ServiceAccounts());
  registry.Add(Events());
  registry.Add(Leases());
}

}  // namespace enclave::cluster
