// Log lines that are made of names and values: JSON (RFC 8259) and logfmt.
#include <array>
#include <cstdint>
#include <optional>
#include <utility>

#include "telemetry/templates/head_parts.h"

namespace enclave::telemetry::templates {
namespace {

constexpr int kMostWrappers = 3;

// ---- JSON
// -----------------------------------------------------------------------------------------

struct JsonText {
  std::string_view raw{};  // between the quotes, or the bare number or word
  bool escaped = false;
  bool present = false;
};

// Reads the members of one object, without building anything. All functions return false where the
// text is not JSON.
class JsonReader {
 public:
  explicit JsonReader(std::string_view text) : text_(text) {}

  bool Take(char c) {
    SkipBlanks();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool AtEnd() {
    SkipBlanks();
    return at_ == text_.size();
  }

  bool String(JsonText* out) {
    if (!Take('"')) return false;
    const std::size_t begin = at_;
    bool escaped = false;
    while (at_ < text_.size()) {
      if (text_[at_] == '"') {
        *out = {text_.substr(begin, at_ - begin), escaped, true};
        ++at_;
        return true;
      }
      if (text_[at_] == '\\') {
        escaped = true;
        ++at_;
      }
      ++at_;
    }
    return false;
  }

  // A string or a number; objects and arrays are passed over, and leave `out` absent.
  bool Value(JsonText* out) {
    SkipBlanks();
    if (at_ >= text_.size()) return false;
    if (text_[at_] == '"') return String(out);
    if (text_[at_] == '{' || text_[at_] == '[') return SkipNested();
    const std::size_t begin = at_;
    while (at_ < text_.size() && (IsLetter(text_[at_]) || IsDigit(text_[at_]) ||
                                  text_[at_] == '-' || text_[at_] == '+' || text_[at_] == '.'))
      ++at_;
    if (at_ == begin) return false;
    *out = {text_.substr(begin, at_ - begin), false, true};
    return true;
  }

 private:
  void SkipBlanks() {
    while (at_ < text_.size() && IsBlank(text_[at_])) ++at_;
  }
  bool SkipNested() {
    std::size_t depth = 0;
    JsonText ignored;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"') {
        if (!String(&ignored)) return false;
        continue;
      }
      ++at_;
      if (c == '{' || c == '[') ++depth;
      if ((c == '}' || c == ']') && --depth == 0) return true;
    }
    return false;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

void AppendUtf8(std::uint32_t code, std::string* out) {
  const auto put = [out](std::uint32_t byte) { out->push_back(static_cast<char>(byte)); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | (code >> 6));
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | (code >> 12));
    put(0x80 | ((code >> 6) & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | (code >> 18));
    put(0x80 | ((code >> 12) & 0x3F));
    put(0x80 | ((code >> 6) & 0x3F));
    put(0x80 | (code & 0x3F));
  }
}

std::optional<std::uint32_t> FourHexDigits(std::string_view text, std::size_t at) {
  if (at + 4 > text.size()) return std::nullopt;
  std::uint32_t code = 0;
  for (std::size_t i = at; i < at + 4; ++i) {
    if (!IsHexDigit(text[i])) return std::nullopt;
    const int digit = IsDigit(text[i]) ? text[i] - '0' : ToLower(text[i]) - 'a' + 10;
    code = code * 16 + static_cast<std::uint32_t>(digit);
  }
  return code;
}

std::string Unescape(std::string_view raw) {
  std::string out;
  out.reserve(raw.size());
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] != '\\' || i + 1 == raw.size()) {
      out.push_back(raw[i]);
      continue;
    }
    const char c = raw[++i];
    switch (c) {
      case 'n':
        out.push_back('\n');
        break;
      case 't':
        out.push_back('\t');
        break;
      case 'r':
        out.push_back('\r');
        break;
      case 'b':
      case 'f':
        out.push_back(' ');
        break;
      case 'u': {
        const auto code = FourHexDigits(raw, i + 1);
        if (!code) {
          out.push_back(c);
          break;
        }
        i += 4;
        std::uint32_t whole = *code;
        if (whole >= 0xD800 && whole < 0xDC00 && i + 2 < raw.size() && raw[i + 1] == '\\' &&
            raw[i + 2] == 'u') {
          const auto low = FourHexDigits(raw, i + 3);
          if (low && *low >= 0xDC00 && *low < 0xE000) {
            whole = 0x10000 + ((whole - 0xD800) << 10) + (*low - 0xDC00);
            i += 6;
          }
        }
        AppendUtf8(whole >= 0xD800 && whole < 0xE000 ? 0xFFFD : whole, &out);
        break;
      }
      default:
        out.push_back(c);
    }
  }
  return out;
}

// The newline at the end of nearly every wrapped line is not worth a copy.
std::string_view TextOf(JsonText text, LineHead* head) {
  while (text.raw.ends_with("\\n") && !text.raw.ends_with("\\\\n")) text.raw.remove_suffix(2);
  if (!text.escaped || text.raw.find('\\') == std::string_view::npos) return text.raw;
  return Keep(Unescape(text.raw), head);
}

// ---- What the names mean, in JSON and logfmt
// -------------------------------------------------------

struct Fields {
  JsonText wrapped{}, message{}, level{}, caller{}, file{}, line{}, logger{}, trace{}, span{};
  bool stream = false;
};

// The first of several names for one thing wins.
void Sort(std::string_view name, const JsonText& value, Fields* fields) {
  if (!value.present) return;
  const auto is = [name](std::string_view lower) { return EqualIgnoringCase(name, lower); };
  const auto set = [&value](JsonText* field) {
    if (!field->present) *field = value;
  };
  switch (ToLower(name.front())) {
    case 'l':
      if (is("level") || is("lvl") || is("levelname") || is("loglevel") || is("log.level"))
        return set(&fields->level);
      if (is("log")) return set(&fields->wrapped);
      if (is("logger") || is("loggername") || is("logger_name") || is("log.logger"))
        return set(&fields->logger);
      if (is("line") || is("lineno") || is("line_number")) return set(&fields->line);
      if (is("location")) return set(&fields->caller);
      break;
    case 'm':
      if (is("message") || is("msg")) return set(&fields->message);
      break;
    case 's':
      if (is("severity") || is("severitytext") || is("severity_text")) return set(&fields->level);
      if (is("stream")) fields->stream = true;
      if (is("source") || is("sourcelocation")) return set(&fields->caller);
      if (is("short_message")) return set(&fields->message);
      break;
    case 'c':
      if (is("caller")) return set(&fields->caller);
      if (is("code.filepath") || is("code.file.path")) return set(&fields->file);
      if (is("code.lineno") || is("code.line.number")) return set(&fields->line);
      break;
    case 'f':
      if (is("file") || is("filename") || is("filepath")) return set(&fields->file);
      break;
    case 'b':
      if (is("body")) return set(&fields->message);
      break;
    case 'e':
      if (is("event")) return set(&fields->message);
      break;
    case '@':
      if (is("@message") || is("@m") || is("@mt")) return set(&fields->message);
      if (is("@level") || is("@l")) return set(&fields->level);
      break;
    default:
      break;
  }
  switch (IdNameOf(name)) {
    case IdName::kTrace:
      return set(&fields->trace);
    case IdName::kSpan:
      return set(&fields->span);
    case IdName::kNone:
      break;
  }
}

bool Apply(const Fields& fields, LineHead* head) {
  if (!fields.message.present) return false;
  head->message = Trim(TextOf(fields.message, head));
  head->level = fields.level.raw;
  if (fields.caller.present) {
    head->location = TextOf(fields.caller, head);
  } else if (fields.file.present && fields.line.present) {
    std::string place(TextOf(fields.file, head));
    place.append(":").append(fields.line.raw);
    head->location = Keep(std::move(place), head);
  } else if (fields.file.present) {
    head->location = TextOf(fields.file, head);
  } else {
    head->location = TextOf(fields.logger, head);
  }
  head->trace_id = fields.trace.raw;
  head->span_id = fields.span.raw;
  return true;
}

}  // namespace

std::string_view Keep(std::string text, LineHead* head) {
  if (!head->unescaped) head->unescaped = std::make_shared<std::forward_list<std::string>>();
  head->unescaped->push_front(std::move(text));
  return head->unescaped->front();
}

bool ReadJsonLine(std::string_view line, int depth, LineHead* head) {
  JsonReader reader(line);
  if (!reader.Take('{')) return false;
  Fields fields;
  if (!reader.Take('}')) {
    do {
      JsonText name;
      JsonText value;
      if (!reader.String(&name) || !reader.Take(':') || !reader.Value(&value)) return false;
      if (!name.raw.empty()) Sort(name.raw, value, &fields);
    } while (reader.Take(','));
    if (!reader.Take('}')) return false;
  }
  if (!reader.AtEnd()) return false;
  if (fields.wrapped.present && (fields.stream || !fields.message.present) &&
      depth < kMostWrappers) {
    SplitWrapped(TextOf(fields.wrapped, head), depth + 1, head);
    return true;
  }
  return Apply(fields, head);
}

bool ReadLogfmtLine(std::string_view line, LineHead* head) {
  Fields fields;
  std::size_t at = 0;
  while (at < line.size()) {
    while (at < line.size() && IsBlank(line[at])) ++at;
    const std::size_t begin = at;
    while (at < line.size() && !IsBlank(line[at]) && line[at] != '=' && line[at] != '"') ++at;
    const std::string_view name = line.substr(begin, at - begin);
    if (at >= line.size() || line[at] != '=') {
      // A bare word is a flag; in the first place it says that this is prose.
      if (begin == 0 || (at < line.size() && line[at] == '"')) return false;
      continue;
    }
    ++at;
    JsonText value;
    if (at < line.size() && line[at] == '"') {
      JsonReader reader(line.substr(at));
      if (!reader.String(&value)) return false;
      at += value.raw.size() + 2;
    } else {
      const std::size_t from = at;
      while (at < line.size() && !IsBlank(line[at])) ++at;
      value = {line.substr(from, at - from), false, true};
    }
    if (!name.empty()) Sort(name, value, &fields);
  }
  return fields.level.present && Apply(fields, head);
}

}  // namespace enclave::telemetry::templates
