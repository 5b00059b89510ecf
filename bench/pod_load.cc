#include <fmt/format.h>

#include <future>
#include <memory>

#include "base/executor.h"
#include "base/random.h"
#include "bench/load.h"
#include "kube/informer.h"

namespace enclave::bench {
namespace {

using base::Result;
using kube::Json;

constexpr int kSinglePods = 30;
constexpr int kManyPods = 100;
constexpr std::chrono::seconds kLimit{120};

Json Deployment(const Target& target, const std::string& name, int replicas) {
  return {{"apiVersion", "apps/v1"},
          {"kind", "Deployment"},
          {"metadata", {{"name", name}}},
          {"spec",
           {{"replicas", replicas},
            {"selector", {{"matchLabels", {{"app", name}}}}},
            {"template",
             {{"metadata", {{"labels", {{"app", name}}}}},
              {"spec",
               {{"terminationGracePeriodSeconds", 1},
                {"containers", Json::array({{{"name", "main"}, {"image", target.image}}})}}}}}}}};
}

bool Ready(const kube::Object& pod) {
  for (const Json& condition : kube::At(pod.json(), "status.conditions"))
    if (kube::StringAt(condition, "type") == "Ready")
      return kube::StringAt(condition, "status") == "True";
  return false;
}

// Milliseconds from sending the Deployment until `replicas` of its pods were seen Ready.
Result<double> TimeToReady(const Target& target, const std::string& name, int replicas) {
  std::promise<base::MonoTime> all_ready;
  std::unique_ptr<kube::SharedInformers> informers;
  std::promise<void> watching;
  ASSIGN_OR_RETURN(const auto selector, kube::LabelSelector::Parse("app=" + name));
  target.loop.Post([&] {
    informers =
        std::make_unique<kube::SharedInformers>(target.api, target.loop, base::SystemRandom());
    kube::Informer& pods = informers->For(kube::kPod, {.ns = target.ns, .labels = selector});
    pods.OnChange([&pods, &all_ready, replicas, done = false](const auto&, const auto&) mutable {
      int ready = 0;
      for (const auto& pod : pods.List()) ready += Ready(*pod) ? 1 : 0;
      if (done || ready < replicas) return;
      done = true;
      all_ready.set_value(base::SystemClock().Now());
    });
    watching.set_value();
  });
  watching.get_future().wait();
  const base::MonoTime start = base::SystemClock().Now();
  const auto created =
      target.api.Create(kube::kDeployment, target.ns, Deployment(target, name, replicas));
  auto finished = all_ready.get_future();
  const bool in_time = created && finished.wait_for(kLimit) == std::future_status::ready;
  std::promise<void> closed;
  target.loop.Post([&] {
    informers.reset();
    closed.set_value();
  });
  closed.get_future().wait();
  RETURN_IF_ERROR(created);
  if (!in_time)
    return base::Fail(base::ErrorKind::kDeadlineExceeded,
                      fmt::format("{} pods were not Ready within {} s", replicas, kLimit.count()));
  RETURN_IF_ERROR(target.api.Delete(kube::kDeployment, target.ns, name, {}));
  return std::chrono::duration<double, std::milli>(finished.get() - start).count();
}

}  // namespace

Result<std::vector<Figure>> MeasurePods(const Target& target) {
  std::vector<double> single_ms;
  for (int i = 0; i < kSinglePods; ++i) {
    ASSIGN_OR_RETURN(const double ms, TimeToReady(target, fmt::format("single-{}", i), 1));
    single_ms.push_back(ms);
  }
  ASSIGN_OR_RETURN(const double many_ms, TimeToReady(target, "many", kManyPods));
  const std::string how = "from sending the Deployment until a watch shows the pod Ready";
  return std::vector<Figure>{{"one pod Ready, median", Median(single_ms), "ms",
                              fmt::format("{}, {} times", how, kSinglePods)},
                             {"one pod Ready, p99", Percentile99(single_ms), "ms", how},
                             {"100 pods Ready", many_ms / 1000, "s", how}};
}

}  // namespace enclave::bench
