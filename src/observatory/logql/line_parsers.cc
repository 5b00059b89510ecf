#include "observatory/logql/line_parsers.h"

#include <re2/re2.h>
#include <nlohmann/json.hpp>

#include <charconv>

namespace enclave::observatory::logql {
namespace {

using nlohmann::json;

constexpr std::size_t kMostJsonDepth = 64;

// Values as they come, with the keys that lead to them.
class Flattener final : public nlohmann::json_sax<json> {
 public:
  explicit Flattener(const FoundLabel& found) : found_(found) {}
  std::string& error() { return error_; }

  bool null() override { return true; }
  bool boolean(bool value) override { return Found(value ? "true" : "false"); }
  bool number_integer(number_integer_t value) override { return Found(std::to_string(value)); }
  bool number_unsigned(number_unsigned_t value) override { return Found(std::to_string(value)); }
  bool number_float(number_float_t, const string_t& text) override { return Found(text); }
  bool string(string_t& value) override { return Found(value); }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return Open(true); }
  bool key(string_t& key) override {
    path_.resize(prefix_.empty() ? 0 : prefix_.back());
    if (!path_.empty()) path_ += '_';
    path_ += key;
    return true;
  }
  bool end_object() override { return Close(); }
  bool start_array(std::size_t) override { return Open(false); }
  bool end_array() override { return Close(); }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    error_ = "not JSON, at byte " + std::to_string(position);
    return false;
  }

 private:
  bool Found(const std::string& value) {
    if (prefix_.empty()) {
      error_ = "not a JSON object";
      return false;
    }
    if (arrays_ == 0) found_(LabelName(path_), value);
    return true;
  }
  bool Open(bool object) {
    if ((prefix_.empty() && !object) || prefix_.size() >= kMostJsonDepth) {
      error_ = prefix_.empty() ? "not a JSON object" : "JSON that is nested too deeply";
      return false;
    }
    // What is in an array has no name.
    if (!object || arrays_ > 0) ++arrays_;
    prefix_.push_back(path_.size());
    return true;
  }
  bool Close() {
    if (arrays_ > 0) --arrays_;
    path_.resize(prefix_.back());
    prefix_.pop_back();
    return true;
  }

  const FoundLabel& found_;
  std::string path_;
  std::vector<std::size_t> prefix_;  // lengths of path_ at the open brackets
  std::size_t arrays_ = 0;           // open ones, and what is open in them
  std::string error_;
};

bool IsSpace(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

// A text in quotes from `at` on, which is moved behind it; false when it does not end.
bool ReadQuoted(std::string_view line, std::size_t& at, std::string& value) {
  for (++at; at < line.size(); ++at) {
    char c = line[at];
    if (c == '"') {
      ++at;
      return true;
    }
    if (c == '\\' && at + 1 < line.size()) {
      c = line[++at];
      if (c == 'n') c = '\n';
      if (c == 't') c = '\t';
      if (c == 'r') c = '\r';
    }
    value += c;
  }
  return false;
}

}  // namespace

std::string LabelName(std::string_view text) {
  std::string name;
  if (!text.empty() && text[0] >= '0' && text[0] <= '9') name += '_';
  for (const char c : text) {
    const bool fits =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    name += fits ? c : '_';
  }
  return name;
}

bool ParseJsonPath(std::string_view text, JsonPath& path) {
  while (!text.empty()) {
    if (text.starts_with("[\"")) {
      const std::size_t end = text.find("\"]", 2);
      if (end == std::string_view::npos) return false;
      path.emplace_back(std::string(text.substr(2, end - 2)));
      text.remove_prefix(end + 2);
    } else if (text.starts_with('[')) {
      const std::size_t end = text.find(']');
      std::size_t index = 0;
      if (end == std::string_view::npos) return false;
      const auto [at, error] = std::from_chars(text.data() + 1, text.data() + end, index);
      if (error != std::errc() || at != text.data() + end) return false;
      path.emplace_back(index);
      text.remove_prefix(end + 1);
    } else {
      if (text.starts_with('.') && !path.empty()) text.remove_prefix(1);
      const std::size_t end = std::min(text.find_first_of(".[]\""), text.size());
      if (end == 0) return false;
      path.emplace_back(std::string(text.substr(0, end)));
      text.remove_prefix(end);
    }
  }
  return !path.empty();
}

std::string FlattenJson(std::string_view line, const FoundLabel& found) {
  Flattener flattener(found);
  const bool read = json::sax_parse(line, &flattener);
  if (!read && flattener.error().empty()) return "not JSON";
  return flattener.error();
}

std::string PickJson(std::string_view line, const std::vector<LineParser::Wanted>& wanted,
                     const FoundLabel& found) {
  const auto deep = [](int depth, json::parse_event_t, json&) {
    return depth <= static_cast<int>(kMostJsonDepth);
  };
  const json document = json::parse(line, deep, false);
  if (document.is_discarded() || !document.is_object()) return "not a JSON object";
  for (const LineParser::Wanted& one : wanted) {
    const json* at = &document;
    for (const auto& step : one.path) {
      if (at == nullptr) break;
      if (const auto* key = std::get_if<std::string>(&step)) {
        const auto member = at->is_object() ? at->find(*key) : at->end();
        at = at->is_object() && member != at->end() ? &*member : nullptr;
      } else {
        const std::size_t index = std::get<std::size_t>(step);
        at = at->is_array() && index < at->size() ? &(*at)[index] : nullptr;
      }
    }
    if (at == nullptr || at->is_null()) {
      found(one.label, "");
    } else if (at->is_string()) {
      found(one.label, at->get_ref<const std::string&>());
    } else {
      found(one.label, at->dump(-1, ' ', false, json::error_handler_t::replace));
    }
  }
  return "";
}

std::string ReadLogfmt(std::string_view line, bool strict, const FoundLabel& found) {
  std::string error;
  std::size_t at = 0;
  const auto wrong = [&](std::string_view what) {
    if (strict && error.empty()) error = std::string(what) + " at byte " + std::to_string(at);
    return strict;
  };
  while (true) {
    while (at < line.size() && IsSpace(line[at])) ++at;
    if (at >= line.size()) return error;
    const std::size_t start = at;
    while (at < line.size() && !IsSpace(line[at]) && line[at] != '=' && line[at] != '"') ++at;
    const std::string_view key = line.substr(start, at - start);
    if (key.empty() || (at < line.size() && line[at] == '"')) {
      if (wrong("a key was expected")) return error;
      while (at < line.size() && !IsSpace(line[at])) ++at;
      continue;
    }
    std::string value;
    if (at < line.size() && line[at] == '=') {
      ++at;
      if (at < line.size() && line[at] == '"') {
        if (!ReadQuoted(line, at, value) && wrong("a text has no closing quote")) return error;
      } else {
        const std::size_t from = at;
        while (at < line.size() && !IsSpace(line[at])) ++at;
        value = line.substr(from, at - from);
        if (value.contains('"') && wrong("a quote in a value")) return error;
      }
    }
    found(LabelName(key), value);
  }
}

void MatchRegexp(std::string_view line, const re2::RE2& regex, const FoundLabel& found) {
  const int groups = regex.NumberOfCapturingGroups() + 1;
  std::vector<re2::StringPiece> parts(static_cast<std::size_t>(groups));
  const re2::StringPiece text(line.data(), line.size());
  if (!regex.Match(text, 0, line.size(), re2::RE2::UNANCHORED, parts.data(), groups)) return;
  for (const auto& [number, name] : regex.CapturingGroupNames()) {
    const re2::StringPiece& part = parts[static_cast<std::size_t>(number)];
    found(LabelName(name), std::string_view(part.data(), part.size()));
  }
}

std::string ParsePattern(std::string_view text, std::vector<PatternPart>& parts) {
  const auto is_name = [](std::string_view name) {
    return !name.empty() && !(name[0] >= '0' && name[0] <= '9') && LabelName(name) == name;
  };
  bool named = false;
  while (!text.empty()) {
    const std::size_t close = text[0] == '<' ? text.find('>') : std::string_view::npos;
    if (close != std::string_view::npos && is_name(text.substr(1, close - 1))) {
      if (!parts.empty() && parts.back().capture)
        return "two captures stand side by side, with no text between them";
      std::string name(text.substr(1, close - 1));
      if (name == "_") name.clear();
      named |= !name.empty();
      parts.push_back({.capture = true, .text = std::move(name)});
      text.remove_prefix(close + 1);
      continue;
    }
    if (parts.empty() || parts.back().capture) parts.emplace_back();
    parts.back().text += text[0];
    text.remove_prefix(1);
  }
  return named ? "" : "it has no named capture, like <method>";
}

void MatchPattern(std::string_view line, const std::vector<PatternPart>& parts,
                  const FoundLabel& found) {
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (!parts[i].capture) {
      if (!line.starts_with(parts[i].text)) return;  // only the first may be elsewhere
      line.remove_prefix(parts[i].text.size());
      continue;
    }
    const std::size_t end = i + 1 < parts.size() ? line.find(parts[i + 1].text) : line.size();
    const std::string_view value = line.substr(0, end);
    if (!parts[i].text.empty()) found(parts[i].text, value);
    line.remove_prefix(value.size());
  }
}

}  // namespace enclave::observatory::logql
