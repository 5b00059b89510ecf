// YAML to Json through yaml-cpp's events, so that memory stays in proportion to the text and every
// bound is checked while reading.
#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <sstream>

#include "kube/body.h"
#include "kube/patch.h"

namespace enclave::kube {
namespace {

using base::ErrorKind;
using base::Fail;

// Leaves the parser from within an event; caught in this file.
struct Refused {
  YAML::Mark mark;
  std::string why;
};

bool IsOneOf(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::ranges::find(words, text) != words.end();
}

// strconv.ParseInt(text, 0, 64): sign, then 0x, 0o, 0b, 0 (octal) or decimal.
std::optional<Json> ParseInteger(std::string_view text) {
  bool negative = false;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  int radix = 10;
  if (text.size() > 1 && text[0] == '0') {
    const char mark = text[1];
    radix = mark == 'x' || mark == 'X' ? 16 : mark == 'b' || mark == 'B' ? 2 : 8;
    text.remove_prefix(radix == 8 && mark != 'o' && mark != 'O' ? 1 : 2);
  }
  std::uint64_t value = 0;
  if (text.empty() || text[0] == '-' || text[0] == '+') return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, radix);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (!negative) return Json(value);
  if (value > (std::uint64_t{1} << 63)) return std::nullopt;
  return Json(static_cast<std::int64_t>(0 - value));
}

// [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?
bool IsYamlFloat(std::string_view text) {
  const auto digits = [&] {
    std::size_t count = 0;
    while (count < text.size() && text[count] >= '0' && text[count] <= '9') ++count;
    text.remove_prefix(count);
    return count;
  };
  const auto take = [&](std::string_view any) {
    const bool found = !text.empty() && any.contains(text[0]);
    if (found) text.remove_prefix(1);
    return found;
  };
  take("-+");
  if (text.starts_with('.')) {
    take(".");
    if (digits() == 0) return false;
  } else {
    if (digits() == 0) return false;
    if (take(".")) digits();
  }
  if (take("eE")) {
    take("-+");
    if (digits() == 0) return false;
  }
  return text.empty();
}

// The value of a plain scalar.
Json Resolve(const std::string& text, const YAML::Mark& mark) {
  if (IsOneOf(text, {"", "~", "null", "Null", "NULL"})) return nullptr;
  if (IsOneOf(text, {"true", "True", "TRUE", "y", "Y", "yes", "Yes", "YES", "on", "On", "ON"})) {
    return true;
  }
  if (IsOneOf(text, {"false", "False", "FALSE", "n", "N", "no", "No", "NO", "off", "Off", "OFF"})) {
    return false;
  }
  const char first = text[0];
  if (!(first >= '0' && first <= '9') && first != '-' && first != '+' && first != '.') return text;
  std::string plain = text;
  std::erase(plain, '_');
  if (auto integer = ParseInteger(plain)) return *integer;
  std::string_view unsigned_text = text;
  if (first == '-' || first == '+') unsigned_text.remove_prefix(1);
  if (IsOneOf(unsigned_text, {".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"})) {
    throw Refused{mark, "infinite and undefined numbers have no JSON"};
  }
  if (!IsYamlFloat(plain)) return text;
  double value = 0;
  const char* begin = plain.data() + (plain[0] == '+' ? 1 : 0);
  const auto [end, error] = std::from_chars(begin, plain.data() + plain.size(), value);
  if (error != std::errc() || end != plain.data() + plain.size() || !std::isfinite(value)) {
    return text;
  }
  // As JSON text 3.0 and 3 are one number; integers are what fields want.
  constexpr double kExact = 9007199254740992.0;
  if (value == std::trunc(value) && std::abs(value) <= kExact) {
    return static_cast<std::int64_t>(value);
  }
  return value;
}

std::size_t SizeOf(const Json& value) {
  std::size_t size = 16;
  if (value.is_string()) size += value.get_ref<const std::string&>().size();
  if (value.is_object()) {
    for (const auto& [key, child] : value.items()) size += key.size() + SizeOf(child);
  } else if (value.is_array()) {
    for (const Json& child : value) size += SizeOf(child);
  }
  return size;
}

class Builder final : public YAML::EventHandler {
 public:
  // The document read last; nullopt when there was none.
  std::optional<Json> Take() {
    anchors_.clear();
    return std::exchange(root_, std::nullopt);
  }

  void OnDocumentStart(const YAML::Mark& mark) override {
    // At a stray ']', '}' or ',' the parser reports empty documents for ever, without moving on.
    if (mark.pos == last_start_) throw Refused{mark, "unexpected text between documents"};
    last_start_ = mark.pos;
    root_.reset();
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Finish(mark, Entry{nullptr, anchor}, true);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) throw Refused{mark, "an alias stands within its own anchor"};
    expansion_ += SizeOf(found->second);
    if (expansion_ > kMaxYamlExpansion) {
      throw Refused{mark, fmt::format("aliases expand to more than {} bytes", kMaxYamlExpansion)};
    }
    if (static_cast<int>(stack_.size()) + JsonDepth(found->second, kMaxBodyDepth) > kMaxBodyDepth) {
      RefuseDepth(mark);
    }
    Finish(mark, Entry{found->second, 0}, false);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    constexpr std::string_view kCore = "tag:yaml.org,2002:";
    const bool plain = tag.empty() || tag == "?";
    if (plain) return Finish(mark, Entry{Resolve(value, mark), anchor}, value == "<<");
    if (!tag.starts_with(kCore) || tag == "tag:yaml.org,2002:str") {
      return Finish(mark, Entry{value, anchor}, false);
    }
    const std::string_view name = std::string_view(tag).substr(kCore.size());
    Json resolved = Resolve(value, mark);
    const bool fits = (name == "int" && resolved.is_number_integer()) ||
                      (name == "float" && resolved.is_number()) ||
                      (name == "bool" && resolved.is_boolean()) ||
                      (name == "null" && resolved.is_null());
    if (name == "timestamp") {
      resolved = value;
    } else if (!fits) {
      throw Refused{mark, fmt::format("a value does not fit its tag !!{}", name.substr(0, 32))};
    }
    Finish(mark, Entry{std::move(resolved), anchor}, false);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Push(mark, Entry{Json::array(), anchor});
  }
  void OnSequenceEnd() override { Pop(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Push(mark, Entry{Json::object(), anchor});
  }
  void OnMapEnd() override {
    Entry& map = stack_.back();
    // Own keys win over merged ones, earlier sources over later ones.
    for (const Json& source : map.merged) {
      for (const auto& [key, value] : source.items()) {
        if (!map.value.contains(key)) map.value[key] = value;
      }
    }
    Pop();
  }

 private:
  struct Entry {
    Json value;
    YAML::anchor_t anchor = 0;
    YAML::Mark mark{};
    std::optional<std::string> key = {};  // of a map: waits for its value
    bool merge_key = false;               // the waiting key is a plain <<
    std::vector<Json> merged = {};
  };

  [[noreturn]] static void RefuseDepth(const YAML::Mark& mark) {
    throw Refused{mark, fmt::format("nested deeper than {} levels", kMaxBodyDepth)};
  }

  void Push(const YAML::Mark& mark, Entry entry) {
    if (static_cast<int>(stack_.size()) >= kMaxBodyDepth) RefuseDepth(mark);
    if (!stack_.empty() && stack_.back().value.is_object() && !stack_.back().key) {
      throw Refused{mark, "a key must be a scalar"};
    }
    entry.mark = mark;
    stack_.push_back(std::move(entry));
  }

  void Pop() {
    Entry entry = std::move(stack_.back());
    stack_.pop_back();
    const YAML::Mark mark = entry.mark;
    Finish(mark, std::move(entry), false);
  }

  // Hands a complete value to what holds it. `plain_merge`: it was the plain scalar <<.
  void Finish(const YAML::Mark& mark, Entry entry, bool plain_merge) {
    if (entry.anchor != 0) {
      const std::size_t size = SizeOf(entry.value);
      expansion_ += size;  // the anchor's own copy
      if (expansion_ > kMaxYamlExpansion) {
        throw Refused{mark, fmt::format("anchors hold more than {} bytes", kMaxYamlExpansion)};
      }
      anchors_[entry.anchor] = entry.value;
    }
    if (stack_.empty()) {
      root_ = std::move(entry.value);
      return;
    }
    Entry& parent = stack_.back();
    if (parent.value.is_array()) {
      parent.value.push_back(std::move(entry.value));
    } else if (!parent.key) {
      parent.merge_key = plain_merge && entry.value == "<<";
      parent.key = KeyText(mark, entry.value);
    } else if (parent.merge_key) {
      AddMerge(mark, parent, std::move(entry.value));
      parent.key.reset();
    } else {
      if (!parent.value.emplace(*parent.key, std::move(entry.value)).second) {
        throw Refused{mark, fmt::format("the key \"{}\" stands twice", parent.key->substr(0, 64))};
      }
      parent.key.reset();
    }
  }

  static std::string KeyText(const YAML::Mark& mark, const Json& key) {
    if (key.is_string()) return key.get<std::string>();
    if (key.is_structured()) throw Refused{mark, "a key must be a scalar"};
    if (key.is_null()) throw Refused{mark, "a key must not be null"};
    return key.dump();
  }

  static void AddMerge(const YAML::Mark& mark, Entry& map, Json source) {
    if (source.is_object()) {
      map.merged.push_back(std::move(source));
      return;
    }
    const bool objects = source.is_array() && std::ranges::all_of(source, [](const Json& element) {
                           return element.is_object();
                         });
    if (!objects) throw Refused{mark, "<< merges a map or a list of maps"};
    for (Json& element : source) map.merged.push_back(std::move(element));
  }

  std::vector<Entry> stack_;
  std::map<YAML::anchor_t, Json> anchors_;
  std::size_t expansion_ = 0;
  std::optional<Json> root_;
  int last_start_ = -1;  // of a document
};

// Where a byte is not UTF-8 or not allowed in YAML (1.2.2, 5.1); npos when all are.
std::size_t FindForbidden(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size()) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x80) {
      if ((byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') || byte == 0x7f) return i;
      ++i;
      continue;
    }
    const std::size_t length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    if (byte < 0xc2 || byte > 0xf4 || i + length > text.size()) return i;
    std::uint32_t code = byte & (0xffU >> (length + 1));
    for (std::size_t k = 1; k < length; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      if ((next & 0xc0) != 0x80) return i;
      code = (code << 6) | (next & 0x3fU);
    }
    const bool overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
    if (overlong || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return i;
    i += length;
  }
  return std::string_view::npos;
}

std::unexpected<base::Error> FailAt(int line, int column, std::string_view why) {
  return Fail(ErrorKind::kInvalidArgument,
              fmt::format("invalid YAML: line {}, column {}: {}", line + 1, column + 1, why));
}

base::Result<std::vector<Json>> ParseDocuments(std::string_view text) {
  if (const std::size_t bad = FindForbidden(text); bad != std::string_view::npos) {
    const std::string_view before = text.substr(0, bad);
    const std::size_t newline = before.rfind('\n');
    const std::size_t begin = newline == std::string_view::npos ? 0 : newline + 1;
    return FailAt(static_cast<int>(std::ranges::count(before, '\n')), static_cast<int>(bad - begin),
                  "a byte that is not allowed in UTF-8 text");
  }
  std::vector<Json> documents;
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    Builder builder;
    while (parser.HandleNextDocument(builder)) {
      auto document = builder.Take();
      if (document && !document->is_null()) documents.push_back(std::move(*document));
    }
  } catch (const Refused& refused) {
    return FailAt(refused.mark.line, refused.mark.column, refused.why);
  } catch (const YAML::Exception& exception) {
    // Its message may quote the text, which is UTF-8 as a whole but not where it is cut.
    std::string why;
    for (const char c : exception.msg.substr(0, 256)) why += c >= ' ' && c < 127 ? c : '?';
    return FailAt(exception.mark.line, exception.mark.column, why);
  }
  return documents;
}

bool LooksLikeJson(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && text[first] == '{';
}

}  // namespace

base::Result<Json> ParseYaml(std::string_view text) {
  ASSIGN_OR_RETURN(std::vector<Json> documents, ParseDocuments(text));
  if (documents.size() == 1) return std::move(documents.front());
  return Fail(ErrorKind::kInvalidArgument,
              fmt::format("expected one YAML document, found {}", documents.size()));
}

base::Result<std::vector<Json>> ParseManifests(std::string_view text) {
  if (!LooksLikeJson(text)) return ParseDocuments(text);
  if (auto json = ParseJson(text)) {
    std::vector<Json> one;
    one.push_back(std::move(*json));
    return one;
  } else if (auto documents = ParseDocuments(text)) {
    return documents;  // a flow map is YAML too
  } else {
    return std::unexpected(json.error());
  }
}

}  // namespace enclave::kube
