#include "cli/agent_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <iterator>
#include <mutex>
#include <utility>

#include "agent/series_objectives.h"
#include "agent/workers_diagnoser.h"
#include "base/log.h"
#include "cli/agent_memory.h"
#include "cli/call_pairs.h"
#include "cli/telemetry_clients.h"
#include "cli/telling_metrics.h"
#include "incident/freeze.h"
#include "incident/kubernetes.h"
#include "otel/telemetry.h"

namespace enclave::cli {
namespace {

using base::Result;
using std::chrono::minutes;
using std::chrono::nanoseconds;
using std::chrono::seconds;

// Evidence reaches back so far before the incident opened: enough to know what is normal, and
// little enough to be read within a second or two.
constexpr nanoseconds kBefore = minutes(5);
constexpr nanoseconds kLeastBefore = seconds(45);
// How long something may have been wrong before an alert, and what after a repair tells enough.
constexpr nanoseconds kUnnoticed = seconds(30);
constexpr nanoseconds kLeastAfter = seconds(12);
// What was changed so long before may have caused it.
constexpr nanoseconds kChangesBefore = minutes(60);
constexpr nanoseconds kTopologyOf = minutes(1);
constexpr auto kTopologyEvery = seconds(30);
// An enclave that has just come up shows who calls whom little by little.
constexpr auto kTopologyEveryAtFirst = seconds(4);
constexpr int kTopologyAtFirst = 20;  // times
constexpr int kEvidenceThreads = 2;
constexpr std::size_t kMostQueued = 16;

incident::Alert AlertOf(const agent::AlertEvent& event) {
  return {.time_ns = event.time_ns,
          .name = event.name,
          .service = event.service,
          .summary = event.summary,
          .labels = event.labels,
          .trace_id = event.trace};
}

// Closed when the agent ends: who comes later finds no view, and no parts either.
struct Gate {
  std::mutex mutex;
  const AgentView* view = nullptr;
};

class LiveAgentParts final : public AgentParts {
 public:
  LiveAgentParts(agent::Policy policy, kube::Client& cluster, net::EventLoop& agent_loop)
      : policy_(std::move(policy)), cluster_(cluster), agent_loop_(agent_loop) {}
  ~LiveAgentParts() override { OnEnd(); }

  Result<> Open(const AgentOptions& options) {
    ASSIGN_OR_RETURN(telemetry_, otel::Telemetry::FromEnvironment(
                                     http_loop_, {.service_name = "agent", .log_fd = -1}));
    ASSIGN_OR_RETURN(sources_,
                     ConnectTelemetry(http_loop_, options.prometheus, options.loki, options.tempo));
    ASSIGN_OR_RETURN(memory_, AgentMemory::Open(options.memory.empty() ? options.state + "/memory"
                                                                       : options.memory,
                                                agent_loop_));
    objectives_ = std::make_unique<agent::SeriesObjectives>(agent_loop_, objective_workers_,
                                                            *sources_.metrics, policy_.objectives);
    diagnoser_ = std::make_unique<agent::WorkersDiagnoser>(
        agent_loop_, evidence_workers_,
        [this](const agent::EvidenceQuestion& question) { return Freeze(question); },
        [this](const incident::Context& context) -> Result<rca::Diagnosis> {
          return memory_->Diagnose(context);
        });
    return {};
  }

  agent::Diagnoser& diagnoser() override { return *diagnoser_; }
  agent::Objectives& objectives() override { return *objectives_; }
  agent::Memory* memory() override { return memory_.get(); }
  otel::Tracer* tracer() override { return &telemetry_->tracer(); }
  void OnStarted(const AgentView& view) override {
    {
      const std::lock_guard lock(gate_->mutex);
      gate_->view = &view;
    }
    LearnTopology();
  }
  void OnEnd() override {
    const std::lock_guard lock(gate_->mutex);
    gate_->view = nullptr;
  }

 private:
  // On a worker.
  Result<incident::Context> Freeze(const agent::EvidenceQuestion& question) {
    // The trouble of an incident before this one is neither normal nor of this one.
    const std::int64_t from_ns =
        std::max(question.opened_ns - kBefore.count(),
                 std::min(question.calm_since_ns, question.opened_ns - kLeastBefore.count()));
    TellingMetrics metrics(*sources_.metrics, from_ns / 1'000'000);
    incident::Sources sources{
        .metrics = &metrics, .logs = sources_.logs.get(), .traces = sources_.traces.get()};
    std::string missing;
    {
      const std::lock_guard lock(gate_->mutex);
      if (gate_->view == nullptr) return base::Fail(base::ErrorKind::kCancelled, "the agent ends");
      auto changes =
          gate_->view->Changes(question.opened_ns - kChangesBefore.count(), question.now_ns);
      if (changes)
        sources.changes = *std::move(changes);
      else
        missing = "changes: " + changes.error().message();
    }
    // What the agent did itself is known, and nobody's suspect.
    std::erase_if(sources.changes,
                  [](const incident::Change& change) { return change.who == "agent"; });
    incident::Question asked{.available = {from_ns, question.now_ns}};
    if (question.now_ns - question.repaired_ns >= kLeastAfter.count() && question.repaired_ns > 0) {
      asked.repaired = {question.opened_ns - kUnnoticed.count(), question.repaired_ns};
      asked.normal = {{from_ns, asked.repaired.from_ns}};
      asked.available.from_ns = question.repaired_ns;
    }
    // Changes come from the agent's own history, which knows what objects were before.
    // States that last are told with the time when they began, which may be before a repair.
    incident::KubernetesFindings findings =
        incident::ReadKubernetes(cluster_, {from_ns, question.now_ns});
    sources.facts = std::move(findings.facts);
    if (!question.alerts.empty()) asked.alert = AlertOf(question.alerts.front());
    auto context = incident::Freeze(sources, asked, {}, &freeze_workers_);
    if (!context) return context;
    context->id = fmt::format("{}-{}", question.incident, question.now_ns / 1'000'000'000);
    if (!missing.empty()) context->missing.push_back(std::move(missing));
    std::ranges::move(findings.missing, std::back_inserter(context->missing));
    return context;
  }

  // Which alerts are near each other has to be known before the first of them.
  void LearnTopology() {
    if (sources_.traces == nullptr) return;
    const bool taken = evidence_workers_.Submit([this] {
      const std::int64_t now_ns = agent_loop_.WallNow().time_since_epoch().count();
      const auto calls = CallPairs(*sources_.traces, {now_ns - kTopologyOf.count(), now_ns});
      if (!calls) {
        base::LogWarning("agent", "who calls whom cannot be read",
                         {{"error", calls.error().message()}});
        return;
      }
      const std::lock_guard lock(gate_->mutex);
      if (gate_->view != nullptr) gate_->view->SetTopology(*calls);
    });
    if (!taken) base::LogDebug("agent", "nobody has time to learn who calls whom", {});
    const auto pause =
        ++topology_asked_ < kTopologyAtFirst ? kTopologyEveryAtFirst : kTopologyEvery;
    agent_loop_.After(pause, [this, gate = gate_] {
      const std::lock_guard lock(gate->mutex);
      if (gate->view != nullptr) LearnTopology();
    });
  }

  const agent::Policy policy_;
  kube::Client& cluster_;
  net::EventLoop& agent_loop_;
  net::EventLoop http_loop_{"agent-telemetry"};
  std::unique_ptr<otel::Telemetry> telemetry_;
  TelemetryClients sources_;
  std::atomic<int> topology_asked_ = 0;
  std::shared_ptr<Gate> gate_ = std::make_shared<Gate>();
  std::unique_ptr<AgentMemory> memory_;
  std::unique_ptr<agent::SeriesObjectives> objectives_;
  std::unique_ptr<agent::WorkersDiagnoser> diagnoser_;
  // Last, so that what runs on them ends first.
  telemetry::ThreadWorkers objective_workers_{"agent-slo", 1, kMostQueued};
  telemetry::ThreadWorkers freeze_workers_{"agent-freeze", 1, kMostQueued};
  telemetry::ThreadWorkers evidence_workers_{"agent-evidence", kEvidenceThreads, kMostQueued};
};

}  // namespace

Result<std::unique_ptr<AgentParts>> MakeLiveAgentParts(const AgentOptions& options,
                                                       const agent::Policy& policy,
                                                       kube::Client& cluster,
                                                       net::EventLoop& agent_loop) {
  auto parts = std::make_unique<LiveAgentParts>(policy, cluster, agent_loop);
  RETURN_IF_ERROR(parts->Open(options));
  return parts;
}

}  // namespace enclave::cli
