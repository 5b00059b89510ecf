// A pack: a directory with files of telemetry and a cases.json that says which of them belong to
// which incident, and, apart from that, what the cause was.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "bench/rca/loaded_case.h"

namespace enclave::bench::rca {

// What of a case's entry is no label: which files, when the alert came, what is known to be normal.
struct CaseEntry {
  std::string id{};
  std::string date{};  // YYYY-MM-DD; empty when the files say their times themselves
  std::int64_t alert_time_ns = 0;
  std::string alert_service{};  // the node whose objective broke
  std::string alert_name{};     // latency, availability
  std::string metric_dir{};
  std::vector<std::string> metric{};
  std::vector<std::string> trace{};
  std::vector<std::string> log{};
  std::vector<std::string> traceid{};  // read for their names alone, which say the minutes
  std::string graph{};
  std::string normal_metric{};
  std::string normal_trace{};
  std::string normal_log{};
  std::vector<std::string> missing{};
};

// The labels, for scoring and nobody else.
struct Truth {
  std::string service{};
  std::string fault_type{};
  std::string fault_kind{};
  std::vector<std::string> inner{};  // any of these names it
};

struct Pack {
  std::string name{};  // the dataset's
  std::string directory{};
  std::vector<CaseEntry> cases{};
  // Whether the labels name what was seen (latency, availability), not what was wrong.
  bool labels_are_symptoms = false;
  std::map<std::string, Truth> truths{};                         // by case
  std::map<std::string, std::vector<std::string>> candidates{};  // by case, for chance levels
};

// `cases_file` may be empty: cases.json of the directory. kInvalidArgument names file and case.
base::Result<Pack> ReadPack(const std::string& directory, const std::string& cases_file = "");
base::Result<Pack> ParsePack(std::string_view json, const std::string& directory,
                             std::string_view file);
// The directories at or below `directory` that are packs of incidents, sorted.
std::vector<std::string> FindPacks(const std::string& directory);

// Reads and translates a case. Which format it is follows from which files it names.
base::Result<LoadedCase> LoadCase(const std::string& directory, const CaseEntry& entry);

}  // namespace enclave::bench::rca
