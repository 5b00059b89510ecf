// Relabelling: how Prometheus' configurations choose targets and series and shape their labels
// (prometheus.io, Configuration, relabel_config).
//
// Values; any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "telemetry/config_node.h"
#include "telemetry/labels.h"

namespace re2 {
class RE2;
}

namespace enclave::observatory::scrape {

struct RelabelRule {
  enum class Action : std::uint8_t {
    kReplace,
    kKeep,
    kDrop,
    kKeepEqual,
    kDropEqual,
    kHashMod,
    kLabelMap,
    kLabelDrop,
    kLabelKeep,
    kLowercase,
    kUppercase,
  };
  Action action = Action::kReplace;
  std::vector<std::string> source_labels{};
  std::string separator = ";";
  std::shared_ptr<const re2::RE2> regex{};  // anchored at both ends; null: everything, as group 1
  std::uint64_t modulus = 0;
  std::string target_label{};
  std::string replacement = "$1";
};

// One element of a relabel_configs list.
base::Result<RelabelRule> ReadRelabelRule(const telemetry::ConfigNode& node, std::string_view file);

// Applies the rules in order. False: what these labels name is dropped.
bool Relabel(const std::vector<RelabelRule>& rules, telemetry::Labels& labels);

}  // namespace enclave::observatory::scrape
