// Rule files in Prometheus' format (prometheus.io, "Defining recording rules", "Alerting rules"),
// read strictly: an unknown key, an expression that does not parse, a template with a function
// nobody knows are errors with file and line, when the file is loaded.
//
// Values; any thread.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/executor.h"
#include "base/result.h"
#include "observatory/rules/rule_engine.h"
#include "observatory/text/template.h"

namespace enclave::observatory::rules {

struct Rule {
  enum class Kind : std::uint8_t { kRecording, kAlerting };
  Kind kind = Kind::kRecording;
  std::string name{};  // of the recorded series, or of the alert
  std::string expression{};
  std::map<std::string, text::Template> labels{};  // those of the group among them
  std::map<std::string, text::Template> annotations{};
  base::Duration hold{};         // "for"
  base::Duration keep_firing{};  // "keep_firing_for"
  int line = 0;

  // Equal for rules whose state can go on over a reload.
  std::string Key() const;
};

struct RuleGroup {
  std::string file;
  std::string name;
  base::Duration interval{};
  base::Duration query_offset{};
  std::uint64_t limit = 0;  // series or alerts of one rule; 0: none
  std::vector<Rule> rules{};

  std::string Key() const { return file + ";" + name; }
  // Equal for groups that are the same in everything.
  std::string Fingerprint() const;
};

struct RuleDefaults {
  base::Duration interval = std::chrono::minutes(1);  // evaluation_interval
  base::Duration query_offset{};
};

base::Result<std::vector<RuleGroup>> ParseRuleFile(std::string_view text, std::string_view file,
                                                   RuleEngine& engine,
                                                   const RuleDefaults& defaults = {});

// All files that the patterns name (* and ? in any part of a path), each once, by name. A pattern
// without any of these must name a file that is there.
base::Result<std::vector<RuleGroup>> LoadRuleFiles(const std::vector<std::string>& patterns,
                                                   RuleEngine& engine,
                                                   const RuleDefaults& defaults = {});

}  // namespace enclave::observatory::rules
