// Deployments and ReplicaSets.
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <optional>

#include "cluster/api/columns.h"
#include "cluster/api/pod_rules.h"
#include "cluster/api/registry.h"
#include "cluster/api/subresources.h"
#include "kube/selector.h"

namespace enclave::cluster {
namespace {

using kube::At;
using kube::IntAt;
using kube::Json;
using kube::StringAt;

constexpr int kMaxReplicas = 1'000'000;

Json* SpecOf(Json& object) {
  if (!object.contains("spec") || !object["spec"].is_object()) return nullptr;
  return &object["spec"];
}

void DefaultTemplate(Json& spec) {
  Json& pod_template = spec["template"];
  if (!pod_template.is_object()) {
    spec.erase("template");
    return;
  }
  SetDefault(pod_template, "metadata", Json::object());
  if (pod_template.contains("spec")) SetPodSpecDefaults(pod_template["spec"]);
}

void DeploymentDefaults(Json& deployment) {
  Json* spec = SpecOf(deployment);
  if (spec == nullptr) return;
  SetDefault(*spec, "replicas", 1);
  SetDefault(*spec, "revisionHistoryLimit", 10);
  SetDefault(*spec, "progressDeadlineSeconds", 600);
  SetDefault(*spec, "strategy", Json::object());
  Json& strategy = (*spec)["strategy"];
  SetDefault(strategy, "type", "RollingUpdate");
  if (strategy["type"] == "RollingUpdate") {
    SetDefault(strategy, "rollingUpdate", Json::object());
    SetDefault(strategy["rollingUpdate"], "maxUnavailable", "25%");
    SetDefault(strategy["rollingUpdate"], "maxSurge", "25%");
  }
  DefaultTemplate(*spec);
}

void ReplicaSetDefaults(Json& set) {
  Json* spec = SpecOf(set);
  if (spec == nullptr) return;
  SetDefault(*spec, "replicas", 1);
  DefaultTemplate(*spec);
}

void CheckCount(const Json& spec, const char* name, FieldErrors& errors) {
  const std::int64_t value = IntAt(spec, name);
  const std::string field = std::string("spec.") + name;
  if (value < 0) {
    errors.Invalid(field, At(spec, name), "must be greater than or equal to 0");
  } else if (value > std::numeric_limits<std::int32_t>::max() ||
             (std::string_view(name) == "replicas" && value > kMaxReplicas)) {
    errors.Invalid(field, At(spec, name), "is too large");
  }
}

void ValidateSelectorAndTemplate(const Json& object, FieldErrors& errors) {
  const Json& spec = At(object, "spec");
  const Json& selector = At(spec, "selector");
  const Json& pod_template = At(spec, "template");
  std::optional<kube::LabelSelector> parsed;
  if (selector.is_null()) {
    errors.Required("spec.selector");
  } else if (const auto result = kube::LabelSelector::FromJson(selector); !result) {
    errors.Invalid("spec.selector", selector, result.error().message());
  } else if (result->empty()) {
    errors.Invalid("spec.selector", selector, "empty selector is invalid for deployment");
  } else {
    parsed = *result;
  }
  if (pod_template.is_null()) {
    errors.Required("spec.template");
    return;
  }
  const Json& labels = At(pod_template, "metadata.labels");
  if (parsed && !parsed->Matches(labels)) {
    errors.Invalid("spec.template.metadata.labels", labels.is_null() ? Json::object() : labels,
                   "`selector` does not match template `labels`");
  }
  static const PodSpecRules kRules{.restart_policies = {"Always"}};
  ValidatePodTemplate(pod_template, "spec.template", kRules, errors);
}

// An integer of at least 0, or a percentage.
struct CountOrPercent {
  std::int64_t value = 0;
  bool percent = false;
};
std::optional<CountOrPercent> ParseCountOrPercent(const Json& value) {
  if (value.is_number_integer()) return CountOrPercent{value.get<std::int64_t>(), false};
  if (!value.is_string()) return std::nullopt;
  const auto& text = value.get_ref<const std::string&>();
  if (text.size() < 2 || !text.ends_with('%')) return std::nullopt;
  std::int64_t number = 0;
  const char* end = text.data() + text.size() - 1;
  const auto [at, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || at != end) return std::nullopt;
  return CountOrPercent{number, true};
}

void ValidateStrategy(const Json& spec, FieldErrors& errors) {
  static constexpr std::array<std::string_view, 2> kTypes = {"Recreate", "RollingUpdate"};
  const std::string& type = StringAt(spec, "strategy.type");
  const Json& rolling = At(spec, "strategy.rollingUpdate");
  if (type == "Recreate") {
    if (!rolling.is_null()) {
      errors.Forbidden("spec.strategy.rollingUpdate",
                       "may not be specified when strategy `type` is 'Recreate'");
    }
    return;
  }
  if (type != "RollingUpdate") {
    errors.NotSupported("spec.strategy.type", type, kTypes);
    return;
  }
  bool both_zero = true;
  for (const char* name : {"maxUnavailable", "maxSurge"}) {
    const std::string field = std::string("spec.strategy.rollingUpdate.") + name;
    const Json& value = At(rolling, name);
    const auto parsed = ParseCountOrPercent(value);
    if (!parsed) {
      errors.Invalid(field, value,
                     "must be either an integer or a percentage (e.g. '5%' or '50%')");
      return;
    }
    if (parsed->value < 0) {
      errors.Invalid(field, value, "must be greater than or equal to 0");
    }
    if (std::string_view(name) == "maxUnavailable" && parsed->percent && parsed->value > 100) {
      errors.Invalid(field, value, "must not be greater than 100%");
    }
    both_zero = both_zero && parsed->value == 0;
  }
  if (both_zero) {
    errors.Invalid("spec.strategy.rollingUpdate.maxUnavailable", At(rolling, "maxUnavailable"),
                   "may not be 0 when `maxSurge` is 0");
  }
}

void ValidateDeployment(const Json& deployment, FieldErrors& errors) {
  const Json& spec = At(deployment, "spec");
  for (const char* count :
       {"replicas", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"}) {
    CheckCount(spec, count, errors);
  }
  if (IntAt(spec, "progressDeadlineSeconds") <= IntAt(spec, "minReadySeconds")) {
    errors.Invalid("spec.progressDeadlineSeconds", At(spec, "progressDeadlineSeconds"),
                   "must be greater than minReadySeconds");
  }
  ValidateSelectorAndTemplate(deployment, errors);
  ValidateStrategy(spec, errors);
}

void ValidateReplicaSet(const Json& set, FieldErrors& errors) {
  for (const char* count : {"replicas", "minReadySeconds"}) {
    CheckCount(At(set, "spec"), count, errors);
  }
  ValidateSelectorAndTemplate(set, errors);
}

void ValidateSelectorStays(const Json& fresh, const Json& current, FieldErrors& errors) {
  if (At(fresh, "spec.selector") != At(current, "spec.selector")) {
    errors.Invalid("spec.selector", At(fresh, "spec.selector"), "field is immutable");
  }
}

Column Count(std::string name, std::string path) {
  return PathColumn(std::move(name), std::move(path), "integer", 0, 0);
}

Resource Workload(const kube::Kind& kind, const char* singular, const char* short_name) {
  Resource resource;
  resource.kind = kind;
  resource.singular = singular;
  resource.short_names = {short_name};
  resource.categories = {"all"};
  resource.schema = kind.kind;
  resource.has_status = true;
  resource.has_generation = true;
  resource.subresources = {ScaleSubresource(), StatusSubresource()};
  resource.validate_update = ValidateSelectorStays;
  return resource;
}

}  // namespace

void AddWorkloadResources(Registry& registry) {
  Resource deployments = Workload(kube::kDeployment, "deployment", "deploy");
  deployments.columns = {NameColumn(),
                         ComputedColumn("Ready", "string", 0,
                                        [](const Json& object) -> Json {
                                          return fmt::format("{}/{}",
                                                             IntAt(object, "status.readyReplicas"),
                                                             IntAt(object, "spec.replicas"));
                                        }),
                         Count("Up-to-date", "status.updatedReplicas"),
                         Count("Available", "status.availableReplicas"), AgeColumn()};
  std::ranges::move(ContainerColumns("spec.template.spec"),
                    std::back_inserter(deployments.columns));
  deployments.set_defaults = DeploymentDefaults;
  deployments.validate = ValidateDeployment;
  registry.Add(std::move(deployments));

  Resource sets = Workload(kube::kReplicaSet, "replicaset", "rs");
  sets.columns = {NameColumn(), Count("Desired", "spec.replicas"),
                  Count("Current", "status.replicas"), Count("Ready", "status.readyReplicas"),
                  AgeColumn()};
  std::ranges::move(ContainerColumns("spec.template.spec"), std::back_inserter(sets.columns));
  sets.selectable_fields = {"status.replicas"};
  sets.set_defaults = ReplicaSetDefaults;
  sets.validate = ValidateReplicaSet;
  sets.prepare_create = [](Json& set, const WriteContext&) { set["status"] = {{"replicas", 0}}; };
  registry.Add(std::move(sets));
}

}  // namespace enclave::cluster
