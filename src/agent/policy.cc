#include "agent/policy.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <fstream>
#include <functional>
#include <iterator>
#include <utility>

#include "base/quote.h"
#include "telemetry/config_node.h"

namespace enclave::agent {

using base::ErrorKind;
using base::Fail;
using base::Quote;
using base::Result;
using telemetry::ConfigError;
using telemetry::ConfigNode;
using telemetry::ConfigReader;

namespace {

constexpr std::size_t kMostPolicyBytes = 1 << 20;
constexpr auto kLastCause = rca::CauseKind::kCertificate;

constexpr std::array<std::pair<incident::ChangeKind, std::string_view>, 6> kChanges = {{
    {incident::ChangeKind::kRollout, "rollout"},
    {incident::ChangeKind::kConfiguration, "configuration"},
    {incident::ChangeKind::kScale, "scale"},
    {incident::ChangeKind::kNetwork, "network"},
    {incident::ChangeKind::kDeletion, "deletion"},
    {incident::ChangeKind::kOther, "other"},
}};

// Reads the parts of one file; messages name its lines.
class Parser {
 public:
  explicit Parser(std::string_view file) : file_(file) {}

  Result<Policy> Read(const ConfigNode& root);

 private:
  using Reading = std::function<Result<>(const ConfigNode&)>;

  Result<> Actions(const ConfigNode& list, Policy* policy);
  Result<> Guardrail(const ConfigNode& map, GuardrailPolicy* out);
  Result<> Verify(const ConfigNode& map, VerifyPolicy* out);
  Result<> Grouping(const ConfigNode& map, GroupingPolicy* out);
  Result<Rule> ReadRule(const ConfigNode& map);
  Result<> When(const ConfigNode& map, Rule* rule);
  Result<Attempt> ReadAttempt(const ConfigNode& node);
  Result<> CheckAttempt(const ConfigNode& node, const Attempt& attempt);
  void Number(ConfigReader& reader, std::string_view key, double least, double most, double* out);
  static void Share(ConfigReader& reader, std::string_view key, double* out, Parser& parser) {
    parser.Number(reader, key, 0, 1, out);
  }
  Result<ActionKind> Kind(const ConfigNode& node, std::string_view name) const;
  std::unexpected<base::Error> Bad(int line, std::string_view why) const {
    return Fail(ConfigError(file_, line, why));
  }

  std::string_view file_;
};

// A list of texts, or one text.
std::vector<const ConfigNode*> Texts(const ConfigNode& node) {
  std::vector<const ConfigNode*> texts;
  if (node.kind == ConfigNode::Kind::kScalar) texts.push_back(&node);
  if (node.kind == ConfigNode::Kind::kList)
    for (const ConfigNode& child : node.children) texts.push_back(&child);
  return texts;
}

void Parser::Number(ConfigReader& reader, std::string_view key, double least, double most,
                    double* out) {
  if (!reader.Has(key)) return;
  std::string text;
  reader.Text(key, &text);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !(value >= least) ||
      !(value <= most)) {
    reader.Fail(reader.LineOf(key), fmt::format("{} is {}; write a number from {} to {}", key,
                                                Quote(text), least, most));
    return;
  }
  *out = value;
}

Result<ActionKind> Parser::Kind(const ConfigNode& node, std::string_view name) const {
  if (const auto kind = ActionKindFromString(name)) return *kind;
  std::string known;
  for (const ActionFacts& facts : AllActions())
    known += (known.empty() ? "" : ", ") + std::string(facts.name);
  return Bad(node.line, fmt::format("there is no action {}; write one of {}", Quote(name), known));
}

Result<> Parser::Actions(const ConfigNode& list, Policy* policy) {
  for (const ConfigNode* node : Texts(list)) {
    ASSIGN_OR_RETURN(const ActionKind kind, Kind(*node, node->text));
    policy->allowed.insert(kind);
  }
  policy->allowed.insert(ActionKind::kEscalate);
  return {};
}

Result<> Parser::Guardrail(const ConfigNode& map, GuardrailPolicy* out) {
  ConfigReader reader(map, "the guardrail", file_);
  Share(reader, "max_share_of_pods", &out->max_share_of_pods, *this);
  reader.Unsigned("max_at_once", &out->max_at_once);
  Share(reader, "min_available", &out->min_available, *this);
  reader.Duration("cooldown", &out->cooldown);
  reader.Unsigned("per_hour", &out->per_hour);
  reader.Unsigned("per_incident", &out->per_incident);
  Share(reader, "min_confidence", &out->min_confidence, *this);
  reader.Duration("patience", &out->patience);
  if (out->max_at_once == 0)
    reader.Fail(reader.LineOf("max_at_once"),
                "max_at_once is 0; to let people decide about every action write mode: human");
  return reader.Finish();
}

Result<> Parser::Verify(const ConfigNode& map, VerifyPolicy* out) {
  ConfigReader reader(map, "verify", file_);
  reader.Duration("settle", &out->settle);
  reader.Duration("every", &out->every);
  reader.Duration("hold", &out->hold);
  reader.Duration("window", &out->window);
  reader.Duration("harm", &out->harm);
  if (out->every < std::chrono::milliseconds(100))
    reader.Fail(reader.LineOf("every"), "every is too short; write 100ms or more");
  if (out->window < out->settle + out->hold)
    reader.Fail(reader.LineOf("window"),
                "the window is shorter than settle and hold together, so nothing could ever be "
                "verified; make it longer");
  return reader.Finish();
}

Result<> Parser::Grouping(const ConfigNode& map, GroupingPolicy* out) {
  ConfigReader reader(map, "grouping", file_);
  reader.Duration("window", &out->window);
  reader.Unsigned("hops", &out->hops);
  reader.Duration("linger", &out->linger);
  reader.Unsigned("max_open", &out->max_open);
  reader.Unsigned("max_alerts", &out->max_alerts);
  if (reader.Has("quiet")) {
    std::vector<std::string> quiet;
    reader.Texts("quiet", &quiet);
    out->quiet = {quiet.begin(), quiet.end()};
  }
  for (const auto& [key, value, most] :
       {std::tuple{"max_open", out->max_open, std::uint64_t{1000}},
        std::tuple{"max_alerts", out->max_alerts, std::uint64_t{10'000}}})
    if (value == 0 || value > most)
      reader.Fail(reader.LineOf(key), fmt::format("write a number from 1 to {}", most));
  return reader.Finish();
}

Result<> Parser::When(const ConfigNode& map, Rule* rule) {
  ConfigReader reader(map, "when", file_);
  reader.Value("cause", [&](const ConfigNode& node) -> Result<> {
    for (const ConfigNode* text : Texts(node)) {
      bool found = false;
      for (int i = 0; i <= static_cast<int>(kLastCause); ++i) {
        const auto kind = static_cast<rca::CauseKind>(i);
        if (rca::ToString(kind) != text->text) continue;
        rule->causes.insert(kind);
        found = true;
      }
      if (!found)
        return Bad(text->line, fmt::format("there is no kind of cause {}; docs/formats/policy.md "
                                           "lists them",
                                           Quote(text->text)));
    }
    return {};
  });
  reader.Value("changed", [&](const ConfigNode& node) -> Result<> {
    for (const ConfigNode* text : Texts(node)) {
      bool found = false;
      for (const auto& [kind, name] : kChanges) {
        if (name != text->text) continue;
        rule->changes.insert(kind);
        found = true;
      }
      if (!found)
        return Bad(text->line, fmt::format("there is no kind of change {}; write rollout, "
                                           "configuration, scale, network, deletion or other",
                                           Quote(text->text)));
    }
    return {};
  });
  reader.Value("reason", [&](const ConfigNode& node) -> Result<> {
    for (const ConfigNode* text : Texts(node)) rule->reasons.insert(text->text);
    return {};
  });
  reader.Duration("within", &rule->within);
  Share(reader, "min_confidence", &rule->min_confidence, *this);
  return reader.Finish();
}

Result<> Parser::CheckAttempt(const ConfigNode& node, const Attempt& attempt) {
  if (attempt.kind == ActionKind::kScale && attempt.most == 0)
    return Bad(node.line, "scale needs a bound; write max: and the most pods there may be");
  if (attempt.kind == ActionKind::kRaiseLimit && attempt.resource != "memory" &&
      attempt.resource != "cpu")
    return Bad(node.line, "raise_limit needs resource: memory or resource: cpu");
  if (attempt.kind == ActionKind::kRaiseLimit && attempt.resource == "memory" &&
      attempt.most_bytes == 0)
    return Bad(node.line, "raise_limit of memory needs a bound; write max_bytes: 512MiB");
  return {};
}

Result<Attempt> Parser::ReadAttempt(const ConfigNode& node) {
  Attempt attempt;
  if (node.kind == ConfigNode::Kind::kScalar) {
    ASSIGN_OR_RETURN(attempt.kind, Kind(node, node.text));
    RETURN_IF_ERROR(CheckAttempt(node, attempt));
    return attempt;
  }
  if (node.kind != ConfigNode::Kind::kMap)
    return Bad(node.line, "write an action's name, or action: and its settings");
  ConfigReader reader(node, "an action to try", file_);
  std::string name;
  std::string approval;
  reader.Text("action", &name);
  reader.Text("approval", &approval);
  Number(reader, "factor", 1, 10, &attempt.factor);
  reader.Unsigned("max", &attempt.most);
  reader.Bytes("max_bytes", &attempt.most_bytes);
  reader.Text("resource", &attempt.resource);
  if (!approval.empty() && approval != "required")
    reader.Fail(reader.LineOf("approval"),
                "approval can only be required; leave it out where the mode decides");
  RETURN_IF_ERROR(reader.Finish());
  ASSIGN_OR_RETURN(attempt.kind, Kind(node, name));
  attempt.needs_approval = !approval.empty();
  RETURN_IF_ERROR(CheckAttempt(node, attempt));
  return attempt;
}

Result<Rule> Parser::ReadRule(const ConfigNode& map) {
  Rule rule;
  ConfigReader reader(map, "a rule", file_);
  reader.Text("name", &rule.name);
  reader.Value("when", [&](const ConfigNode& node) { return When(node, &rule); });
  reader.Each("try", [&](const ConfigNode& node) -> Result<> {
    ASSIGN_OR_RETURN(Attempt attempt, ReadAttempt(node));
    rule.attempts.push_back(std::move(attempt));
    return {};
  });
  if (rule.name.empty()) reader.Fail(map.line, "a rule needs a name");
  if (rule.attempts.empty())
    reader.Fail(map.line, "a rule needs something to try; write at least escalate");
  RETURN_IF_ERROR(reader.Finish());
  return rule;
}

Result<Policy> Parser::Read(const ConfigNode& root) {
  Policy policy;
  ConfigReader reader(root, "a policy", file_);
  std::vector<std::string> namespaces;
  std::string mode = "autonomous";
  reader.Texts("namespaces", &namespaces);
  reader.Text("mode", &mode);
  reader.Value("actions", [&](const ConfigNode& node) { return Actions(node, &policy); });
  reader.Value("guardrail",
               [&](const ConfigNode& node) { return Guardrail(node, &policy.guardrail); });
  reader.Value("verify", [&](const ConfigNode& node) { return Verify(node, &policy.verify); });
  reader.Value("grouping",
               [&](const ConfigNode& node) { return Grouping(node, &policy.grouping); });
  reader.Value("objectives", [&](const ConfigNode& node) -> Result<> {
    ASSIGN_OR_RETURN(policy.objectives, ReadObjectivesPolicy(node, file_));
    return {};
  });
  reader.Duration("approval_timeout", &policy.approval_timeout);
  reader.Duration("notice", &policy.notice);
  reader.Duration("observe", &policy.observe);
  reader.Duration("evidence_timeout", &policy.evidence_timeout);
  reader.Unsigned("looks", &policy.looks);
  reader.Each("rules", [&](const ConfigNode& node) -> Result<> {
    ASSIGN_OR_RETURN(Rule rule, ReadRule(node));
    policy.rules.push_back(std::move(rule));
    return {};
  });
  if (const auto chosen = ModeFromString(mode))
    policy.mode = *chosen;
  else
    reader.Fail(reader.LineOf("mode"),
                fmt::format("there is no mode {}; write autonomous or human", Quote(mode)));
  policy.namespaces.insert(namespaces.begin(), namespaces.end());
  if (policy.namespaces.empty())
    reader.Fail(root.line, "no namespaces: write the ones in which the agent may act");
  if (policy.allowed.empty())
    reader.Fail(root.line, "no actions: write those the agent may take, at least escalate");
  if (policy.rules.empty()) reader.Fail(root.line, "no rules: write what to try for which cause");
  RETURN_IF_ERROR(reader.Finish());
  return policy;
}

}  // namespace

std::string_view ToString(Mode mode) {
  return mode == Mode::kAutonomous ? "autonomous" : "human";
}

std::optional<Mode> ModeFromString(std::string_view text) {
  if (text == "autonomous") return Mode::kAutonomous;
  if (text == "human") return Mode::kHuman;
  return std::nullopt;
}

std::string_view ToString(incident::ChangeKind kind) {
  for (const auto& [known, name] : kChanges)
    if (known == kind) return name;
  return "other";
}

Result<Policy> ParsePolicy(std::string_view text, std::string_view file) {
  ASSIGN_OR_RETURN(const ConfigNode root, telemetry::ParseConfig(text, file));
  if (root.kind != ConfigNode::Kind::kMap)
    return Fail(ConfigError(file, root.line == 0 ? 1 : root.line,
                            "a policy is a map; see docs/formats/policy.md"));
  return Parser(file).Read(root);
}

Result<Policy> LoadPolicy(const std::string& path) {
  std::ifstream file(path);
  std::string text;
  if (file.is_open()) text.assign(std::istreambuf_iterator<char>(file), {});
  if (!file.is_open() || file.bad())
    return Fail(ErrorKind::kNotFound,
                fmt::format("reading the policy {}: no such file; name one with --policy", path));
  if (text.size() > kMostPolicyBytes)
    return Fail(ErrorKind::kInvalidArgument,
                fmt::format("{}:1: a policy has at most {} bytes", path, kMostPolicyBytes));
  return ParsePolicy(text, path);
}

}  // namespace enclave::agent
