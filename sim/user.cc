#include "sim/user.h"

#include <algorithm>

#include <fmt/format.h>

#include "cluster/controllers/objects.h"
#include "cluster/controllers/pod_template.h"
#include "cluster/controllers/rollout.h"
#include "kube/kind.h"

namespace enclave::sim {
namespace {

using base::ErrorKind;
using cluster::ControllerUid;
using cluster::ItemsAt;
using kube::Json;
using kube::ObjectPtr;
using kube::StringAt;

std::string NameOf(const kube::Object& object) {
  return object.ns() + "/" + object.name();
}

// The first container of a Deployment's template, to edit.
Json& Container(Json& deployment) {
  return deployment["spec"]["template"]["spec"]["containers"][0];
}

}  // namespace

User::User(World& world, base::Random& random) : world_(world), random_(random) {
  const auto move = [&](unsigned weight, std::function<std::string()> make) {
    total_weight_ += weight;
    moves_.push_back({weight, std::move(make)});
  };
  const kube::Kind& deployments = kube::kDeployment;
  move(8, [this] { return CreateDeployment(); });
  move(14, [=, this] {
    const std::uint64_t replicas = Below(6);
    return Edit(deployments, fmt::format("scale to {}", replicas),
                [&](Json& json) { json["spec"]["replicas"] = replicas; });
  });
  move(14, [=, this] {
    const std::string image = Image();
    return Edit(deployments, "image " + image,
                [&](Json& json) { Container(json)["image"] = image; });
  });
  move(6, [=, this] {
    return Edit(deployments, "env", [&](Json& json) {
      Container(json)["env"] =
          Json::array({{{"name", "EDIT"}, {"value", std::to_string(++edits_ % 5)}}});
    });
  });
  move(4, [=, this] {
    return Edit(deployments, "strategy",
                [&](Json& json) { json["spec"]["strategy"] = RandomStrategy(); });
  });
  move(3, [=, this] {
    return Edit(deployments, "trace", [&](Json& json) {
      json["metadata"]["annotations"][cluster::kTraceAnnotation] =
          fmt::format("{:032x}", random_.Next());
    });
  });
  move(4, [=, this] {
    return Edit(deployments, "pause", [](Json& json) { json["spec"]["paused"] = true; });
  });
  move(8, [=, this] {
    return Edit(deployments, "resume", [](Json& json) { json["spec"].erase("paused"); });
  });
  move(6, [this] { return Undo(); });
  move(4, [=, this] { return DeleteAny(deployments); });
  move(3, [this] { return DeleteAny(kube::kReplicaSet); });
  move(8, [this] { return DeletePod(); });
  move(2, [this] { return DeleteAny(kube::kService); });
  move(4, [this] { return CreateService(); });
  move(2, [this] { return CreateStray(); });
  move(2, [this] { return Relabel(); });
  move(10, [this] { return CrashContainer(); });
  move(6, [this] { return FlapProbe(); });
  move(3, [this] {
    world_.RestartControlPlane();
    return std::string("the control plane restarts");
  });
  move(3, [this] {
    world_.RestartKubelet();
    return std::string("the kubelet restarts");
  });
  move(1, [this] {
    world_.Reboot();
    return std::string("the machine reboots");
  });
  move(5, [this] {
    const ErrorKind kind = Chance(30) ? ErrorKind::kExpired : ErrorKind::kUnavailable;
    (Chance(50) ? world_.plane_api : world_.node_api).CutWatches(kind);
    return "watches are cut: " + std::string(base::ToString(kind));
  });
  move(6, [this] { return Faults(); });
  move(1, [this] { return DeleteNamespace(); });
  move(2, [this] { return Cordon(); });
}

void User::Begin() {
  for (const char* ns : {"a", "b"}) {
    Tell("", world_.api->Create(
                 kube::kNamespace, "",
                 {{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", ns}}}}));
  }
}

std::string User::Step() {
  std::uint64_t at = Below(total_weight_);
  for (const Move& move : moves_) {
    if (at < move.weight) return move.make();
    at -= move.weight;
  }
  return "";
}

std::string User::Tell(const std::string& what, const base::Result<ObjectPtr>& result) {
  if (result) return what;
  switch (result.error().kind()) {
    case ErrorKind::kNotFound:  // a namespace that is not there at present
    case ErrorKind::kAlreadyExists:
    case ErrorKind::kConflict:
    case ErrorKind::kPermissionDenied:  // a namespace that is ending
      break;
    default:
      complaint_ = what + ": " + result.error().ToString();
  }
  return what + " -> " + result.error().ToString();
}

ObjectPtr User::Any(const kube::Kind& kind) {
  std::vector<ObjectPtr> objects;
  for (const ObjectPtr& object : world_.store.List(kind.GroupResource(), "").items) {
    if (object->ns() == "a" || object->ns() == "b") objects.push_back(object);
  }
  return objects.empty() ? nullptr : Pick(objects);
}

std::string User::Edit(const kube::Kind& kind, const std::string& what,
                       const std::function<void(Json&)>& edit) {
  const ObjectPtr object = Any(kind);
  if (object == nullptr) return "";
  Json changed = object->json();
  edit(changed);
  return Tell(what + " of " + NameOf(*object), world_.api->Update(kind, std::move(changed)));
}

std::string User::Image() {
  const std::uint64_t draw = Below(100);
  if (draw < 8) return "missing:1";
  if (draw < 16) return "crash:1";
  if (draw < 24) return "slow:1";
  return fmt::format("good:{}", 1 + Below(4));
}

Json User::RandomStrategy() {
  if (Chance(20)) return {{"type", "Recreate"}};
  const std::vector<Json> bounds = {0, 1, 2, "25%", "50%"};
  const Json& surge = Pick(bounds);
  Json unavailable = Pick(bounds);
  if (surge == 0 && unavailable == 0) unavailable = 1;  // refused by validation
  return {{"type", "RollingUpdate"},
          {"rollingUpdate", {{"maxSurge", surge}, {"maxUnavailable", std::move(unavailable)}}}};
}

std::string User::CreateDeployment() {
  const std::string name = fmt::format("d{}", Below(3));
  const std::string ns = Namespace();
  Json container{{"name", "c"}, {"image", Image()}};
  container["ports"] = Json::array({{{"name", "http"}, {"containerPort", 8080}}});
  if (Chance(40)) {
    container["readinessProbe"] = {{"tcpSocket", {{"port", 8080}}},
                                   {"periodSeconds", 1 + Below(5)},
                                   {"failureThreshold", 1 + Below(2)}};
  }
  if (Chance(15)) {
    container["livenessProbe"] = {
        {"tcpSocket", {{"port", 8080}}}, {"periodSeconds", 5}, {"failureThreshold", 3}};
  }
  if (Chance(30)) container["resources"]["requests"]["cpu"] = Chance(50) ? "100m" : "900m";
  Json spec{{"replicas", Below(5)},
            {"revisionHistoryLimit", Below(4)},
            {"progressDeadlineSeconds", Chance(50) ? 30 : 600},
            {"strategy", RandomStrategy()},
            {"selector", {{"matchLabels", {{"app", name}}}}},
            {"template",
             {{"metadata", {{"labels", {{"app", name}}}}},
              {"spec",
               {{"containers", Json::array({container})},
                {"terminationGracePeriodSeconds", Below(4)}}}}}};
  if (Chance(20)) {
    Json second{{"name", "side"}, {"image", "good:1"}};
    spec["template"]["spec"]["containers"].push_back(std::move(second));
  }
  if (Chance(20)) spec["minReadySeconds"] = 1 + Below(5);
  return Tell("create deployment " + ns + "/" + name,
              world_.api->Create(kube::kDeployment, ns,
                                 {{"apiVersion", "apps/v1"},
                                  {"kind", "Deployment"},
                                  {"metadata", {{"name", name}, {"namespace", ns}}},
                                  {"spec", std::move(spec)}}));
}

std::string User::CreateService() {
  const std::string name = fmt::format("d{}", Below(3));
  const std::string ns = Namespace();
  Json spec{{"selector", {{"app", name}}},
            {"ports", Json::array({{{"port", 80}, {"targetPort", "http"}}})}};
  if (Chance(30)) spec["clusterIP"] = "None";
  return Tell("create service " + ns + "/" + name,
              world_.api->Create(kube::kService, ns,
                                 {{"apiVersion", "v1"},
                                  {"kind", "Service"},
                                  {"metadata", {{"name", name}, {"namespace", ns}}},
                                  {"spec", std::move(spec)}}));
}

// A pod without an owner that a ReplicaSet may adopt.
std::string User::CreateStray() {
  const ObjectPtr set = Any(kube::kReplicaSet);
  if (set == nullptr) return "";
  const Json& pod_template = kube::At(set->json(), "spec.template");
  return Tell("create a stray pod like those of " + NameOf(*set),
              world_.api->Create(kube::kPod, set->ns(),
                                 {{"apiVersion", "v1"},
                                  {"kind", "Pod"},
                                  {"metadata",
                                   {{"generateName", "stray-"},
                                    {"namespace", set->ns()},
                                    {"labels", kube::At(pod_template, "metadata.labels")}}},
                                  {"spec", kube::At(pod_template, "spec")}}));
}

std::string User::DeleteAny(const kube::Kind& kind) {
  const ObjectPtr object = Any(kind);
  if (object == nullptr) return "";
  kube::DeleteOptions options;
  options.propagation = Pick<std::string>({"Background", "Foreground", "Orphan"});
  return Tell(fmt::format("delete {} {} {}", kind.plural, NameOf(*object), options.propagation),
              world_.api->Delete(kind, object->ns(), object->name(), options));
}

std::string User::DeletePod() {
  const ObjectPtr pod = Any(kube::kPod);
  if (pod == nullptr) return "";
  kube::DeleteOptions options;
  if (Chance(30)) options.grace_period_seconds = 0;
  return Tell("delete pod " + NameOf(*pod) + (options.grace_period_seconds ? " at once" : ""),
              world_.api->Delete(kube::kPod, pod->ns(), pod->name(), options));
}

// As kubectl rollout undo: an old ReplicaSet's template, with what its JSON encoder adds.
std::string User::Undo() {
  const ObjectPtr set = Any(kube::kReplicaSet);
  if (set == nullptr) return "";
  const Json* owner = cluster::ControllerOf(set->json());
  if (owner == nullptr) return "";
  const auto deployment = world_.api->Get(kube::kDeployment, set->ns(), StringAt(*owner, "name"));
  if (!deployment || (*deployment)->uid() != StringAt(*owner, "uid")) return "";
  Json changed = (*deployment)->json();
  Json old_template = kube::At(set->json(), "spec.template");
  old_template["metadata"]["creationTimestamp"] = nullptr;
  old_template["metadata"]["labels"].erase(cluster::kTemplateHashLabel);
  for (Json& container : old_template["spec"]["containers"]) {
    if (!container.contains("resources")) container["resources"] = Json::object();
  }
  changed["spec"]["template"] = std::move(old_template);
  return Tell("undo " + NameOf(**deployment) + " to " + set->name(),
              world_.api->Update(kube::kDeployment, std::move(changed)));
}

std::string User::CrashContainer() {
  const auto running = world_.runtime.Running();
  if (running.empty()) return "";
  const cluster::ContainerId& id = Pick(running);
  if (Chance(30)) {
    world_.runtime.Kill(id, 9, true);
    return "out of memory: " + id.pod_uid;
  }
  const int code = static_cast<int>(Below(3));
  world_.runtime.Exit(id, code);
  return fmt::format("a container of {} exits with {}", id.pod_uid, code);
}

std::string User::FlapProbe() {
  if (!world_.failing_probes.empty() && Chance(60)) {
    const std::string uid = *world_.failing_probes.begin();
    world_.failing_probes.erase(uid);
    return "probes of " + uid + " answer again";
  }
  const ObjectPtr pod = Any(kube::kPod);
  if (pod == nullptr || world_.failing_probes.size() > 5) return "";
  world_.failing_probes.insert(pod->uid());
  return "probes of " + NameOf(*pod) + " fail";
}

std::string User::DeleteNamespace() {
  const std::string ns = Namespace();
  if (Chance(50)) {
    return Tell("delete namespace " + ns, world_.api->Delete(kube::kNamespace, "", ns, {}));
  }
  return Tell("create namespace " + ns,
              world_.api->Create(
                  kube::kNamespace, "",
                  {{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", ns}}}}));
}

std::string User::Relabel() {
  return Edit(kube::kPod, "relabel", [&](Json& json) {
    json["metadata"]["labels"]["app"] = Chance(50) ? "elsewhere" : fmt::format("d{}", Below(3));
  });
}

std::string User::Faults() {
  if (Chance(60)) {
    world_.SetFaults({});
    return "the API answers";
  }
  FaultyApi::Odds odds;
  odds.refused = Chance(40) ? 0.2 : 0;
  odds.lost_answer = Chance(30) ? 0.1 : 0;
  odds.conflict = Chance(40) ? 0.2 : 0;
  odds.watch_delay = Chance(40) ? std::chrono::milliseconds(Below(500)) : base::Duration::zero();
  world_.SetFaults(odds);
  return fmt::format("the API: {} refused, {} lost answers, {} conflicts, watches {} ms late",
                     odds.refused, odds.lost_answer, odds.conflict,
                     odds.watch_delay.count() / 1'000'000);
}

std::string User::Cordon() {
  const auto node = world_.api->Get(kube::kNode, "", World::kNode);
  if (!node) return "";
  Json changed = (*node)->json();
  const bool cordon = !kube::BoolAt(changed, "spec.unschedulable") && Chance(40);
  if (cordon) {
    changed["spec"]["unschedulable"] = true;
  } else if (changed["spec"].is_object()) {
    changed["spec"].erase("unschedulable");
  }
  return Tell(cordon ? "cordon" : "uncordon", world_.api->Update(kube::kNode, std::move(changed)));
}

void User::Repair() {
  if (const auto node = world_.api->Get(kube::kNode, "", World::kNode)) {
    Json changed = (*node)->json();
    if (kube::BoolAt(changed, "spec.unschedulable")) {
      changed["spec"].erase("unschedulable");
      Tell("uncordon", world_.api->Update(kube::kNode, std::move(changed)));
    }
  }
  for (const char* ns : {"a", "b"}) {
    if (!world_.api->Get(kube::kNamespace, "", ns)) {
      Tell("repair",
           world_.api->Create(
               kube::kNamespace, "",
               {{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", ns}}}}));
    }
  }
  for (const kube::Kind& kind : {kube::kDeployment, kube::kReplicaSet}) {
    for (const ObjectPtr& object : world_.store.List(kind.GroupResource(), "").items) {
      Json changed = object->json();
      if (kind.kind == "Deployment") changed["spec"].erase("paused");
      // What asks for more than the node has can never come to rest.
      for (Json& container : changed["spec"]["template"]["spec"]["containers"]) {
        container.erase("resources");
        if (!StringAt(container, "image").starts_with("good")) container["image"] = "good:1";
      }
      const bool owned = cluster::ControllerOf(object->json()) != nullptr;
      if (kind.kind == "ReplicaSet" && !owned && changed["spec"] != object->json()["spec"]) {
        // A template of a set nobody rolls over: its pods stay as they are. Away with it.
        Tell("repair",
             world_.api->Delete(kind, object->ns(), object->name(), {.propagation = "Background"}));
        continue;
      }
      if (kind.kind == "Deployment" && changed != object->json()) {
        Tell("repair", world_.api->Update(kind, std::move(changed)));
      }
    }
  }
}

std::string User::RollOutCalmly() {
  std::vector<ObjectPtr> fit;
  for (const ObjectPtr& deployment :
       world_.store.List(kube::kDeployment.GroupResource(), "").items) {
    const auto bounds = cluster::BoundsOf(deployment->json());
    if (bounds.rolling && bounds.replicas > 0 && !deployment->deleting()) fit.push_back(deployment);
  }
  if (fit.empty()) return "";
  const ObjectPtr& deployment = Pick(fit);
  Json changed = deployment->json();
  const std::string image = fmt::format("good:{}", 1 + Below(4));
  Container(changed)["image"] = image;
  Tell("calm rollout", world_.api->Update(kube::kDeployment, std::move(changed)));
  return deployment->uid();
}

void User::DeleteEverything() {
  for (const kube::Kind& kind : {kube::kDeployment, kube::kService}) {
    for (const ObjectPtr& object : world_.store.List(kind.GroupResource(), "").items) {
      if (object->ns() != "a" && object->ns() != "b") continue;
      kube::DeleteOptions options;
      options.propagation = Chance(50) ? "Background" : "Foreground";
      Tell("delete at the end", world_.api->Delete(kind, object->ns(), object->name(), options));
    }
  }
  for (const char* ns : {"a", "b"}) {
    Tell("delete at the end", world_.api->Delete(kube::kNamespace, "", ns, {}));
  }
}

}  // namespace enclave::sim
