// A world of the tests' making: virtual time, an observatory and an agent that answer what they are
// told to, and a machine that remembers what was done to it.
//
// One thread.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/random.h"
#include "base/simulated_executor.h"
#include "kube/fake_api.h"
#include "kube/time.h"
#include "lab/drills/runner.h"
#include "lab/drills/world.h"

namespace enclave::lab::drills {

inline constexpr std::chrono::seconds kTestStart{1'800'000'000};

class TestPace final : public Pace {
 public:
  base::WallTime WallNow() const override { return base::WallTime(kTestStart) + passed_; }
  base::MonoTime Now() const override { return base::MonoTime(passed_); }
  bool Wait(base::Duration duration) override {
    passed_ += duration;
    if (on_wait) on_wait();
    return !ended;
  }
  base::Duration passed() const { return passed_; }

  bool ended = false;
  std::function<void()> on_wait{};

 private:
  base::Duration passed_{};
};

// Answers by the beginning of the target; the longest one that fits.
class TestAsker final : public Asker {
 public:
  base::Result<Json> Ask(const std::string& target) override {
    asked.push_back(target);
    const std::function<Json()>* answer = nullptr;
    for (const auto& [prefix, one] : answers)
      if (target.starts_with(prefix)) answer = &one;
    if (answer == nullptr) return base::Fail(base::ErrorKind::kNotFound, "nothing at " + target);
    return (*answer)();
  }
  std::map<std::string, std::function<Json()>> answers{};  // a longer prefix is a later key
  std::vector<std::string> asked{};
};

class TestHost final : public Host {
 public:
  base::Result<> Signal(const std::string& pod_uid, int signal) override {
    done.push_back("signal " + std::to_string(signal) + " " + pod_uid);
    return {};
  }
  base::Result<> Burn(const std::string& pod_uid, int processes) override {
    done.push_back("burn " + std::to_string(processes) + " " + pod_uid);
    return {};
  }
  base::Result<> BringVisitors(int users, base::Duration /*lasts*/) override {
    done.push_back("visitors " + std::to_string(users));
    return {};
  }
  void PutBack() override { ++put_back; }
  void Continue(const std::string& pod_uid) override { continued.insert(pod_uid); }
  std::vector<std::string> done{};
  int put_back = 0;
  std::set<std::string> continued{};
};

class TestShow final : public Show {
 public:
  void Line(base::WallTime /*time*/, const std::string& text) override { lines.push_back(text); }
  void Tick(const Live& live) override {
    phases.push_back(live.phase);
    waits.insert(live.waits);
  }
  std::vector<std::string> lines{};
  std::vector<Phase> phases{};
  std::set<std::string> waits{};
};

inline Json DeploymentManifest(const std::string& name, const std::string& image) {
  return {
      {"apiVersion", "apps/v1"},
      {"kind", "Deployment"},
      {"metadata", {{"name", name}, {"namespace", "boutique"}}},
      {"spec",
       {{"replicas", 1},
        {"selector", {{"matchLabels", {{"app", name}}}}},
        {"template",
         {{"metadata", {{"labels", {{"app", name}}}}},
          {"spec",
           {{"containers",
             Json::array({{{"name", "server"},
                           {"image", image},
                           {"env", Json::array({{{"name", "PORT"}, {"value", "80"}}})}}})}}}}}}}};
}

inline Json PodManifest(const std::string& workload, const std::string& suffix) {
  return {{"apiVersion", "v1"},
          {"kind", "Pod"},
          {"metadata",
           {{"name", workload + "-1-" + suffix},
            {"namespace", "boutique"},
            {"labels", {{"app", workload}}},
            {"ownerReferences",
             Json::array({{{"kind", "ReplicaSet"}, {"name", workload + "-5d4f"}}})}}},
          {"spec", Json::object()}};
}

inline std::string TestTime(base::WallTime time) {
  return kube::FormatMicroTime(time);
}

struct TestWorld {
  TestWorld() {
    for (const char* name : {"cart", "pay"}) {
      manifests.push_back(DeploymentManifest(name, std::string(name) + ":v1"));
      CHECK(cluster.Create(kube::kDeployment, "boutique", manifests.back()).has_value(), "made");
      CHECK(cluster.Create(kube::kPod, "boutique", PodManifest(name, "a")).has_value(), "made");
    }
    manifests.push_back({{"apiVersion", "v1"},
                         {"kind", "ConfigMap"},
                         {"metadata", {{"name", "catalogue"}, {"namespace", "boutique"}}},
                         {"data", {{"products.json", "[1, 2]"}}}});
    CHECK(cluster.Create(kube::kConfigMap, "boutique", manifests.back()).has_value(), "made");
    observatory.answers["/api/v1/query"] = [this] {
      return Json{
          {"data",
           {{"result", Json::array({{{"metric", {{"objective", "errors"}}},
                                     {"value", Json::array({1.0, std::to_string(errors)})}}})}}}};
    };
    observatory.answers["/api/v1/alerts"] = [this] { return Json{{"data", {{"alerts", alerts}}}}; };
    observatory.answers["/api/search"] = [] { return Json{{"traces", Json::array()}}; };
    agent.answers["/api/incidents"] = [this] { return Json{{"incidents", incidents}}; };
  }

  World world() {
    return {.cluster = cluster,
            .observatory = observatory,
            .agent = &agent,
            .host = host,
            .pace = pace};
  }
  std::string ImageOf(const std::string& workload) {
    const auto object = cluster.Get(kube::kDeployment, "boutique", workload);
    CHECK(object.has_value(), "it is there");
    return kube::StringAt(kube::At((*object)->json(), "spec.template.spec.containers")[0], "image");
  }

  base::SimulatedExecutor executor{};
  base::SeededRandom random{1};
  kube::FakeApi cluster{executor, random};
  std::vector<Json> manifests{};
  TestAsker observatory{};
  TestAsker agent{};
  TestHost host{};
  TestPace pace{};
  TestShow show{};
  double errors = 0;
  Json incidents = Json::array();
  Json alerts = Json::array();
};

}  // namespace enclave::lab::drills
