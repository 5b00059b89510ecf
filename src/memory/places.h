// Where the services of an incident stand towards its symptom, and which of them only suffer.
//
// A value, made from a context; any thread.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "incident/context.h"

namespace enclave::memory {

// Scores are counted in floors of a unit: 1 is barely anything, and past a hundred more says
// nothing.
inline double Strength(double score) {
  return std::log1p(std::min(std::abs(score), 100.0));
}

// Where services stand towards the symptom, and which of them only suffer.
class Places {
 public:
  explicit Places(const incident::Context& context) {
    for (const incident::Call& call : context.topology) {
      if (call.caller == call.callee) continue;
      callees_[call.caller].insert(call.callee);
      called_.insert(call.callee);
    }
    // How loud each service is by itself: what is not mere latency, errors or traffic of it.
    for (const auto& shift : context.operations) Raise(shift.service, Strength(shift.score));
    for (const auto& shift : context.series) Raise(shift.service, Strength(shift.score));
    symptom_ = context.alert.service;
    if (!symptom_.empty()) {
      std::vector<std::string> level{symptom_};
      depth_[symptom_] = 0;
      for (int depth = 1; !level.empty(); ++depth) {
        std::vector<std::string> next;
        for (const std::string& service : level)
          for (const std::string& callee : CalleesOf(service))
            if (depth_.emplace(callee, depth).second) next.push_back(callee);
        level = std::move(next);
      }
    }
  }

  std::string_view Of(const std::string& service) const {
    if (const auto found = depth_.find(service); found != depth_.end()) {
      if (found->second == 0) return "the symptom";
      return found->second == 1 ? "a callee" : "a service below";
    }
    const bool calls = callees_.contains(service);
    if (!calls) return called_.contains(service) ? "a leaf" : "a lone service";
    return called_.contains(service) ? "a middle" : "an entry";
  }

  // 1, or less for what a callee shows at least as loudly: a consequence.
  double Cause(const std::string& service, double strength) const {
    constexpr double kConsequence = 0.35;
    for (const std::string& callee : CalleesOf(service)) {
      const auto loud = loudness_.find(callee);
      if (loud != loudness_.end() && loud->second >= 0.8 * strength) return kConsequence;
    }
    return 1;
  }

 private:
  void Raise(const std::string& service, double strength) {
    double& loudness = loudness_[service];
    loudness = std::max(loudness, strength);
  }
  const std::set<std::string>& CalleesOf(const std::string& service) const {
    static const std::set<std::string> none;
    const auto found = callees_.find(service);
    return found == callees_.end() ? none : found->second;
  }

  std::string symptom_;
  std::map<std::string, std::set<std::string>> callees_;
  std::set<std::string> called_;
  std::map<std::string, int> depth_;
  std::map<std::string, double> loudness_;
};

}  // namespace enclave::memory
