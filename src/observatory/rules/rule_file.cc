#include "observatory/rules/rule_file.h"

#include <fmt/format.h>
#include <glob.h>

#include <algorithm>
#include <fstream>
#include <set>

#include "base/quote.h"
#include "telemetry/config_node.h"

namespace enclave::observatory::rules {
namespace {

using telemetry::ConfigError;
using telemetry::ConfigNode;
using telemetry::ConfigReader;

constexpr std::size_t kMaxRuleFileBytes = 4 << 20;
constexpr std::size_t kMaxRuleFiles = 1000;

bool IsName(std::string_view text, bool colons) {
  return !text.empty() && !(text[0] >= '0' && text[0] <= '9') &&
         std::ranges::all_of(text, [colons](char c) {
           return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' ||
                  (colons && c == ':');
         });
}

class RuleReader {
 public:
  RuleReader(std::string_view file, RuleEngine& engine) : file_(file), engine_(engine) {}

  base::Result<Rule> Read(const ConfigNode& node,
                          const std::map<std::string, text::Template>& group_labels) const {
    Rule rule;
    rule.line = node.line;
    std::string record;
    std::string alert;
    ConfigReader reader(node, "a rule", file_);
    reader.Text("record", &record);
    reader.Text("alert", &alert);
    reader.Text("expr", &rule.expression);
    reader.Duration("for", &rule.hold);
    reader.Duration("keep_firing_for", &rule.keep_firing);
    rule.kind = alert.empty() ? Rule::Kind::kRecording : Rule::Kind::kAlerting;
    reader.Value("labels", [&](const ConfigNode& value) {
      return ReadTemplates(value, rule.kind == Rule::Kind::kAlerting, true, rule.labels);
    });
    reader.Value("annotations", [&](const ConfigNode& value) {
      return ReadTemplates(value, true, false, rule.annotations);
    });
    RETURN_IF_ERROR(reader.Finish());
    const auto refuse = [&](int line, std::string_view why) {
      return base::Fail(ConfigError(file_, line, why));
    };
    if (record.empty() == alert.empty()) {
      return refuse(node.line, "a rule has either record or alert");
    }
    rule.name = record.empty() ? alert : record;
    if (rule.expression.empty()) return refuse(node.line, "a rule needs an expr");
    if (const auto checked = engine_.Check(rule.expression); !checked) {
      return refuse(reader.LineOf("expr"), checked.error().message());
    }
    if (rule.kind == Rule::Kind::kRecording) {
      if (!rule.annotations.empty() || reader.Has("for") || reader.Has("keep_firing_for")) {
        return refuse(node.line, "for, keep_firing_for and annotations belong to alerts");
      }
      if (!IsName(rule.name, true)) {
        return refuse(reader.LineOf("record"),
                      fmt::format("{} is no metric name", base::Quote(rule.name)));
      }
    }
    for (const auto& [name, value] : group_labels) rule.labels.emplace(name, value);
    return rule;
  }

  // `expands`: texts are templates; else they are kept as they are.
  base::Result<> ReadTemplates(const ConfigNode& node, bool expands, bool is_label,
                               std::map<std::string, text::Template>& out) const {
    if (node.kind != ConfigNode::Kind::kMap) {
      return base::Fail(ConfigError(file_, node.line, fmt::format("{} must be a map", node.key)));
    }
    for (const ConfigNode& child : node.children) {
      if (child.kind != ConfigNode::Kind::kScalar && !child.is_null()) {
        return base::Fail(ConfigError(file_, child.line,
                                      fmt::format("{} must be a text", base::Quote(child.key))));
      }
      if (!IsName(child.key, false) || (is_label && child.key == telemetry::kMetricName)) {
        return base::Fail(ConfigError(
            file_, child.line,
            fmt::format("{} cannot be the name of a label or annotation", base::Quote(child.key))));
      }
      std::string text = child.is_null() ? std::string() : child.text;
      if (!expands) {
        // A recording rule's labels are literal: as one string of a template.
        text = "{{" + QuotedForTemplate(text) + "}}";
      }
      auto parsed = text::Template::Parse(text, text::Dialect::kAlert);
      if (!parsed) return base::Fail(ConfigError(file_, child.line, parsed.error().message()));
      out.emplace(child.key, std::move(*parsed));
    }
    return {};
  }

 private:
  static std::string QuotedForTemplate(std::string_view text) {
    std::string quoted = "\"";
    for (const char c : text) {
      if (c == '\n') {
        quoted += "\\n";
      } else if (c == '\t') {
        quoted += "\\t";
      } else if (c == '\r') {
        quoted += "\\r";
      } else {
        if (c == '"' || c == '\\') quoted += '\\';
        quoted += c;
      }
    }
    return quoted + "\"";
  }

  std::string_view file_;
  RuleEngine& engine_;
};

base::Result<RuleGroup> ReadGroup(const ConfigNode& node, std::string_view file, RuleEngine& engine,
                                  const RuleDefaults& defaults) {
  RuleGroup group;
  group.file = file;
  group.interval = defaults.interval;
  group.query_offset = defaults.query_offset;
  const RuleReader rules(file, engine);
  std::map<std::string, text::Template> labels;
  ConfigReader reader(node, "a rule group", file);
  reader.Text("name", &group.name);
  reader.Duration("interval", &group.interval);
  reader.Duration("query_offset", &group.query_offset);
  reader.Unsigned("limit", &group.limit);
  reader.Value("labels", [&](const ConfigNode& value) {
    return rules.ReadTemplates(value, false, true, labels);
  });
  reader.Each("rules", [&](const ConfigNode& value) -> base::Result<> {
    ASSIGN_OR_RETURN(Rule rule, rules.Read(value, labels));
    group.rules.push_back(std::move(rule));
    return {};
  });
  RETURN_IF_ERROR(reader.Finish());
  if (group.name.empty()) {
    return base::Fail(ConfigError(file, node.line, "a rule group needs a name"));
  }
  if (group.interval <= base::Duration::zero()) group.interval = defaults.interval;
  return group;
}

std::string Described(const std::map<std::string, text::Template>& templates) {
  std::string text;
  for (const auto& [name, value] : templates) {
    text += base::Quote(name) + base::Quote(value.text());
  }
  return text;
}

}  // namespace

std::string Rule::Key() const {
  return fmt::format("{} {} {}", static_cast<int>(kind), base::Quote(name), Described(labels));
}

std::string RuleGroup::Fingerprint() const {
  std::string text =
      fmt::format("{} {} {} {}", Key(), interval.count(), query_offset.count(), limit);
  for (const Rule& rule : rules) {
    text += fmt::format("\n{} {} {} {} {}", rule.Key(), base::Quote(rule.expression),
                        rule.hold.count(), rule.keep_firing.count(), Described(rule.annotations));
  }
  return text;
}

base::Result<std::vector<RuleGroup>> ParseRuleFile(std::string_view text, std::string_view file,
                                                   RuleEngine& engine,
                                                   const RuleDefaults& defaults) {
  ASSIGN_OR_RETURN(const ConfigNode root, telemetry::ParseConfig(text, file));
  std::vector<RuleGroup> groups;
  std::set<std::string> names;
  ConfigReader reader(root, "a rule file", file);
  reader.Each("groups", [&](const ConfigNode& node) -> base::Result<> {
    ASSIGN_OR_RETURN(RuleGroup group, ReadGroup(node, file, engine, defaults));
    if (!names.insert(group.name).second) {
      return base::Fail(ConfigError(
          file, node.line, fmt::format("the group {} stands twice", base::Quote(group.name))));
    }
    groups.push_back(std::move(group));
    return {};
  });
  RETURN_IF_ERROR(reader.Finish());
  return groups;
}

base::Result<std::vector<RuleGroup>> LoadRuleFiles(const std::vector<std::string>& patterns,
                                                   RuleEngine& engine,
                                                   const RuleDefaults& defaults) {
  std::set<std::string> files;
  for (const std::string& pattern : patterns) {
    glob_t found{};
    const int status = glob(pattern.c_str(), GLOB_NOSORT, nullptr, &found);
    for (std::size_t i = 0; status == 0 && i < found.gl_pathc; ++i) files.insert(found.gl_pathv[i]);
    globfree(&found);
    if (status == GLOB_NOMATCH && pattern.find_first_of("*?[") == std::string::npos) {
      return base::Fail(base::ErrorKind::kNotFound,
                        fmt::format("there is no rule file {}", base::Quote(pattern)));
    }
    if (status != 0 && status != GLOB_NOMATCH) {
      return base::Fail(base::ErrorKind::kUnavailable,
                        fmt::format("cannot look for rule files {}", base::Quote(pattern)));
    }
  }
  if (files.size() > kMaxRuleFiles) {
    return base::Fail(base::ErrorKind::kTooLarge,
                      fmt::format("more than {} rule files", kMaxRuleFiles));
  }
  std::vector<RuleGroup> groups;
  for (const std::string& path : files) {
    std::ifstream file(path, std::ios::binary);
    std::string text(kMaxRuleFileBytes + 1, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)));
    if (file.bad() || text.size() > kMaxRuleFileBytes) {
      return base::Fail(base::ErrorKind::kUnavailable,
                        fmt::format("cannot read the rule file {}, or it has more than {} bytes",
                                    base::Quote(path), kMaxRuleFileBytes));
    }
    ASSIGN_OR_RETURN(std::vector<RuleGroup> parsed, ParseRuleFile(text, path, engine, defaults));
    for (RuleGroup& group : parsed) groups.push_back(std::move(group));
  }
  return groups;
}

}  // namespace enclave::observatory::rules
