// Alerts of one cause are one incident: which incident an alert belongs to, by cause (the alert
// itself), by time, and by topology (the services that call each other). Pure.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/policy.h"
#include "agent/record.h"
#include "incident/context.h"

namespace enclave::agent {

// Who calls whom, whichever way, as far as is known.
class Neighbourhood {
 public:
  explicit Neighbourhood(const std::vector<incident::Call>& calls = {});
  // At most `hops` calls apart; a service is next to itself.
  bool Near(std::string_view a, std::string_view b, std::uint64_t hops) const;

 private:
  std::map<std::string, std::set<std::string, std::less<>>, std::less<>> next_;
};

// Why an alert belongs where it does.
struct Placing {
  enum class Kind : std::uint8_t {
    kOpen,    // an incident of its own
    kJoin,    // the incident `incident`, which is open
    kAbsorb,  // `incident`, which is over: it is late, or repeats what was dealt with
    kIgnore,  // it is over, or too much is open
  };
  Kind kind = Kind::kIgnore;
  std::string incident{};
  std::string why{};
};

// `records`: those that are open and those closed last, oldest first.
Placing Place(const AlertEvent& alert, const std::vector<const Record*>& records,
              const Neighbourhood& neighbourhood, const GroupingPolicy& policy,
              std::int64_t now_ns);

}  // namespace enclave::agent
