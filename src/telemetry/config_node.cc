#include "telemetry/config_node.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <charconv>
#include <sstream>

#include "base/quote.h"

namespace enclave::telemetry {
namespace {

using base::ErrorKind;

// Leaves yaml-cpp's parser from within an event; caught in this file.
struct ConfigRefused {
  int line;
  std::string why;
};

class ConfigBuilder final : public YAML::EventHandler {
 public:
  ConfigNode Take() { return std::move(root_); }
  int documents() const { return documents_; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    // At stray text the parser reports empty documents for ever, without moving on.
    if (mark.pos == last_start_) throw ConfigRefused{mark.line, "unexpected text"};
    last_start_ = mark.pos;
    if (++documents_ > 1) throw ConfigRefused{mark.line, "expected one YAML document"};
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override {
    Finish({.line = mark.line + 1}, mark);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw ConfigRefused{mark.line, "aliases (*name) are not supported; write the value out"};
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                const std::string& value) override {
    const bool plain = tag.empty() || tag == "?";
    const bool null = plain && (value.empty() || value == "~" || value == "null");
    Finish({.kind = null ? ConfigNode::Kind::kNull : ConfigNode::Kind::kScalar,
            .quoted = !plain,
            .line = mark.line + 1,
            .text = value},
           mark);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    Push({.kind = ConfigNode::Kind::kList, .line = mark.line + 1}, mark);
  }
  void OnSequenceEnd() override { Pop(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    Push({.kind = ConfigNode::Kind::kMap, .line = mark.line + 1}, mark);
  }
  void OnMapEnd() override { Pop(); }

 private:
  struct Open {
    ConfigNode node;
    YAML::Mark mark;
    bool has_key = false;
    std::string key{};
  };

  void Push(ConfigNode node, const YAML::Mark& mark) {
    if (stack_.size() >= kMaxConfigDepth) throw ConfigRefused{mark.line, "nested too deeply"};
    if (!stack_.empty() && stack_.back().node.kind == ConfigNode::Kind::kMap &&
        !stack_.back().has_key) {
      throw ConfigRefused{mark.line, "a key must be a scalar"};
    }
    stack_.push_back({std::move(node), mark});
  }
  void Pop() {
    Open open = std::move(stack_.back());
    stack_.pop_back();
    Finish(std::move(open.node), open.mark);
  }
  void Finish(ConfigNode node, const YAML::Mark& mark) {
    if (stack_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& parent = stack_.back();
    if (parent.node.kind == ConfigNode::Kind::kMap) {
      if (!parent.has_key) {
        if (node.kind != ConfigNode::Kind::kScalar) {
          throw ConfigRefused{mark.line, "a key must be a scalar"};
        }
        if (node.text == "<<" && !node.quoted) {
          throw ConfigRefused{mark.line, "merges (<<) are not supported; write the values out"};
        }
        for (const ConfigNode& other : parent.node.children) {
          if (other.key == node.text) {
            throw ConfigRefused{mark.line,
                                fmt::format("the key {} stands twice", base::Quote(node.text))};
          }
        }
        parent.has_key = true;
        parent.key = std::move(node.text);
        return;
      }
      node.key = std::move(parent.key);
      parent.has_key = false;
    }
    parent.node.children.push_back(std::move(node));
  }

  std::vector<Open> stack_;
  ConfigNode root_;
  int documents_ = 0;
  int last_start_ = -1;
};

struct DurationUnit {
  std::string_view name;
  std::int64_t ms;
};
constexpr DurationUnit kDurationUnits[] = {
    {"y", 365LL * 24 * 3600 * 1000},
    {"w", 7LL * 24 * 3600 * 1000},
    {"d", 24LL * 3600 * 1000},
    {"h", 3600LL * 1000},
    {"m", 60LL * 1000},
    {"s", 1000},
    {"ms", 1},
};
constexpr std::int64_t kMaxDurationMs = 100LL * 365 * 24 * 3600 * 1000;

}  // namespace

base::Error ConfigError(std::string_view file, int line, std::string_view why) {
  return base::Error(ErrorKind::kInvalidArgument, fmt::format("{}:{}: {}", file, line, why));
}

base::Result<ConfigNode> ParseConfig(std::string_view text, std::string_view file) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if ((byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') || byte == 0x7f) {
      const auto line = std::ranges::count(text.substr(0, i), '\n') + 1;
      return base::Fail(ConfigError(file, static_cast<int>(line), "a control character"));
    }
  }
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    ConfigBuilder builder;
    while (parser.HandleNextDocument(builder)) {
    }
    return builder.Take();
  } catch (const ConfigRefused& refused) {
    return base::Fail(ConfigError(file, refused.line + 1, refused.why));
  } catch (const YAML::Exception& exception) {
    // Its message may quote the text, cut in the middle of a character.
    std::string why;
    for (const char c : exception.msg.substr(0, 256)) why += c >= ' ' && c < 127 ? c : '?';
    return base::Fail(ConfigError(file, exception.mark.line + 1, why));
  }
}

std::string Dump(const ConfigNode& node) {
  std::string text;
  if (!node.key.empty()) text = base::Quote(node.key) + ":";
  if (node.kind == ConfigNode::Kind::kScalar) return text + base::Quote(node.text);
  if (node.is_null()) return text + "null";
  const bool is_map = node.kind == ConfigNode::Kind::kMap;
  text += is_map ? '{' : '[';
  for (const ConfigNode& child : node.children) text += Dump(child) + ",";
  return text + (is_map ? '}' : ']');
}

ConfigReader::ConfigReader(const ConfigNode& map, std::string_view what, std::string_view file)
    : map_(map), what_(what), file_(file) {
  if (map.kind != ConfigNode::Kind::kMap && !map.is_null()) {
    Fail(map.line, fmt::format("{} must be a map", what_));
  }
}

void ConfigReader::Fail(int line, std::string_view why) {
  if (status_) status_ = std::unexpected(ConfigError(file_, line, why));
}

bool ConfigReader::Has(std::string_view key) const {
  return std::ranges::any_of(
      map_.children, [&](const ConfigNode& child) { return child.key == key && !child.is_null(); });
}

int ConfigReader::LineOf(std::string_view key) const {
  for (const ConfigNode& child : map_.children)
    if (child.key == key) return child.line;
  return map_.line;
}

void ConfigReader::Ignore(std::string_view key) {
  known_.emplace_back(key);
}

const ConfigNode* ConfigReader::Take(std::string_view key) {
  known_.emplace_back(key);
  if (!status_) return nullptr;
  for (const ConfigNode& child : map_.children)
    if (child.key == key && !child.is_null()) return &child;
  return nullptr;
}

const ConfigNode* ConfigReader::TakeScalar(std::string_view key) {
  const ConfigNode* node = Take(key);
  if (node != nullptr && node->kind != ConfigNode::Kind::kScalar) {
    Fail(node->line, fmt::format("{} must be a single value", key));
    return nullptr;
  }
  return node;
}

void ConfigReader::Text(std::string_view key, std::string* out) {
  if (const ConfigNode* node = TakeScalar(key)) *out = node->text;
}

void ConfigReader::Bool(std::string_view key, bool* out) {
  const ConfigNode* node = TakeScalar(key);
  if (node == nullptr) return;
  if (node->text == "true" || node->text == "false") {
    *out = node->text == "true";
  } else {
    Fail(node->line, fmt::format("{} must be true or false, not {}", key, base::Quote(node->text)));
  }
}

void ConfigReader::Unsigned(std::string_view key, std::uint64_t* out) {
  const ConfigNode* node = TakeScalar(key);
  if (node == nullptr) return;
  const std::string& text = node->text;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out);
  if (error != std::errc() || end != text.data() + text.size()) {
    Fail(node->line, fmt::format("{} must be a whole number, not {}", key, base::Quote(text)));
  }
}

void ConfigReader::Duration(std::string_view key, base::Duration* out) {
  const ConfigNode* node = TakeScalar(key);
  if (node == nullptr) return;
  if (const auto duration = ParseConfigDuration(node->text)) {
    *out = *duration;
  } else {
    Fail(node->line, fmt::format("{}: {}", key, duration.error().message()));
  }
}

void ConfigReader::Bytes(std::string_view key, std::uint64_t* out) {
  const ConfigNode* node = TakeScalar(key);
  if (node == nullptr) return;
  const std::string_view text = node->text;
  std::uint64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  static constexpr std::pair<std::string_view, int> kUnits[] = {
      {"", 0},     {"B", 0},   {"KB", 10},  {"KiB", 10}, {"MB", 20},
      {"MiB", 20}, {"GB", 30}, {"GiB", 30}, {"TB", 40},  {"TiB", 40}};
  const auto found = std::ranges::find(kUnits, unit, [](const auto& pair) { return pair.first; });
  if (error != std::errc() || found == std::end(kUnits) ||
      count > (UINT64_MAX >> static_cast<unsigned>(found->second))) {
    Fail(node->line,
         fmt::format("{} must be a size such as 512KB or 10MB, not {}", key, base::Quote(text)));
    return;
  }
  *out = count << static_cast<unsigned>(found->second);
}

void ConfigReader::Texts(std::string_view key, std::vector<std::string>* out) {
  Each(key, [&, first = true](const ConfigNode& node) mutable -> base::Result<> {
    if (std::exchange(first, false)) out->clear();
    if (node.kind != ConfigNode::Kind::kScalar) {
      return base::Fail(ConfigError(file_, node.line, fmt::format("{} is a list of texts", key)));
    }
    out->push_back(node.text);
    return {};
  });
}

void ConfigReader::TextMap(std::string_view key, std::map<std::string, std::string>* out) {
  const ConfigNode* node = Take(key);
  if (node == nullptr) return;
  if (node->kind != ConfigNode::Kind::kMap) {
    Fail(node->line, fmt::format("{} must be a map of texts", key));
    return;
  }
  out->clear();
  for (const ConfigNode& child : node->children) {
    if (child.kind != ConfigNode::Kind::kScalar && !child.is_null()) {
      Fail(child.line, fmt::format("{}: {} must be a text", key, base::Quote(child.key)));
      return;
    }
    out->emplace(child.key, child.is_null() ? std::string() : child.text);
  }
}

void ConfigReader::Each(std::string_view key,
                        const std::function<base::Result<>(const ConfigNode&)>& read) {
  const ConfigNode* node = Take(key);
  if (node == nullptr) return;
  if (node->kind != ConfigNode::Kind::kList) {
    Fail(node->line, fmt::format("{} must be a list", key));
    return;
  }
  for (const ConfigNode& child : node->children) {
    if (!status_) return;
    status_ = read(child);
  }
}

void ConfigReader::Value(std::string_view key,
                         const std::function<base::Result<>(const ConfigNode&)>& read) {
  if (const ConfigNode* node = Take(key)) status_ = read(*node);
}

base::Result<> ConfigReader::Finish() {
  for (const ConfigNode& child : map_.children) {
    if (std::ranges::find(known_, child.key) == known_.end()) {
      std::ranges::sort(known_);
      Fail(child.line, fmt::format("{} of {} is not supported; supported are {}",
                                   base::Quote(child.key), what_, fmt::join(known_, ", ")));
    }
  }
  return status_;
}

base::Result<base::Duration> ParseConfigDuration(std::string_view text) {
  const auto refuse = [&] {
    return base::Fail(ErrorKind::kInvalidArgument,
                      fmt::format("{} is not a duration such as 15s or 1h30m", base::Quote(text)));
  };
  if (text == "0") return base::Duration::zero();
  std::string_view rest = text;
  std::int64_t total_ms = 0;
  std::size_t next_unit = 0;
  if (rest.empty()) return refuse();
  while (!rest.empty()) {
    std::int64_t count = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), count);
    if (error != std::errc() || count < 0 || rest.front() == '-') return refuse();
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    const std::size_t letters =
        std::min(rest.find_first_not_of("abcdefghijklmnopqrstuvwxyz"), rest.size());
    const std::string_view unit = rest.substr(0, letters);
    rest.remove_prefix(letters);
    while (next_unit < std::size(kDurationUnits) && kDurationUnits[next_unit].name != unit) {
      ++next_unit;
    }
    if (next_unit == std::size(kDurationUnits)) return refuse();
    const std::int64_t unit_ms = kDurationUnits[next_unit++].ms;
    if (count > (kMaxDurationMs - total_ms) / unit_ms) return refuse();
    total_ms += count * unit_ms;
  }
  return std::chrono::milliseconds(total_ms);
}

std::string FormatConfigDuration(base::Duration duration) {
  std::int64_t ms = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  if (ms == 0) return "0s";
  std::string text;
  for (const DurationUnit& unit : kDurationUnits) {
    // As Prometheus: years and weeks only where they leave no rest.
    if ((unit.name == "y" || unit.name == "w") && ms % unit.ms != 0) continue;
    if (ms / unit.ms == 0) continue;
    text += fmt::format("{}{}", ms / unit.ms, unit.name);
    ms %= unit.ms;
  }
  return text;
}

}  // namespace enclave::telemetry
