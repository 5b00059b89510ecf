#include "cluster/kubelet/environment.h"

#include <fmt/format.h>

#include <algorithm>

#include "cluster/kubelet/config_data.h"
#include "cluster/kubelet/pod_fields.h"
#include "kube/names.h"

namespace enclave::cluster {

using kube::Json;

namespace {

constexpr const char* kDefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

std::string VariableName(std::string_view name) {
  std::string out(name);
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    if (c == '-') c = '_';
  }
  return out;
}

std::string Lowercase(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

using Data = std::map<std::string, std::string>;

// The data of a ConfigMap or Secret; nullopt when it is missing and that is allowed.
base::Result<std::optional<Data>> ReadSource(const KubeletContext& context, const std::string& ns,
                                             const Json& reference, bool secret) {
  const std::string& name = kube::StringAt(reference, "name");
  const auto object =
      secret ? context.objects.Secret(ns, name) : context.objects.ConfigMap(ns, name);
  if (object) return secret ? SecretData(**object) : ConfigMapData(**object);
  if (object.error().kind() == base::ErrorKind::kNotFound && kube::BoolAt(reference, "optional"))
    return std::nullopt;
  return base::Fail(object.error());
}

base::Result<> AddEnvFrom(const KubeletContext& context, const kube::Object& pod,
                          const Json& container, Environment& environment) {
  for (const Json& source : ListAt(container, "envFrom")) {
    const std::string& prefix = kube::StringAt(source, "prefix");
    for (const bool secret : {false, true}) {
      const Json& reference = kube::At(source, secret ? "secretRef" : "configMapRef");
      if (!reference.is_object()) continue;
      ASSIGN_OR_RETURN(const std::optional<Data> data,
                       ReadSource(context, pod.ns(), reference, secret));
      if (!data) continue;
      for (const auto& [key, value] : *data)
        if (kube::ValidateEnvName(prefix + key)) environment.Set(prefix + key, value);
    }
  }
  return {};
}

// nullopt: an optional source is missing, the variable is not set.
base::Result<std::optional<std::string>> ValueFrom(const KubeletContext& context,
                                                   const kube::Object& pod, const Json& container,
                                                   const PodAddress& address, const Json& source) {
  if (const Json& field = kube::At(source, "fieldRef"); field.is_object())
    return FieldValue(pod, address, kube::StringAt(field, "fieldPath"));
  if (const Json& resource = kube::At(source, "resourceFieldRef"); resource.is_object())
    return ResourceValue(pod, container, resource, context.options.capacity);
  for (const bool secret : {false, true}) {
    const Json& reference = kube::At(source, secret ? "secretKeyRef" : "configMapKeyRef");
    if (!reference.is_object()) continue;
    ASSIGN_OR_RETURN(const std::optional<Data> data,
                     ReadSource(context, pod.ns(), reference, secret));
    if (!data) return std::nullopt;
    const std::string& key = kube::StringAt(reference, "key");
    const auto found = data->find(key);
    if (found != data->end()) return found->second;
    if (kube::BoolAt(reference, "optional")) return std::nullopt;
    return base::Fail(
        base::ErrorKind::kNotFound,
        fmt::format("couldn't find key {} in {} {}/{}", key, secret ? "Secret" : "ConfigMap",
                    pod.ns(), kube::StringAt(reference, "name")));
  }
  return base::Fail(base::ErrorKind::kInvalidArgument, "env valueFrom names no known source");
}

}  // namespace

void Environment::Set(const std::string& name, std::string value) {
  const auto [found, added] = index_.try_emplace(name, variables_.size());
  if (added) {
    variables_.emplace_back(name, std::move(value));
  } else {
    variables_[found->second].second = std::move(value);
  }
}

void Environment::SetDefault(const std::string& name, std::string value) {
  if (Find(name) == nullptr) Set(name, std::move(value));
}

const std::string* Environment::Find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &variables_[found->second].second;
}

std::string Environment::Expand(std::string_view text) const {
  std::string out;
  std::size_t i = 0;
  while (i < text.size()) {
    if (text[i] != '$' || i + 1 == text.size()) {
      out += text[i++];
      continue;
    }
    if (text[i + 1] == '$') {
      out += '$';
      i += 2;
      continue;
    }
    const std::size_t close = text[i + 1] == '(' ? text.find(')', i + 2) : std::string_view::npos;
    if (close == std::string_view::npos) {
      out += text[i++];
      continue;
    }
    const std::string* value = Find(text.substr(i + 2, close - i - 2));
    out += value != nullptr ? std::string_view(*value) : text.substr(i, close + 1 - i);
    i = close + 1;
  }
  return out;
}

std::vector<std::string> Environment::Render() const {
  std::vector<std::string> out;
  out.reserve(variables_.size());
  for (const auto& [name, value] : variables_) out.push_back(name + "=" + value);
  return out;
}

void AddServiceVariables(const std::vector<kube::ObjectPtr>& services, Environment& environment) {
  for (const kube::ObjectPtr& service : services) {
    const std::string& ip = kube::StringAt(service->json(), "spec.clusterIP");
    const Json& ports = ListAt(service->json(), "spec.ports");
    if (ip.empty() || ip == "None" || ports.empty()) continue;
    const std::string name = VariableName(service->name());
    environment.Set(name + "_SERVICE_HOST", ip);
    bool first = true;
    for (const Json& port : ports) {
      const std::string number = fmt::format("{}", kube::IntAt(port, "port"));
      const std::string& given = kube::StringAt(port, "protocol");
      const std::string protocol = given.empty() ? "TCP" : given;
      const std::string url = fmt::format("{}://{}:{}", Lowercase(protocol), ip, number);
      if (first) {
        environment.Set(name + "_SERVICE_PORT", number);
        environment.Set(name + "_PORT", url);
        first = false;
      }
      const std::string& port_name = kube::StringAt(port, "name");
      if (!port_name.empty())
        environment.Set(name + "_SERVICE_PORT_" + VariableName(port_name), number);
      const std::string prefix = fmt::format("{}_PORT_{}_{}", name, number, protocol);
      environment.Set(prefix, url);
      environment.Set(prefix + "_PROTO", Lowercase(protocol));
      environment.Set(prefix + "_PORT", number);
      environment.Set(prefix + "_ADDR", ip);
    }
  }
}

base::Result<Environment> BuildEnvironment(const KubeletContext& context, const kube::Object& pod,
                                           const Json& container, const Image& image,
                                           const PodAddress& address) {
  Environment environment;
  const std::string& hostname = kube::StringAt(pod.json(), "spec.hostname");
  environment.Set("PATH", kDefaultPath);
  environment.Set("HOSTNAME", hostname.empty() ? pod.name() : hostname);
  environment.Set("POD_IP", address.pod_ip);
  environment.Set("POD_NAME", pod.name());
  environment.Set("POD_NAMESPACE", pod.ns());
  for (const std::string& variable : image.environment) {
    const std::size_t equals = variable.find('=');
    if (equals == std::string::npos || equals == 0) continue;
    environment.Set(variable.substr(0, equals),
                    environment.Expand(std::string_view(variable).substr(equals + 1)));
  }
  if (kube::BoolAt(pod.json(), "spec.enableServiceLinks", true))
    AddServiceVariables(context.objects.Services(pod.ns()), environment);
  // The API server itself, whatever the Service `kubernetes` says: pods must always find it.
  const std::string api_port = fmt::format("{}", context.options.api_port);
  environment.Set("KUBERNETES_SERVICE_HOST", context.options.api_host);
  environment.Set("KUBERNETES_SERVICE_PORT", api_port);
  environment.Set("KUBERNETES_SERVICE_PORT_HTTPS", api_port);
  RETURN_IF_ERROR(AddEnvFrom(context, pod, container, environment));
  for (const Json& variable : ListAt(container, "env")) {
    const std::string& name = kube::StringAt(variable, "name");
    if (name.empty()) continue;
    const Json& source = kube::At(variable, "valueFrom");
    if (!source.is_object()) {
      environment.Set(name, environment.Expand(kube::StringAt(variable, "value")));
      continue;
    }
    ASSIGN_OR_RETURN(std::optional<std::string> value,
                     ValueFrom(context, pod, container, address, source));
    if (value) environment.Set(name, std::move(*value));
  }
  return environment;
}

}  // namespace enclave::cluster
