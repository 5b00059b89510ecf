// What is there, so that afterwards it can be told what was touched.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "lab/drills/drill.h"

namespace enclave::lab::drills {

struct Footprint {
  // "boutique/Deployment/cartservice" -> what changes with every write to it but its status's.
  std::map<std::string, std::string> objects{};
  // "boutique/Deployment/cartservice" -> uids of its pods.
  std::map<std::string, std::set<std::string>> pods{};
};

// Of the workloads, services and configuration of these namespaces, and of the nodes.
base::Result<Footprint> TakeFootprint(kube::Api& cluster, const std::vector<std::string>& spaces);

// What changed, appeared or went between the two, of what the drill leaves to be healthy, in
// sentences. `may_touch` is a drill's, in its namespace `ns`.
std::vector<std::string> Touched(const Footprint& before, const Footprint& after,
                                 const std::string& ns, const std::vector<std::string>& may_touch);

}  // namespace enclave::lab::drills
