// Follows the agent from outside, over its console's HTTP alone: what it knew, when, and what it
// did.
//
// One thread.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/executor.h"
#include "lab/drills/drill.h"
#include "lab/drills/world.h"

namespace enclave::lab::drills {

struct SeenCause {
  std::string service{};
  std::string kind{};
  double confidence = 0;
  std::string sentence{};
  std::vector<std::string> evidence{};  // sentences, strongest first
  std::string component{};
  base::WallTime seen{};  // by the drill
  bool operator==(const SeenCause& other) const {
    return service == other.service && kind == other.kind;
  }
};

struct SeenAction {
  std::string id{};
  std::string kind{};  // "rollback_revision"
  std::string ns{};
  std::string workload{};
  std::string reason{};
  std::string service{};  // of the hypothesis it is for
  std::string cause{};
  std::string verdict{};  // "" until there is one
  std::string seen{};     // at the verdict
  std::string error{};
  bool stands = false;
  std::optional<base::WallTime> started{};
  std::optional<base::WallTime> done{};
  std::optional<base::WallTime> undone{};
};

struct SeenEvent {
  std::uint64_t sequence = 0;
  base::WallTime time{};
  std::string kind{};
  std::string sentence{};
};

struct SeenIncident {
  std::string id{};
  std::string stage{};
  std::string outcome{};
  std::string why{};
  std::string trace{};
  std::string report{};
  base::WallTime opened{};
  std::optional<base::WallTime> closed{};
  std::vector<SeenCause> causes{};  // the first hypotheses it had, in order, without repetition
  std::vector<SeenAction> actions{};
  std::vector<SeenEvent> events{};

  bool open() const { return outcome.empty(); }
  // When the first event of this kind came.
  std::optional<base::WallTime> At(std::string_view event) const;
};

class AgentWatch {
 public:
  // Takes what is there already as known and none of the drill's.
  base::Result<> Begin(const World& world);
  // Reads what is new; gives the events that came, oldest first.
  base::Result<std::vector<SeenEvent>> Poll(const World& world);

  // Of the drill, by the time they were opened.
  const std::vector<SeenIncident>& incidents() const { return incidents_; }
  bool AllOver() const;
  // The incidents that are open, whosever they are.
  static base::Result<std::vector<std::string>> Open(const World& world);

 private:
  void Update(const Json& json, base::WallTime now, std::vector<SeenEvent>* news);

  std::set<std::string> before_;
  std::vector<SeenIncident> incidents_;
};

}  // namespace enclave::lab::drills
