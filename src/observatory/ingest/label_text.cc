#include "observatory/ingest/label_text.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/quote.h"
#include "observatory/ingest/any_value.h"
#include "observatory/ingest/text.h"

namespace enclave::observatory::ingest {
namespace {

void AppendUtf8(std::uint32_t code, std::string& text) {
  const auto add = [&text](std::uint32_t byte) { text += static_cast<char>(byte); };
  if (code < 0x80) {
    add(code);
  } else if (code < 0x800) {
    add(0xc0 | code >> 6);
    add(0x80 | (code & 63));
  } else if (code < 0x10000) {
    add(0xe0 | code >> 12);
    add(0x80 | (code >> 6 & 63));
    add(0x80 | (code & 63));
  } else {
    add(0xf0 | code >> 18);
    add(0x80 | (code >> 12 & 63));
    add(0x80 | (code >> 6 & 63));
    add(0x80 | (code & 63));
  }
}

class LabelTextParser {
 public:
  explicit LabelTextParser(std::string_view text) : text_(text) {}

  base::Result<telemetry::Labels> Parse() {
    std::vector<telemetry::Label> labels;
    std::vector<std::string> names;
    Space();
    if (!Take('{')) return Wrong("a { is expected");
    Space();
    while (!Take('}')) {
      ASSIGN_OR_RETURN(std::string name, Name());
      Space();
      if (!Take('=')) return Wrong("a = is expected");
      Space();
      ASSIGN_OR_RETURN(std::string value, Value());
      if (!IsUtf8(value)) return Wrong("the value before is not UTF-8");
      names.push_back(name);
      if (!value.empty()) labels.push_back({std::move(name), std::move(value)});
      Space();
      if (Take(',')) {
        Space();
      } else if (at_ == text_.size() || text_[at_] != '}') {
        return Wrong("a comma or } is expected");
      }
    }
    Space();
    if (at_ != text_.size()) return Wrong("nothing is expected after }");
    std::ranges::sort(names);
    if (const auto twice = std::ranges::adjacent_find(names); twice != names.end())
      return Wrong(fmt::format("the label {} occurs twice", *twice));
    return ToLabels(std::move(labels));
  }

 private:
  std::unexpected<base::Error> Wrong(std::string_view what) const {
    return base::Fail(
        base::ErrorKind::kInvalidArgument,
        fmt::format("labels {}: at byte {}: {}", base::Quote(Cut(text_, 200)), at_, what));
  }

  void Space() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r'))
      ++at_;
  }
  bool Take(char c) {
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  base::Result<std::string> Name() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && (text_[at_] == '_' || IsAsciiAlphanumeric(text_[at_]))) ++at_;
    if (!IsLabelName(text_.substr(begin, at_ - begin))) {
      at_ = begin;
      return Wrong("the name of a label is expected");
    }
    return std::string(text_.substr(begin, at_ - begin));
  }

  base::Result<std::string> Value() {
    if (Take('`')) {
      const std::size_t end = text_.find('`', at_);
      if (end == std::string_view::npos) return Wrong("a ` is missing");
      std::string value(text_.substr(at_, end - at_));
      at_ = end + 1;
      return value;
    }
    if (!Take('"')) return Wrong("a text in quotes is expected");
    std::string value;
    while (true) {
      const std::size_t special = text_.find_first_of("\"\\\n", at_);
      if (special == std::string_view::npos || text_[special] == '\n')
        return Wrong("the text's closing quote is missing");
      value += text_.substr(at_, special - at_);
      at_ = special + 1;
      if (text_[special] == '"') return value;
      RETURN_IF_ERROR(Escape(value));
    }
  }

  base::Result<> Escape(std::string& value) {
    if (at_ == text_.size()) return Wrong("the text ends within an escape");
    constexpr std::string_view kLetters = "abfnrtv\\\"";
    constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v\\\"";
    const char letter = text_[at_];
    if (const std::size_t i = kLetters.find(letter); i != std::string_view::npos) {
      ++at_;
      value += kMeanings[i];
      return {};
    }
    switch (letter) {
      case 'x':
        return Number(1, 2, 16, value);
      case 'u':
        return Number(1, 4, 16, value);
      case 'U':
        return Number(1, 8, 16, value);
      default:
        if (letter >= '0' && letter <= '7') return Number(0, 3, 8, value);
        return Wrong("an escape that is not known");
    }
  }

  // `skip` characters, then `digits` of them: a byte, or of four digits and more a code point.
  base::Result<> Number(std::size_t skip, std::size_t digits, int radix, std::string& value) {
    const std::string_view text = text_.substr(at_ + skip, digits);
    std::uint32_t number = 0;
    const auto end = std::from_chars(text.data(), text.data() + text.size(), number, radix);
    if (text.size() < digits || end.ec != std::errc() || end.ptr != text.data() + text.size())
      return Wrong("an escape has too few digits");
    const bool surrogate = number >= 0xd800 && number < 0xe000;
    if (digits < 4 ? number > 0xff : number > 0x10ffff || surrogate)
      return Wrong("an escape that stands for no character");
    if (digits < 4) {
      value += static_cast<char>(number);
    } else {
      AppendUtf8(number, value);
    }
    at_ += skip + digits;
    return {};
  }

  const std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

base::Result<telemetry::Labels> ParseLabelText(std::string_view text) {
  return LabelTextParser(text).Parse();
}

}  // namespace enclave::observatory::ingest
