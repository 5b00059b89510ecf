#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "cluster/api/pod_rules.h"
#include "kube/names.h"
#include "kube/quantity.h"

namespace enclave::cluster {
namespace {

using kube::At;
using kube::IntAt;
using kube::Json;
using kube::StringAt;

constexpr std::array<std::string_view, 3> kRestartPolicies = {"Always", "OnFailure", "Never"};
constexpr std::array<std::string_view, 4> kDnsPolicies = {"ClusterFirstWithHostNet", "ClusterFirst",
                                                          "Default", "None"};
constexpr std::array<std::string_view, 3> kPullPolicies = {"Always", "IfNotPresent", "Never"};
constexpr std::array<std::string_view, 3> kProtocols = {"TCP", "UDP", "SCTP"};
constexpr std::array<std::string_view, 2> kMessagePolicies = {"File", "FallbackToLogsOnError"};
constexpr std::array<std::string_view, 3> kTaintEffects = {"NoSchedule", "PreferNoSchedule",
                                                           "NoExecute"};
constexpr std::array<std::string_view, 2> kTolerationOperators = {"Equal", "Exists"};
constexpr std::string_view kPortRange = "must be between 1 and 65535, inclusive";

template <std::size_t kSize>
void CheckOneOf(const Json& value, std::string field,
                const std::array<std::string_view, kSize>& allowed, FieldErrors& errors) {
  if (!value.is_string()) return;
  if (std::ranges::find(allowed, value.get_ref<const std::string&>()) == allowed.end()) {
    errors.NotSupported(std::move(field), value, allowed);
  }
}

const Json& ListAt(const Json& object, const char* field) {
  static const Json empty = Json::array();
  const Json& found = At(object, field);
  return found.is_array() ? found : empty;
}

void CheckNotNegative(const Json& object, const char* name, const std::string& field,
                      FieldErrors& errors) {
  if (IntAt(object, name) < 0) {
    errors.Invalid(field + "." + name, At(object, name), "must be greater than or equal to 0");
  }
}

void CheckPortNumber(const Json& value, std::string field, FieldErrors& errors) {
  const bool in_range = value.is_number_integer() && value >= 1 && value <= 65535;
  if (!in_range) errors.Invalid(std::move(field), value, kPortRange);
}

// A number or the name of one of the container's ports.
void CheckPortReference(const Json& value, std::string field, FieldErrors& errors) {
  if (value.is_null()) {
    errors.Required(std::move(field));
  } else if (value.is_string()) {
    errors.Check(std::move(field), value,
                 kube::ValidatePortName(value.get_ref<const std::string&>()));
  } else {
    CheckPortNumber(value, std::move(field), errors);
  }
}

void ValidatePorts(const Json& container, const std::string& field, FieldErrors& errors) {
  std::set<std::string> names;
  std::size_t index = 0;
  for (const Json& port : ListAt(container, "ports")) {
    const std::string at = Indexed(field + ".ports", index++);
    const std::string& name = StringAt(port, "name");
    if (!name.empty()) {
      errors.Check(at + ".name", name, kube::ValidatePortName(name));
      if (!names.insert(name).second) errors.Duplicate(at + ".name", name);
    }
    if (At(port, "containerPort").is_null()) {
      errors.Required(at + ".containerPort");
    } else {
      CheckPortNumber(At(port, "containerPort"), at + ".containerPort", errors);
    }
    if (!At(port, "hostPort").is_null()) {
      CheckPortNumber(At(port, "hostPort"), at + ".hostPort", errors);
    }
    CheckOneOf(At(port, "protocol"), at + ".protocol", kProtocols, errors);
  }
}

void ValidateEnv(const Json& container, const std::string& field, FieldErrors& errors) {
  std::size_t index = 0;
  for (const Json& variable : ListAt(container, "env")) {
    const std::string at = Indexed(field + ".env", index++);
    const std::string& name = StringAt(variable, "name");
    if (name.empty()) {
      errors.Required(at + ".name");
    } else {
      errors.Check(at + ".name", name, kube::ValidateEnvName(name));
    }
    const Json& source = At(variable, "valueFrom");
    if (source.is_null()) continue;
    if (!StringAt(variable, "value").empty()) {
      errors.Invalid(at + ".valueFrom", "", "may not be specified when `value` is not empty");
    }
    if (source.size() != 1) {
      errors.Invalid(at + ".valueFrom", "",
                     source.empty() ? "must specify one of: `fieldRef`, `resourceFieldRef`, "
                                      "`configMapKeyRef` or `secretKeyRef`"
                                    : "may not have more than one field specified at a time");
    }
    for (const char* reference : {"configMapKeyRef", "secretKeyRef"}) {
      const Json& key = At(source, reference);
      if (key.is_null()) continue;
      if (StringAt(key, "key").empty()) {
        errors.Required(fmt::format("{}.valueFrom.{}.key", at, reference));
      }
    }
    if (const Json& path = At(source, "fieldRef");
        !path.is_null() && StringAt(path, "fieldPath").empty()) {
      errors.Required(at + ".valueFrom.fieldRef.fieldPath");
    }
  }
}

// Exactly one of exec, httpGet, tcpSocket, grpc (and sleep for hooks).
void ValidateHandler(const Json& handler, const std::string& field, bool is_probe,
                     FieldErrors& errors) {
  int handlers = 0;
  for (const char* type : {"exec", "httpGet", "tcpSocket", "grpc", "sleep"}) {
    if (At(handler, type).is_null()) continue;
    if (++handlers > 1) {
      errors.Forbidden(field + "." + type, "may not specify more than 1 handler type");
    }
  }
  if (handlers == 0) errors.Required(field, "must specify a handler type");
  if (const Json& exec = At(handler, "exec"); !exec.is_null() && ListAt(exec, "command").empty()) {
    errors.Required(field + ".exec.command");
  }
  if (const Json& get = At(handler, "httpGet"); !get.is_null()) {
    CheckPortReference(At(get, "port"), field + ".httpGet.port", errors);
    if (StringAt(get, "path").empty()) errors.Required(field + ".httpGet.path");
    static constexpr std::array<std::string_view, 2> kSchemes = {"HTTP", "HTTPS"};
    CheckOneOf(At(get, "scheme"), field + ".httpGet.scheme", kSchemes, errors);
  }
  if (const Json& tcp = At(handler, "tcpSocket"); !tcp.is_null()) {
    CheckPortReference(At(tcp, "port"), field + ".tcpSocket.port", errors);
  }
  if (const Json& grpc = At(handler, "grpc"); is_probe && !grpc.is_null()) {
    CheckPortNumber(At(grpc, "port"), field + ".grpc.port", errors);
  }
}

void ValidateProbe(const Json& container, const char* name, const std::string& container_field,
                   FieldErrors& errors) {
  const Json& probe = At(container, name);
  if (probe.is_null()) return;
  const std::string field = container_field + "." + name;
  ValidateHandler(probe, field, true, errors);
  for (const char* seconds : {"initialDelaySeconds", "timeoutSeconds", "periodSeconds",
                              "successThreshold", "failureThreshold"}) {
    CheckNotNegative(probe, seconds, field, errors);
  }
  const bool counts_one = std::string_view(name) != "readinessProbe";
  if (counts_one && IntAt(probe, "successThreshold", 1) != 1) {
    errors.Invalid(field + ".successThreshold", At(probe, "successThreshold"), "must be 1");
  }
}

void ValidateResources(const Json& container, const std::string& field, FieldErrors& errors) {
  const Json& limits = At(container, "resources.limits");
  const Json& requests = At(container, "resources.requests");
  for (const auto& [list, name] :
       {std::pair(&limits, "limits"), std::pair(&requests, "requests")}) {
    if (!list->is_object()) continue;
    for (const auto& [resource, amount] : list->items()) {
      const std::string at = fmt::format("{}.resources.{}[{}]", field, name, resource);
      const auto quantity = kube::Quantity::FromJson(amount);
      if (!quantity) {
        errors.Invalid(at, amount, quantity.error().message());
      } else if (quantity->negative()) {
        errors.Invalid(at, amount, "must be greater than or equal to 0");
      }
    }
  }
  if (!limits.is_object() || !requests.is_object()) return;
  for (const auto& [resource, amount] : requests.items()) {
    const auto limit = limits.find(resource);
    if (limit == limits.end()) continue;
    const auto wanted = kube::Quantity::FromJson(amount);
    const auto most = kube::Quantity::FromJson(*limit);
    if (wanted && most && *wanted > *most) {
      errors.Invalid(
          fmt::format("{}.resources.requests", field), amount,
          fmt::format("must be less than or equal to {} limit of {}", resource, most->ToString()));
    }
  }
}

void ValidateMounts(const Json& container, const std::string& field,
                    const std::set<std::string>& volumes, FieldErrors& errors) {
  std::set<std::string> paths;
  std::size_t index = 0;
  for (const Json& mount : ListAt(container, "volumeMounts")) {
    const std::string at = Indexed(field + ".volumeMounts", index++);
    const std::string& name = StringAt(mount, "name");
    if (name.empty()) {
      errors.Required(at + ".name");
    } else if (!volumes.contains(name)) {
      errors.NotFound(at + ".name", name);
    }
    const std::string& path = StringAt(mount, "mountPath");
    if (path.empty()) {
      errors.Required(at + ".mountPath");
    } else if (!paths.insert(path).second) {
      errors.Invalid(at + ".mountPath", path, "must be unique");
    }
    const std::string& sub_path = StringAt(mount, "subPath");
    if (sub_path.starts_with('/')) {
      errors.Invalid(at + ".subPath", sub_path, "must be a relative path");
    } else if (("/" + sub_path + "/").contains("/../")) {
      errors.Invalid(at + ".subPath", sub_path, "must not contain '..'");
    }
  }
}

void ValidateContainer(const Json& container, const std::string& field, bool is_init,
                       const std::set<std::string>& volumes, FieldErrors& errors) {
  const std::string& name = StringAt(container, "name");
  if (name.empty()) {
    errors.Required(field + ".name");
  } else {
    errors.Check(field + ".name", name, kube::ValidateDns1123Label(name));
  }
  const std::string& image = StringAt(container, "image");
  if (image.empty()) {
    errors.Required(field + ".image");
  } else if (image.front() == ' ' || image.back() == ' ') {
    errors.Invalid(field + ".image", image, "must not have leading or trailing whitespace");
  }
  CheckOneOf(At(container, "imagePullPolicy"), field + ".imagePullPolicy", kPullPolicies, errors);
  CheckOneOf(At(container, "terminationMessagePolicy"), field + ".terminationMessagePolicy",
             kMessagePolicies, errors);
  ValidatePorts(container, field, errors);
  ValidateEnv(container, field, errors);
  ValidateResources(container, field, errors);
  ValidateMounts(container, field, volumes, errors);
  const bool sidecar = StringAt(container, "restartPolicy") == "Always";
  if (is_init && !sidecar) {
    for (const char* probe : {"livenessProbe", "readinessProbe", "startupProbe"}) {
      if (!At(container, probe).is_null()) {
        errors.Forbidden(field + "." + probe,
                         "may not be set for init containers without restartPolicy=Always");
      }
    }
    if (!At(container, "lifecycle").is_null()) {
      errors.Forbidden(field + ".lifecycle",
                       "may not be set for init containers without restartPolicy=Always");
    }
  } else {
    for (const char* probe : {"livenessProbe", "readinessProbe", "startupProbe"}) {
      ValidateProbe(container, probe, field, errors);
    }
    for (const char* hook : {"postStart", "preStop"}) {
      const Json& handler = At(container, std::string("lifecycle.") + hook);
      if (!handler.is_null()) {
        ValidateHandler(handler, field + ".lifecycle." + hook, false, errors);
      }
    }
  }
}

void ValidateContainers(const Json& spec, const char* list, const std::string& field,
                        const std::set<std::string>& volumes, std::set<std::string>& names,
                        FieldErrors& errors) {
  const bool is_init = std::string_view(list) == "initContainers";
  std::size_t index = 0;
  for (const Json& container : ListAt(spec, list)) {
    const std::string at = Indexed(field + "." + list, index++);
    ValidateContainer(container, at, is_init, volumes, errors);
    const std::string& name = StringAt(container, "name");
    if (!name.empty() && !names.insert(name).second) errors.Duplicate(at + ".name", name);
  }
}

std::set<std::string> ValidateVolumes(const Json& spec, const std::string& field,
                                      FieldErrors& errors) {
  std::set<std::string> names;
  std::size_t index = 0;
  for (const Json& volume : ListAt(spec, "volumes")) {
    const std::string at = Indexed(field + ".volumes", index++);
    const std::string& name = StringAt(volume, "name");
    if (name.empty()) {
      errors.Required(at + ".name");
    } else {
      errors.Check(at + ".name", name, kube::ValidateDns1123Label(name));
      if (!names.insert(name).second) errors.Duplicate(at + ".name", name);
    }
    if (volume.size() > 2) {
      errors.Forbidden(at, "may not specify more than 1 volume type");
    }
    if (const Json& path = At(volume, "hostPath"); !path.is_null()) {
      if (StringAt(path, "path").empty()) errors.Required(at + ".hostPath.path");
    }
    if (const Json& secret = At(volume, "secret"); !secret.is_null()) {
      if (StringAt(secret, "secretName").empty()) errors.Required(at + ".secret.secretName");
    }
    if (const Json& map = At(volume, "configMap"); !map.is_null()) {
      if (StringAt(map, "name").empty()) errors.Required(at + ".configMap.name");
    }
    for (const char* source : {"secret", "configMap"}) {
      std::size_t item_index = 0;
      for (const Json& item : ListAt(At(volume, source), "items")) {
        const std::string item_at = Indexed(fmt::format("{}.{}.items", at, source), item_index++);
        if (StringAt(item, "key").empty()) errors.Required(item_at + ".key");
        const std::string& path = StringAt(item, "path");
        if (path.empty()) {
          errors.Required(item_at + ".path");
        } else if (path.starts_with('/') || ("/" + path + "/").contains("/../")) {
          errors.Invalid(item_at + ".path", path,
                         "must be a relative path that does not contain '..'");
        }
      }
    }
  }
  return names;
}

void ValidateTolerations(const Json& spec, const std::string& field, FieldErrors& errors) {
  std::size_t index = 0;
  for (const Json& toleration : ListAt(spec, "tolerations")) {
    const std::string at = Indexed(field + ".tolerations", index++);
    CheckOneOf(At(toleration, "operator"), at + ".operator", kTolerationOperators, errors);
    CheckOneOf(At(toleration, "effect"), at + ".effect", kTaintEffects, errors);
    const std::string& op = StringAt(toleration, "operator");
    if (StringAt(toleration, "key").empty() && op != "Exists") {
      errors.Invalid(at + ".operator", op,
                     "operator must be Exists when `key` is empty, which means \"match all values "
                     "and all keys\"");
    }
    if (op == "Exists" && !StringAt(toleration, "value").empty()) {
      errors.Invalid(at + ".operator", At(toleration, "value"),
                     "value must be empty when `operator` is 'Exists'");
    }
    if (!At(toleration, "tolerationSeconds").is_null() &&
        StringAt(toleration, "effect") != "NoExecute") {
      errors.Invalid(at + ".effect", StringAt(toleration, "effect"),
                     "effect must be 'NoExecute' when `tolerationSeconds` is set");
    }
  }
}

}  // namespace

void ValidatePodSpec(const Json& spec, const std::string& field, const PodSpecRules& rules,
                     FieldErrors& errors) {
  if (!spec.is_object()) {
    errors.Required(field);
    return;
  }
  const std::set<std::string> volumes = ValidateVolumes(spec, field, errors);
  std::set<std::string> names;
  if (ListAt(spec, "containers").empty()) errors.Required(field + ".containers");
  ValidateContainers(spec, "initContainers", field, volumes, names, errors);
  ValidateContainers(spec, "containers", field, volumes, names, errors);

  const std::string& policy = StringAt(spec, "restartPolicy");
  CheckOneOf(At(spec, "restartPolicy"), field + ".restartPolicy", kRestartPolicies, errors);
  if (!rules.restart_policies.empty() &&
      std::ranges::find(kRestartPolicies, policy) != kRestartPolicies.end() &&
      std::ranges::find(rules.restart_policies, policy) == rules.restart_policies.end()) {
    errors.NotSupported(field + ".restartPolicy", policy, rules.restart_policies);
  }
  CheckOneOf(At(spec, "dnsPolicy"), field + ".dnsPolicy", kDnsPolicies, errors);
  CheckNotNegative(spec, "terminationGracePeriodSeconds", field, errors);
  if (const Json& deadline = At(spec, "activeDeadlineSeconds");
      !deadline.is_null() && IntAt(spec, "activeDeadlineSeconds") < 1) {
    errors.Invalid(field + ".activeDeadlineSeconds", deadline,
                   "must be between 1 and 2147483647, inclusive");
  }
  for (const char* name : {"hostname", "subdomain"}) {
    if (const std::string& value = StringAt(spec, name); !value.empty()) {
      errors.Check(field + "." + name, value, kube::ValidateDns1123Label(value));
    }
  }
  if (const std::string& node = StringAt(spec, "nodeName"); !node.empty()) {
    errors.Check(field + ".nodeName", node, kube::ValidateDns1123Subdomain(node));
  }
  if (const std::string& account = StringAt(spec, "serviceAccountName"); !account.empty()) {
    errors.Check(field + ".serviceAccountName", account, kube::ValidateDns1123Subdomain(account));
  }
  errors.Check(field + ".nodeSelector", At(spec, "nodeSelector"),
               kube::ValidateLabels(At(spec, "nodeSelector")));
  ValidateTolerations(spec, field, errors);
}

void ValidatePodTemplate(const Json& pod_template, const std::string& field,
                         const PodSpecRules& rules, FieldErrors& errors) {
  const Json& labels = At(pod_template, "metadata.labels");
  errors.Check(field + ".labels", labels, kube::ValidateLabels(labels));
  const Json& annotations = At(pod_template, "metadata.annotations");
  errors.Check(field + ".annotations", annotations, kube::ValidateAnnotations(annotations));
  ValidatePodSpec(At(pod_template, "spec"), field + ".spec", rules, errors);
}

void ValidatePodUpdate(const Json& fresh, const Json& current, FieldErrors& errors) {
  const Json& new_spec = At(fresh, "spec");
  const Json& old_spec = At(current, "spec");
  if (new_spec == old_spec) return;
  for (const char* list : {"containers", "initContainers"}) {
    if (ListAt(new_spec, list).size() != ListAt(old_spec, list).size()) {
      errors.Forbidden(std::string("spec.") + list, "pod updates may not add or remove containers");
      return;
    }
  }
  // The fresh spec with the changes that are allowed taken back must be the old one.
  Json same = new_spec;
  for (const char* list : {"containers", "initContainers"}) {
    const Json& old_list = ListAt(old_spec, list);
    for (std::size_t i = 0; i < old_list.size(); ++i) {
      same[list][i]["image"] = StringAt(old_list[i], "image");
    }
  }
  for (const char* name : {"activeDeadlineSeconds", "terminationGracePeriodSeconds"}) {
    const bool lenient =
        std::string_view(name) == "activeDeadlineSeconds" || IntAt(old_spec, name) < 0;
    if (!lenient) continue;
    same.erase(name);
    if (old_spec.contains(name)) same[name] = old_spec[name];
  }
  const Json& old_tolerations = ListAt(old_spec, "tolerations");
  const Json& new_tolerations = ListAt(new_spec, "tolerations");
  bool only_added = true;
  for (const Json& toleration : old_tolerations) {
    only_added =
        only_added && std::ranges::find(new_tolerations, toleration) != new_tolerations.end();
  }
  if (only_added) {
    same.erase("tolerations");
    if (old_spec.contains("tolerations")) same["tolerations"] = old_spec["tolerations"];
  }
  if (same == old_spec) return;
  errors.Forbidden(
      "spec",
      "pod updates may not change fields other than `spec.containers[*].image`,"
      "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only "
      "additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set "
      "to 1 if it was previously negative)");
}

}  // namespace enclave::cluster
