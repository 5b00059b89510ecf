#include "observatory/scrape/relabel.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/check.h"
#include "base/quote.h"
#include "observatory/scrape/exposition_text.h"

namespace enclave::observatory::scrape {
namespace {

using Action = RelabelRule::Action;

constexpr std::pair<std::string_view, Action> kActions[] = {
    {"replace", Action::kReplace},     {"keep", Action::kKeep},
    {"drop", Action::kDrop},           {"keepequal", Action::kKeepEqual},
    {"dropequal", Action::kDropEqual}, {"hashmod", Action::kHashMod},
    {"labelmap", Action::kLabelMap},   {"labeldrop", Action::kLabelDrop},
    {"labelkeep", Action::kLabelKeep}, {"lowercase", Action::kLowercase},
    {"uppercase", Action::kUppercase},
};
constexpr int kMostGroups = 32;

using Groups = std::array<re2::StringPiece, kMostGroups>;

// Whether `text` matches as a whole; `groups` are its parts.
bool MatchWhole(const RelabelRule& rule, std::string_view text, Groups& groups) {
  if (rule.regex == nullptr) {
    groups[0] = groups[1] = re2::StringPiece(text.data(), text.size());
    return true;
  }
  const int count = std::min(rule.regex->NumberOfCapturingGroups() + 1, kMostGroups);
  return rule.regex->Match(re2::StringPiece(text.data(), text.size()), 0, text.size(),
                           re2::RE2::ANCHOR_BOTH, groups.data(), count);
}

// $1, ${1}, ${name} and $$ in `pattern`, as Go's regexp.Expand takes them: a name is as long as it
// can be, and one that is no group is empty.
std::string Expand(const RelabelRule& rule, std::string_view pattern, const Groups& groups) {
  std::string result;
  while (!pattern.empty()) {
    const std::size_t dollar = pattern.find('$');
    result += pattern.substr(0, dollar);
    if (dollar == std::string_view::npos) break;
    pattern.remove_prefix(dollar + 1);
    if (pattern.starts_with('$')) {
      result += '$';
      pattern.remove_prefix(1);
      continue;
    }
    const bool braced = pattern.starts_with('{');
    std::string_view rest = pattern.substr(braced ? 1 : 0);
    std::size_t length = 0;
    while (length < rest.size() &&
           (std::isalnum(static_cast<unsigned char>(rest[length])) != 0 || rest[length] == '_')) {
      ++length;
    }
    const std::string name(rest.substr(0, length));
    rest.remove_prefix(length);
    if (name.empty() || (braced && !rest.starts_with('}'))) {
      result += '$';  // no reference: as it stands
      continue;
    }
    pattern = rest.substr(braced ? 1 : 0);
    int group = -1;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), group);
    if (error != std::errc() || end != name.data() + name.size()) {
      group = -1;
      if (rule.regex != nullptr) {
        const auto& names = rule.regex->NamedCapturingGroups();
        if (const auto found = names.find(name); found != names.end()) group = found->second;
      }
    }
    if (group >= 0 && group < kMostGroups && groups[static_cast<std::size_t>(group)].data()) {
      const re2::StringPiece& piece = groups[static_cast<std::size_t>(group)];
      result.append(piece.data(), piece.size());
    }
  }
  return result;
}

// The low half of MD5, as Prometheus' hashmod has it.
std::uint64_t Md5Low(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  CHECK(EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_md5(), nullptr) == 1 &&
            size == 16,
        "MD5 needs nothing that could fail");
  std::uint64_t low = 0;
  for (std::size_t i = 8; i < 16; ++i) low = low << 8 | digest[i];
  return low;
}

std::string Cased(std::string_view text, bool upper) {
  std::string result(text);
  for (char& c : result) {
    if (upper && c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    if (!upper && c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

// False: dropped.
bool ApplyRule(const RelabelRule& rule, telemetry::Labels& labels) {
  std::string value;
  for (std::size_t i = 0; i < rule.source_labels.size(); ++i) {
    if (i > 0) value += rule.separator;
    value += labels.Get(rule.source_labels[i]);
  }
  Groups groups{};
  switch (rule.action) {
    case Action::kKeep:
      return MatchWhole(rule, value, groups);
    case Action::kDrop:
      return !MatchWhole(rule, value, groups);
    case Action::kKeepEqual:
      return labels.Get(rule.target_label) == value;
    case Action::kDropEqual:
      return labels.Get(rule.target_label) != value;
    case Action::kReplace: {
      if (!MatchWhole(rule, value, groups)) return true;
      const std::string target = Expand(rule, rule.target_label, groups);
      if (target.empty() || !IsUtf8(target)) return true;
      labels.Set(target, Expand(rule, rule.replacement, groups));
      return true;
    }
    case Action::kLowercase:
    case Action::kUppercase:
      labels.Set(rule.target_label, Cased(value, rule.action == Action::kUppercase));
      return true;
    case Action::kHashMod:
      labels.Set(rule.target_label, std::to_string(Md5Low(value) % rule.modulus));
      return true;
    case Action::kLabelMap: {
      const telemetry::Labels before = labels;
      for (const telemetry::Label& label : before) {
        if (MatchWhole(rule, label.name, groups)) {
          const std::string name = Expand(rule, rule.replacement, groups);
          if (!name.empty()) labels.Set(name, label.value);
        }
      }
      return true;
    }
    case Action::kLabelDrop:
    case Action::kLabelKeep: {
      const telemetry::Labels before = labels;
      const bool drop = rule.action == Action::kLabelDrop;
      for (const telemetry::Label& label : before) {
        if (MatchWhole(rule, label.name, groups) == drop) labels.Remove(label.name);
      }
      return true;
    }
  }
  return true;
}

}  // namespace

base::Result<RelabelRule> ReadRelabelRule(const telemetry::ConfigNode& node,
                                          std::string_view file) {
  RelabelRule rule;
  std::string action = "replace";
  std::string regex;
  telemetry::ConfigReader reader(node, "a relabel config", file);
  reader.Texts("source_labels", &rule.source_labels);
  reader.Text("separator", &rule.separator);
  reader.Text("regex", &regex);
  reader.Unsigned("modulus", &rule.modulus);
  reader.Text("target_label", &rule.target_label);
  reader.Text("replacement", &rule.replacement);
  reader.Text("action", &action);
  RETURN_IF_ERROR(reader.Finish());
  const std::string lower = Cased(action, false);
  const auto found =
      std::ranges::find(kActions, lower, [](const auto& pair) { return pair.first; });
  if (found == std::end(kActions)) {
    return base::Fail(telemetry::ConfigError(
        file, reader.LineOf("action"), fmt::format("unknown action {}", base::Quote(action))));
  }
  rule.action = found->second;
  const bool needs_target = rule.action == Action::kReplace || rule.action == Action::kHashMod ||
                            rule.action == Action::kLowercase ||
                            rule.action == Action::kUppercase ||
                            rule.action == Action::kKeepEqual || rule.action == Action::kDropEqual;
  if (needs_target && rule.target_label.empty()) {
    return base::Fail(telemetry::ConfigError(
        file, node.line, fmt::format("the action {} needs a target_label", lower)));
  }
  if (rule.action == Action::kHashMod && rule.modulus == 0) {
    return base::Fail(
        telemetry::ConfigError(file, node.line, "the action hashmod needs a modulus above 0"));
  }
  if (reader.Has("regex") && regex != "(.*)") {
    re2::RE2::Options options;
    options.set_log_errors(false);
    options.set_dot_nl(true);
    auto compiled = std::make_shared<const re2::RE2>(regex, options);
    if (!compiled->ok()) {
      return base::Fail(
          telemetry::ConfigError(file, reader.LineOf("regex"),
                                 fmt::format("the regular expression {} is not valid: {}",
                                             base::Quote(regex), compiled->error())));
    }
    rule.regex = std::move(compiled);
  }
  return rule;
}

bool Relabel(const std::vector<RelabelRule>& rules, telemetry::Labels& labels) {
  return std::ranges::all_of(rules,
                             [&](const RelabelRule& rule) { return ApplyRule(rule, labels); });
}

}  // namespace enclave::observatory::scrape
