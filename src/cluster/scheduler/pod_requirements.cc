#include "cluster/scheduler/pod_requirements.h"

#include <algorithm>
#include <charconv>

#include "kube/quantity.h"
#include "kube/selector.h"

namespace enclave::cluster {
namespace {

using kube::At;
using kube::Json;
using kube::Quantity;
using kube::StringAt;

const Json kNoItems = Json::array();

const Json& Items(const Json& value, std::string_view path) {
  const Json& found = At(value, path);
  return found.is_array() ? found : kNoItems;
}

Resources ContainerRequest(const Json& container) {
  Resources request;
  // A limit without a request is also the request; the API defaults it so, other writers may not.
  request.cpu_millis = Quantity::At(container, "resources.requests.cpu",
                                    Quantity::At(container, "resources.limits.cpu"))
                           .MilliValue();
  request.memory_bytes = Quantity::At(container, "resources.requests.memory",
                                      Quantity::At(container, "resources.limits.memory"))
                             .Value();
  return request;
}

bool MatchesExpression(const Json& expression, const Json& node, bool fields) {
  // Fields have one name only (metadata.name); as a map they match like labels.
  const Json field_values{{"metadata.name", StringAt(node, "metadata.name")}};
  const Json& values = fields ? field_values : At(node, "metadata.labels");
  const std::string& op = StringAt(expression, "operator");
  const std::string& key = StringAt(expression, "key");
  const bool present = values.is_object() && values.contains(key) && values[key].is_string();
  const std::string value = present ? values[key].get<std::string>() : "";
  const Json& wanted = Items(expression, "values");
  const bool listed = std::ranges::any_of(wanted, [&](const Json& one) { return one == value; });
  const auto number = [](const std::string& text, std::int64_t& out) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc() && end == text.data() + text.size();
  };
  if (op == "In") return present && listed;
  if (op == "NotIn") return !present || !listed;
  if (op == "Exists") return present;
  if (op == "DoesNotExist") return !present;
  std::int64_t left = 0, right = 0;
  if (!present || wanted.size() != 1 || !wanted[0].is_string() || !number(value, left) ||
      !number(wanted[0].get<std::string>(), right)) {
    return false;
  }
  return op == "Gt" ? left > right : op == "Lt" && left < right;
}

bool MatchesTerm(const Json& term, const Json& node) {
  const Json& labels = Items(term, "matchExpressions");
  const Json& fields = Items(term, "matchFields");
  if (labels.empty() && fields.empty()) return false;  // an empty term selects nothing
  return std::ranges::all_of(
             labels, [&](const Json& one) { return MatchesExpression(one, node, false); }) &&
         std::ranges::all_of(fields,
                             [&](const Json& one) { return MatchesExpression(one, node, true); });
}

bool Tolerates(const Json& toleration, const Json& taint) {
  const std::string& effect = StringAt(toleration, "effect");
  if (!effect.empty() && effect != StringAt(taint, "effect")) return false;
  const std::string& key = StringAt(toleration, "key");
  const bool exists = StringAt(toleration, "operator") == "Exists";
  if (key.empty()) return exists;
  if (key != StringAt(taint, "key")) return false;
  return exists || StringAt(toleration, "value") == StringAt(taint, "value");
}

}  // namespace

Resources& Resources::operator+=(const Resources& other) {
  cpu_millis += other.cpu_millis;
  memory_bytes += other.memory_bytes;
  pods += other.pods;
  return *this;
}

Resources& Resources::operator-=(const Resources& other) {
  cpu_millis -= other.cpu_millis;
  memory_bytes -= other.memory_bytes;
  pods -= other.pods;
  return *this;
}

Resources RequestOf(const Json& pod) {
  Resources together;
  for (const Json& container : Items(pod, "spec.containers")) {
    together += ContainerRequest(container);
  }
  Resources sidecars, largest;
  for (const Json& container : Items(pod, "spec.initContainers")) {
    Resources request = ContainerRequest(container);
    if (StringAt(container, "restartPolicy") == "Always") {
      sidecars += request;
      continue;
    }
    request += sidecars;  // those started before it run beside it
    largest.cpu_millis = std::max(largest.cpu_millis, request.cpu_millis);
    largest.memory_bytes = std::max(largest.memory_bytes, request.memory_bytes);
  }
  together += sidecars;
  together.cpu_millis = std::max(together.cpu_millis, largest.cpu_millis);
  together.memory_bytes = std::max(together.memory_bytes, largest.memory_bytes);
  together.pods = 1;
  return together;
}

Resources AllocatableOf(const Json& node) {
  const Json& from = At(node, "status.allocatable").is_object() ? At(node, "status.allocatable")
                                                                : At(node, "status.capacity");
  return {.cpu_millis = Quantity::At(from, "cpu").MilliValue(),
          .memory_bytes = Quantity::At(from, "memory").Value(),
          .pods = Quantity::At(from, "pods").Value()};
}

bool MatchesNodeSelection(const Json& pod, const Json& node) {
  const Json& plain = At(pod, "spec.nodeSelector");
  if (plain.is_object() &&
      !kube::LabelSelector::FromMap(plain).Matches(At(node, "metadata.labels"))) {
    return false;
  }
  const Json& required =
      At(pod, "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution");
  if (!required.is_object()) return true;
  return std::ranges::any_of(Items(required, "nodeSelectorTerms"),
                             [&](const Json& term) { return MatchesTerm(term, node); });
}

const Json* UntoleratedTaint(const Json& pod, const Json& node) {
  for (const Json& taint : Items(node, "spec.taints")) {
    const std::string& effect = StringAt(taint, "effect");
    if (effect != "NoSchedule" && effect != "NoExecute") continue;
    const bool tolerated =
        std::ranges::any_of(Items(pod, "spec.tolerations"),
                            [&](const Json& toleration) { return Tolerates(toleration, taint); });
    if (!tolerated) return &taint;
  }
  return nullptr;
}

bool NodeReady(const Json& node) {
  return std::ranges::any_of(Items(node, "status.conditions"), [](const Json& condition) {
    return StringAt(condition, "type") == "Ready" && StringAt(condition, "status") == "True";
  });
}

}  // namespace enclave::cluster
