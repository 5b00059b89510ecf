// What users are promised, as the observatory sees it second by second.
//
// One thread.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/result.h"
#include "lab/drills/drill.h"
#include "lab/drills/world.h"

namespace enclave::lab::drills {

struct Reading {
  base::WallTime time{};
  std::map<std::string, double> values{};  // by objective
  std::vector<std::string> broken{};       // those that are not met
  std::vector<std::string> unknown{};      // judged ones without a value
  std::string error{};                     // the observatory did not answer

  bool known() const { return error.empty() && unknown.empty(); }
  bool well() const { return known() && broken.empty(); }
};

class SloWatch {
 public:
  explicit SloWatch(std::vector<Objective> objectives) : objectives_(std::move(objectives)) {}
  Reading Read(const World& world) const;
  // The alerts of users' objectives that page somebody now, as "ALERT of SERVICE": they go on for a
  // while when all is well again, and what breaks meanwhile is no news to who follows them.
  static base::Result<std::vector<std::string>> Paging(const World& world);
  const std::vector<Objective>& objectives() const { return objectives_; }

 private:
  const std::vector<Objective> objectives_;
};

// One query for the values of all, each with the label `objective`.
std::string QueryOf(const std::vector<Objective>& objectives);

}  // namespace enclave::lab::drills
