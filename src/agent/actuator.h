// Carries out one step of an action on one object, so that it happens once however often it is
// asked for.
//
// Every object that is changed carries whose change it was, in annotations; a step that finds its
// own action id there is done already. An edit is read, compared, and written back on the condition
// that nobody wrote in between: what a person changed since the plan was made is never overwritten.
//
// Errors: kUnprocessable when the object is not any more what the plan was made for; kNotFound when
// it is gone. MayHaveHappened tells which errors leave open whether the step took effect; ask again
// then.
//
// Threading: calls block on the API.
#pragma once

#include <string>

#include "agent/action.h"
#include "base/result.h"
#include "kube/api.h"
#include "kube/client.h"

namespace enclave::agent {

inline const std::string kTraceIdAnnotation = "enclave.dev/trace-id";
inline const std::string kActionIdAnnotation = "enclave.dev/action-id";
inline const std::string kIncidentAnnotation = "enclave.dev/incident";

struct Marks {
  std::string trace_id{};  // may be empty
  std::string action_id{};
  std::string incident{};
  // An undo also takes place where its step never did: fields that are as they shall be are left.
  bool undo = false;
};

// The port for asking a server what a write would be answered, without it taking place.
class DryRun {
 public:
  virtual ~DryRun() = default;
  virtual base::Result<> Update(const kube::Kind& kind, const Json& object) = 0;
  virtual base::Result<> Delete(const kube::Kind& kind, const std::string& ns,
                                const std::string& name) = 0;
};

// `dryRun=All` of a real API server. The client outlives it.
class ServerDryRun final : public DryRun {
 public:
  explicit ServerDryRun(kube::Client& client) : client_(client) {}
  base::Result<> Update(const kube::Kind& kind, const Json& object) override;
  base::Result<> Delete(const kube::Kind& kind, const std::string& ns,
                        const std::string& name) override;

 private:
  kube::Client& client_;
};

enum class StepResult : std::uint8_t { kDone, kWasDone };

base::Result<StepResult> RunStep(kube::Api& api, const Step& step, const Marks& marks);
// Whether the step would be accepted now, by the comparison and by the server.
base::Result<> TryStep(kube::Api& api, DryRun& dry_run, const Step& step, const Marks& marks);

bool MayHaveHappened(const base::Error& error);

}  // namespace enclave::agent
