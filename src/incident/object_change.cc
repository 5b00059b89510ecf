#include "incident/object_change.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <initializer_list>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "incident/kubernetes_read.h"

namespace enclave::incident {
namespace {

using kube::Json;
using kube::StringAt;

// What makes a difference to an object, as short texts by name.
using Parts = std::map<std::string, std::string>;

constexpr const char* kRestarted = "restarted";

// A variable or key whose value is not for everybody, by its name.
bool IsSecretName(std::string name) {
  if (!name.starts_with("key ") && !name.contains("env ")) return false;
  name.erase(0, name.find(' '));
  std::ranges::transform(name, name.begin(),
                         [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return std::ranges::any_of(
      std::initializer_list<const char*>{"PASS", "SECRET", "TOKEN", "KEY", "CREDENTIAL"},
      [&](const char* word) { return name.contains(word); });
}

std::string Dump(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string Joined(const Json& list) {
  std::string text;
  for (const Json& item : list)
    if (item.is_string()) text += (text.empty() ? "" : " ") + item.get<std::string>();
  return text;
}

void AddEnvironment(const Json& container, const std::string& in, Parts& parts) {
  for (const Json& variable : kube::At(container, "env")) {
    const std::string& name = StringAt(variable, "name");
    const Json& from = kube::At(variable, "valueFrom");
    parts[in + "env " + name] =
        from.is_object() ? "from " + Dump(from) : StringAt(variable, "value");
  }
  const Json& all = kube::At(container, "envFrom");
  if (all.is_array()) parts[in + "envFrom"] = Dump(all);
}

Parts TemplateParts(const Json& pod_template) {
  Parts parts;
  const Json& spec = kube::At(pod_template, "spec");
  const Json& containers = kube::At(spec, "containers");
  for (const char* list : {"initContainers", "containers"})
    for (const Json& container : kube::At(spec, list)) {
      // One container needs no name.
      const std::string in = std::string_view(list) == "containers" && containers.size() == 1
                                 ? ""
                                 : StringAt(container, "name") + " ";
      parts[in + "image"] = StringAt(container, "image");
      for (const char* words : {"command", "args"})
        if (kube::At(container, words).is_array())
          parts[in + words] = Joined(kube::At(container, words));
      AddEnvironment(container, in, parts);
      for (const char* other : {"resources", "livenessProbe", "readinessProbe", "startupProbe",
                                "ports", "volumeMounts"})
        if (const Json& value = kube::At(container, other); !value.is_null() && !value.empty())
          parts[in + other] = Dump(value);
    }
  if (const Json& volumes = kube::At(spec, "volumes"); volumes.is_array())
    parts["volumes"] = Dump(volumes);
  const Json& annotations = kube::At(pod_template, "metadata.annotations");
  if (std::string at = MapText(annotations, "kubectl.kubernetes.io/restartedAt"); !at.empty())
    parts[kRestarted] = std::move(at);
  return parts;
}

Parts ConfigMapParts(const Json& content) {
  Parts parts;
  for (const char* map : {"data", "binaryData"})
    for (const auto& [key, value] : kube::At(content, map).items())
      if (value.is_string()) parts["key " + key] = value.get<std::string>();
  return parts;
}

Parts ServiceParts(const Json& content) {
  Parts parts;
  for (const auto& [label, value] : kube::At(content, "selector").items())
    if (value.is_string()) parts["selector " + label] = value.get<std::string>();
  for (const Json& port : kube::At(content, "ports")) {
    const Json& target = kube::At(port, "targetPort");
    parts[fmt::format("port {}", kube::IntAt(port, "port"))] =
        target.is_null() ? ""
                         : "to " + (target.is_string() ? target.get<std::string>() : Dump(target));
  }
  return parts;
}

// Of two texts of many lines the ones from the first line that differs on.
void KeepWhatDiffers(std::string_view& a, std::string_view& b) {
  std::size_t line = 0;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()) && a[i] == b[i]; ++i)
    if (a[i] == '\n') line = i + 1;
  for (std::string_view* text : {&a, &b}) {
    text->remove_prefix(std::min(line, text->size()));
    *text = text->substr(0, text->find('\n'));
  }
}

// The names of what differs, and both sides in words.
std::set<std::string> Compare(const Parts& before, const Parts& after, ObjectChange& change) {
  std::set<std::string> names;
  for (const Parts* parts : {&before, &after})
    for (const auto& [name, value] : *parts) names.insert(name);
  std::erase_if(names, [&](const std::string& name) {
    const auto old = before.find(name);
    const auto now = after.find(name);
    return old != before.end() && now != after.end() && old->second == now->second;
  });
  for (const std::string& name : names) {
    const auto old = before.find(name);
    const auto now = after.find(name);
    std::string_view old_text = old == before.end() ? "" : std::string_view(old->second);
    std::string_view now_text = now == after.end() ? "" : std::string_view(now->second);
    KeepWhatDiffers(old_text, now_text);
    const auto add = [&](std::string& words, bool is_set, std::string_view text) {
      if (!words.empty()) words += ", ";
      words += name;
      if (!is_set)
        words += " unset";
      else if (IsSecretName(name))
        words += " (hidden)";
      else if (!text.empty())
        words += fmt::format(" {}", text);
    };
    add(change.from, old != before.end(), old_text);
    add(change.to, now != after.end(), now_text);
  }
  change.from = Shortened(std::move(change.from));
  change.to = Shortened(std::move(change.to));
  return names;
}

bool IsProgram(const std::string& part) {
  return part.ends_with("image") || part.ends_with("command");
}

}  // namespace

std::string ImagesOf(const Json& pod_template) {
  std::string images;
  for (const Json& container : kube::At(pod_template, "spec.containers"))
    images += (images.empty() ? "" : ", ") + StringAt(container, "image");
  return images;
}

ObjectChange CompareTemplates(const Json& before, const Json& after) {
  ObjectChange change;
  const auto names = Compare(TemplateParts(before), TemplateParts(after), change);
  if (std::ranges::any_of(names, IsProgram))
    change.kind = ChangeKind::kRollout;
  else if (std::ranges::any_of(names, [](const auto& name) { return name != kRestarted; }))
    change.kind = ChangeKind::kConfiguration;
  return change;
}

ObjectChange CompareConfigMaps(const Json& before, const Json& after) {
  ObjectChange change{.kind = ChangeKind::kConfiguration};
  Compare(ConfigMapParts(before), ConfigMapParts(after), change);
  return change;
}

ObjectChange CompareServices(const Json& before, const Json& after) {
  ObjectChange change{.kind = ChangeKind::kNetwork};
  Compare(ServiceParts(before), ServiceParts(after), change);
  return change;
}

}  // namespace enclave::incident
