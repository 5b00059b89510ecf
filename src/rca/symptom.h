// From the users' symptom down the calls: who adds to it.
//
// Where metrics tell how each service served (traffic, latency, errors), a symptom can be accounted
// for: what a service's requests lost, less what those it calls lost, is its own doing. A
// refinement of the walk along anomalous nodes of MonitorRank (Kim et al., SIGMETRICS 2013) and of
// the traversals that followed it, with amounts in place of yes and no.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "incident/context.h"
#include "rca/call_graph.h"

namespace enclave::rca {

struct Account {
  std::uint32_t service = 0;
  incident::EvidenceId id{};
  bool of_errors = false;  // else of latency
  // It calls others, and of none is it measured how many requests fail: theirs look like its own.
  bool blind = false;
  double share = 0;     // of the symptom that is this service's own, 0 to 1
  double likeness = 0;  // of its course to the symptom's, -1 to 1
  double floors = 0;    // how far it moved, in floors of its unit
  double before = 0;    // milliseconds, or the share of errors
  double worst = 0;
};

// Of the services below `alert.service`, itself included. Empty when no such symptom is seen.
// The value at a time: of the nearest point no more than a minute, or half a step, away.
std::optional<double> ValueAt(const std::vector<incident::Point>& points, std::int64_t time_ns);

std::vector<Account> AccountFor(const incident::Context& context, const CallGraph& graph);

}  // namespace enclave::rca
