// A Diagnoser from two functions that block: they run on workers, and the answers come back to the
// agent's executor. One question at a time is under way for each call; what does not fit into the
// workers' queue is answered with kResourceExhausted, and asked again by the agent.
//
// Thread safety: as Diagnoser. The workers end before this does.
#pragma once

#include <functional>
#include <memory>

#include "agent/ports.h"
#include "telemetry/workers.h"

namespace enclave::agent {

class WorkersDiagnoser final : public Diagnoser {
 public:
  using FreezeFunction = std::function<base::Result<incident::Context>(const EvidenceQuestion&)>;
  using DiagnoseFunction = std::function<base::Result<rca::Diagnosis>(const incident::Context&)>;

  WorkersDiagnoser(base::Executor& executor, telemetry::Workers& workers, FreezeFunction freeze,
                   DiagnoseFunction diagnose)
      : executor_(executor),
        workers_(workers),
        freeze_(std::move(freeze)),
        diagnose_(std::move(diagnose)) {}

  void Freeze(const EvidenceQuestion& question,
              std::function<void(base::Result<incident::Context>)> done) override {
    Run<incident::Context>([this, question] { return freeze_(question); }, done);
  }
  void Diagnose(const incident::Context& context,
                std::function<void(base::Result<rca::Diagnosis>)> done) override {
    Run<rca::Diagnosis>([this, context] { return diagnose_(context); }, done);
  }

 private:
  template <typename T>
  void Run(std::function<base::Result<T>()> work,
           const std::function<void(base::Result<T>)>& done) {
    const bool taken = workers_.Submit([this, work = std::move(work), done] {
      auto answer = std::make_shared<base::Result<T>>(work());
      executor_.Post([answer, done] { done(std::move(*answer)); });
    });
    if (!taken)
      executor_.Post([done] {
        done(base::Fail(base::ErrorKind::kResourceExhausted,
                        "too many questions about evidence wait already"));
      });
  }

  base::Executor& executor_;
  telemetry::Workers& workers_;
  const FreezeFunction freeze_;
  const DiagnoseFunction diagnose_;
};

}  // namespace enclave::agent
