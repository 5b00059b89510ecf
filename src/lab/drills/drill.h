// A drill as data: what must hold before, what is broken, what the truth then is, and how long the
// agent has. The format is described in docs/formats/drill.md.
//
// Values; any thread.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/executor.h"
#include "base/result.h"
#include "kube/object.h"

namespace enclave::lab::drills {

using kube::Json;

enum class FaultKind : std::uint8_t {
  kRelease,        // another image for a Deployment
  kEnvironment,    // another value for a variable of its container
  kConfiguration,  // an edit of a ConfigMap's text
  kSignal,         // to the process of its pods
  kProcessor,      // processes beside it that use what its limit gives
  kScale,
  kDeletePods,
  kRestart,   // as `kubectl rollout restart`
  kVisitors,  // many more of them, from outside of the cluster
};

struct Fault {
  FaultKind kind = FaultKind::kRelease;
  base::Duration after{};  // the first fault
  std::string workload{};  // a Deployment; of kConfiguration the ConfigMap
  std::string image{};     // kRelease
  std::string key{};       // kEnvironment: the variable; kConfiguration: the key
  std::string value{};     // kEnvironment; kConfiguration: what stands there afterwards
  std::string replaced{};  // kConfiguration: the part that `value` takes the place of
  std::string signal{};    // kSignal: "STOP" or "KILL"
  int count = 1;           // replicas, processes or visitors
  base::Duration lasts{};  // kVisitors
};

// One thing that is wrong. The first hypothesis is right when it names one of the services and one
// of the kinds; each action on it must be one of `actions`, where "none" allows to do nothing.
struct Cause {
  std::vector<std::string> services{};
  std::vector<std::string> kinds{};    // as rca names them: "bad release"
  std::vector<std::string> actions{};  // as the agent's policy names them: "rollback_revision"
};

struct Drill {
  std::string name{};
  std::string title{};
  std::string ns = "boutique";
  base::Duration hold = std::chrono::seconds(10);  // how long all objectives must be met before
  std::vector<Fault> faults{};                     // by `after`
  std::vector<Cause> causes{};                     // none: no incident may open
  std::vector<std::string> may_touch{};            // "Deployment/currencyservice"
  std::string request{};                           // TraceQL: requests that show it
  base::Duration detect{};                         // limits; from the first failing request
  base::Duration recover{};
  base::Duration whole{};  // from the first fault to the end
};

// What users are promised, read once a second: met while the query's value is at most `at_most`.
struct Objective {
  std::string name{};
  std::string title{};
  std::string query{};  // PromQL with one value
  std::string unit{};   // "%" (of a share), "s", "/s"; "": a number
  double at_most = 0;
  bool shown_only = false;  // for people; not judged
};

struct Book {
  std::vector<Objective> objectives{};
  std::vector<Drill> drills{};  // by name

  const Drill* Find(std::string_view name) const;
};

// kInvalidArgument names `file` and the field that is wrong, and what may stand there.
base::Result<Drill> ParseDrill(std::string_view text, const std::string& file);
base::Result<std::vector<Objective>> ParseObjectives(std::string_view text,
                                                     const std::string& file);
// objectives.yaml and every other .yaml of the folder.
base::Result<Book> ReadBook(const std::filesystem::path& folder);

// What a person would have typed.
std::string CommandOf(const Fault& fault, const std::string& ns);

inline double InSeconds(base::Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

// "10s", "1.5s", "5m"; nullopt for anything else.
std::optional<base::Duration> ParseSpan(std::string_view text);

}  // namespace enclave::lab::drills
