#include "sim/healing/shop.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/check.h"
#include "kube/hash.h"

namespace enclave::sim {

using incident::ChangeKind;
using kube::At;
using kube::IntAt;
using kube::Json;
using kube::ObjectPtr;
using kube::StringAt;

namespace {

constexpr const char* kRevision = "deployment.kubernetes.io/revision";
constexpr std::size_t kMostChanges = 50;

std::string RevisionOf(const Json& object) {
  const Json& annotations = At(object, "metadata.annotations");
  return annotations.is_object() && annotations.contains(kRevision)
             ? annotations[kRevision].get<std::string>()
             : "0";
}

long long NumberOf(const std::string& text) {
  long long number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

bool IsBad(const std::string& text) {
  return text.ends_with("-bad");
}

}  // namespace

Shop::Shop(kube::FakeApi& api, base::Executor& executor, base::Random& random)
    : api_(api), executor_(executor), random_(random) {
  for (const char* name :
       {"frontend", "catalog", "cart", "checkout", "payment", "redis", "ads", "mail"})
    MakeService(name, 1 + static_cast<std::int64_t>(random_.Below(3)));
  for (int i = 0; i < 8; ++i) Step();
}

void Shop::Must(const base::Result<ObjectPtr>& done) {
  CHECK(done.has_value(), "the model writes what the API takes");
}

std::vector<incident::Call> Shop::Topology() {
  return {{"cart", "redis"},       {"checkout", "cart"},    {"checkout", "mail"},
          {"checkout", "payment"}, {"frontend", "ads"},     {"frontend", "cart"},
          {"frontend", "catalog"}, {"frontend", "checkout"}};
}

void Shop::MakeService(const std::string& name, std::int64_t replicas) {
  services_.push_back(name);
  const Json labels = {{"app", name}};
  Must(api_.Create(kube::kConfigMap, kNamespace,
                   {{"metadata", {{"name", name + "-config"}}}, {"data", {{"mode", "good"}}}}));
  Must(api_.Create(
      kube::kDeployment, kNamespace,
      {{"metadata", {{"name", name}}},
       {"spec",
        {{"replicas", replicas},
         {"selector", {{"matchLabels", labels}}},
         {"template",
          {{"metadata", {{"labels", labels}}},
           {"spec",
            {{"containers",
              Json::array(
                  {{{"name", "server"},
                    {"image", name + ":v0"},
                    {"envFrom", Json::array({{{"configMapRef", {{"name", name + "-config"}}}}})},
                    {"resources", {{"limits", {{"memory", "64Mi"}}}}}}})}}}}}}}}));
  Must(api_.Create(kube::kService, kNamespace,
                   {{"metadata", {{"name", name}}},
                    {"spec", {{"selector", labels}, {"ports", Json::array({{{"port", 80}}})}}}}));
}

ObjectPtr Shop::Deployment(const std::string& service) const {
  const auto found = api_.Get(kube::kDeployment, kNamespace, service);
  CHECK(found.has_value(), "nobody deletes a Deployment");
  return *found;
}

std::vector<ObjectPtr> Shop::PodsOf(const std::string& service) const {
  const auto pods = api_.List(
      kube::kPod, {.ns = kNamespace, .labels = kube::LabelSelector::FromMap({{"app", service}})});
  CHECK(pods.has_value(), "the model's own API answers");
  return pods->items;
}

// As the Deployment controller: a ReplicaSet for each template, numbered anew when it comes back;
// pods are replaced one in each step.
void Shop::Roll(const ObjectPtr& deployment) {
  const std::string& name = deployment->name();
  const Json& pod_template = At(deployment->json(), "spec.template");
  const std::string hash = kube::TemplateHash(pod_template);
  const std::string set_name = name + "-" + hash;
  const auto sets = api_.List(kube::kReplicaSet, {.ns = kNamespace});
  CHECK(sets.has_value(), "the model's own API answers");
  long long newest = 0;
  ObjectPtr own;
  for (const ObjectPtr& set : sets->items) {
    if (StringAt(set->json(), "spec.template.metadata.labels.app") != name) continue;
    newest = std::max(newest, NumberOf(RevisionOf(set->json())));
    if (set->name() == set_name) own = set;
  }
  std::string revision;
  if (!own) {
    revision = std::to_string(newest + 1);
    Json set_template = pod_template;
    set_template["metadata"]["labels"]["pod-template-hash"] = hash;
    Must(api_.Create(
        kube::kReplicaSet, kNamespace,
        {{"metadata",
          {{"name", set_name},
           {"annotations", {{kRevision, revision}}},
           {"ownerReferences",
            Json::array({{{"uid", deployment->uid()}, {"kind", "Deployment"}, {"name", name}}})}}},
         {"spec", {{"template", std::move(set_template)}}}}));
  } else if (NumberOf(RevisionOf(own->json())) < newest) {
    revision = std::to_string(newest + 1);
    Json json = own->json();
    json["metadata"]["annotations"][kRevision] = revision;
    Must(api_.Update(kube::kReplicaSet, std::move(json)));
  } else {
    revision = RevisionOf(own->json());
  }
  if (RevisionOf(deployment->json()) != revision) {
    Json json = deployment->json();
    json["metadata"]["annotations"][kRevision] = revision;
    Must(api_.Update(kube::kDeployment, std::move(json)));
  }
  const auto desired = static_cast<std::size_t>(IntAt(deployment->json(), "spec.replicas", 1));
  std::vector<ObjectPtr> pods = PodsOf(name);
  std::size_t fresh = 0;
  ObjectPtr stale;
  for (const ObjectPtr& pod : pods) {
    if (StringAt(pod->json(), "metadata.labels.pod-template-hash") == hash) {
      ++fresh;
      if (At(pod->json(), "status.conditions").is_null()) {
        Json json = pod->json();
        json["status"] = {{"phase", "Running"},
                          {"conditions", Json::array({{{"type", "Ready"}, {"status", "True"}}})}};
        Must(api_.Update(kube::kPod, std::move(json), "status"));
      }
    } else {
      stale = pod;
    }
  }
  if (pods.size() > desired || (stale && fresh > 0)) {
    const ObjectPtr& victim = stale ? stale : pods.back();
    loaded_bad_.erase(victim->uid());
    Must(api_.Delete(kube::kPod, kNamespace, victim->name(), {.uid = victim->uid()}));
  }
  if (pods.size() < desired || (stale && pods.size() <= desired && fresh < desired)) {
    const auto config = api_.Get(kube::kConfigMap, kNamespace, name + "-config");
    Json labels = At(pod_template, "metadata.labels");
    labels["pod-template-hash"] = hash;
    const auto pod =
        api_.Create(kube::kPod, kNamespace,
                    {{"metadata",
                      {{"name", fmt::format("{}-{}", set_name, random_.Text("bcdfghjkl", 12))},
                       {"labels", labels}}},
                     {"spec", At(pod_template, "spec")},
                     {"status", {{"phase", "Pending"}}}});
    Must(pod);
    known_at_ = kube::Revision::kNone;
    loaded_bad_[(*pod)->uid()] =
        config.has_value() && StringAt((*config)->json(), "data.mode") == "bad";
  }
}

void Shop::Step() {
  if (at_rest_ != api_.revision()) {
    const kube::Revision before = api_.revision();
    for (const std::string& service : services_) Roll(Deployment(service));
    at_rest_ = before == api_.revision() ? std::optional(before) : std::nullopt;
  }
  const base::MonoTime now = executor_.Now();
  std::erase_if(faults_, [&](const Fault& fault) { return fault.ends && *fault.ends <= now; });
}

void Shop::Note(const std::string& service, ChangeKind kind) {
  changes_.push_back({.id = "c" + std::to_string(changes_.size()),
                      .time_ns = executor_.WallNow().time_since_epoch().count(),
                      .service = service,
                      .kind = kind,
                      .object = "shop/" + service});
  if (changes_.size() > kMostChanges) changes_.erase(changes_.begin());
}

void Shop::Release(const std::string& service, bool bad) {
  Json json = Deployment(service)->json();
  json["spec"]["template"]["spec"]["containers"][0]["image"] =
      fmt::format("{}:v{}{}", service, ++releases_, bad ? "-bad" : "");
  Must(api_.Update(kube::kDeployment, std::move(json)));
  Note(service, ChangeKind::kRollout);
}

void Shop::Break(const Fault& fault) {
  known_at_ = kube::Revision::kNone;
  const std::string& service = fault.service;
  switch (fault.kind) {
    case FaultKind::kBadRelease:
      Release(service, true);
      break;
    case FaultKind::kBadConfig: {
      const auto map = api_.Get(kube::kConfigMap, kNamespace, service + "-config");
      Must(map);
      Json json = (*map)->json();
      json["data"]["mode"] = "bad";
      Must(api_.Update(kube::kConfigMap, std::move(json)));
      Note(service, ChangeKind::kConfiguration);
      // Whoever changes a configuration has it read.
      Json deployment = Deployment(service)->json();
      deployment["spec"]["template"]["metadata"]["annotations"]["changed"] =
          std::to_string(++releases_);
      Must(api_.Update(kube::kDeployment, std::move(deployment)));
      break;
    }
    case FaultKind::kBadSelector: {
      const auto object = api_.Get(kube::kService, kNamespace, service);
      Must(object);
      Json json = (*object)->json();
      json["spec"]["selector"]["app"] = service + "-typo";
      Must(api_.Update(kube::kService, std::move(json)));
      Note(service, ChangeKind::kNetwork);
      break;
    }
    case FaultKind::kScaledToZero: {
      Json json = Deployment(service)->json();
      json["spec"]["replicas"] = 0;
      Must(api_.Update(kube::kDeployment, std::move(json)));
      Note(service, ChangeKind::kScale);
      break;
    }
    case FaultKind::kHang:
      if (const auto pods = PodsOf(service); !pods.empty()) {
        hanging_.insert(pods.front()->uid());
        Json json = pods.front()->json();
        json["status"]["conditions"] = Json::array({{{"type", "Ready"}, {"status", "False"}}});
        Must(api_.Update(kube::kPod, std::move(json), "status"));
      }
      break;
    case FaultKind::kElsewhere:
    case FaultKind::kPassing:
      break;
  }
  faults_.push_back(fault);
}

void Shop::MendAll() {
  for (const std::string& service : services_) {
    Json json = Deployment(service)->json();
    std::string image = StringAt(At(json, "spec.template.spec.containers")[0], "image");
    if (IsBad(image))
      json["spec"]["template"]["spec"]["containers"][0]["image"] =
          fmt::format("{}:v{}", service, ++releases_);
    if (IntAt(json, "spec.replicas") == 0) json["spec"]["replicas"] = 2;
    const auto map = api_.Get(kube::kConfigMap, kNamespace, service + "-config");
    Must(map);
    if (StringAt((*map)->json(), "data.mode") == "bad") {
      Json good = (*map)->json();
      good["data"]["mode"] = "good";
      Must(api_.Update(kube::kConfigMap, std::move(good)));
      json["spec"]["template"]["metadata"]["annotations"]["changed"] = std::to_string(++releases_);
    }
    Must(api_.Update(kube::kDeployment, std::move(json)));
    const auto object = api_.Get(kube::kService, kNamespace, service);
    Must(object);
    Json service_json = (*object)->json();
    service_json["spec"]["selector"]["app"] = service;
    Must(api_.Update(kube::kService, std::move(service_json)));
    for (const ObjectPtr& pod : PodsOf(service))
      if (hanging_.contains(pod->uid()) || loaded_bad_[pod->uid()])
        Must(api_.Delete(kube::kPod, kNamespace, pod->name(), {}));
  }
  hanging_.clear();
  faults_.clear();
  known_at_ = kube::Revision::kNone;
}

void Shop::Potter() {
  const std::string& service = services_[random_.Below(services_.size())];
  switch (random_.Below(3)) {
    case 0:
      Release(service, false);
      break;
    case 1: {
      Json json = Deployment(service)->json();
      json["spec"]["template"]["metadata"]["annotations"]["restarted"] =
          std::to_string(++releases_);
      Must(api_.Update(kube::kDeployment, std::move(json)));
      break;
    }
    default:
      if (const auto pods = PodsOf(service); pods.size() > 1)
        Must(api_.Delete(kube::kPod, kNamespace, pods.front()->name(), {}));
  }
}

bool Shop::FaultyNow(const std::string& service) const {
  for (const Fault& fault : faults_)
    if (fault.service == service &&
        (fault.kind == FaultKind::kElsewhere || fault.kind == FaultKind::kPassing))
      return true;
  if (known_at_ != api_.revision()) {
    known_faulty_.clear();
    known_at_ = api_.revision();
  }
  const auto known = known_faulty_.find(service);
  if (known != known_faulty_.end()) return known->second;
  return known_faulty_[service] = LooksFaulty(service);
}

bool Shop::LooksFaulty(const std::string& service) const {
  if (IntAt(Deployment(service)->json(), "spec.replicas") == 0) return true;
  const auto object = api_.Get(kube::kService, kNamespace, service);
  if (!object || StringAt((*object)->json(), "spec.selector.app") != service) return true;
  for (const ObjectPtr& pod : PodsOf(service)) {
    const auto loaded = loaded_bad_.find(pod->uid());
    if (hanging_.contains(pod->uid()) || (loaded != loaded_bad_.end() && loaded->second) ||
        IsBad(StringAt(At(pod->json(), "spec.containers")[0], "image")))
      return true;
  }
  return false;
}

std::size_t Shop::FaultyBelow(const std::string& objective_service) const {
  std::set<std::string> reached = {objective_service};
  for (std::size_t before = 0; before != reached.size();) {
    before = reached.size();
    for (const incident::Call& call : Topology())
      if (reached.contains(call.caller)) reached.insert(call.callee);
  }
  return static_cast<std::size_t>(
      std::ranges::count_if(reached, [&](const std::string& one) { return FaultyNow(one); }));
}

bool Shop::AllWell() const {
  return std::ranges::none_of(services_, [&](const std::string& one) { return FaultyNow(one); });
}

bool Shop::BeyondActions() const {
  return std::ranges::any_of(
      faults_, [](const Fault& fault) { return fault.kind == FaultKind::kElsewhere; });
}

std::vector<agent::Objective> Shop::Objectives() const {
  std::vector<agent::Objective> objectives;
  for (const char* service : {"frontend", "checkout", "cart"}) {
    // Each fault takes its share of what the others leave.
    const std::size_t faulty = FaultyBelow(service);
    const bool well = faulty == 0;
    objectives.push_back(
        {.name = fmt::format("{} availability", service),
         .service = service,
         .well = well,
         .bad_ratio = well ? 0.001 : 1 - std::pow(0.6, static_cast<double>(faulty))});
  }
  return objectives;
}

std::optional<Fault> Shop::Truth() const {
  for (auto fault = faults_.rbegin(); fault != faults_.rend(); ++fault)
    if (FaultyNow(fault->service)) return *fault;
  return std::nullopt;
}

}  // namespace enclave::sim
