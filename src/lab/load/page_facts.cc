#include "lab/load/page_facts.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <utility>

#include "base/check.h"

namespace enclave::lab::load {
namespace {

constexpr std::int64_t kNanosPerUnit = 1'000'000'000;
constexpr std::int64_t kMostUnits = 1'000'000'000;

std::string Unescape(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, char>, 5> kReferences = {
      {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&#39;", '\''}}};
  std::string plain;
  plain.reserve(text.size());
  while (!text.empty()) {
    bool found = false;
    for (const auto& [reference, character] : kReferences) {
      if (text[0] != '&' || !text.starts_with(reference)) continue;
      plain += character;
      text.remove_prefix(reference.size());
      found = true;
      break;
    }
    if (found) continue;
    plain += text[0];
    text.remove_prefix(1);
  }
  return plain;
}

// The inside of a tag, "li class=card data-product=..", as its attributes; name first.
class Tag {
 public:
  explicit Tag(std::string_view inside) : rest_(inside) {}

  // The value of an attribute in double quotes; nullopt when the tag has none of that name.
  std::optional<std::string> Get(std::string_view name) const {
    std::string_view rest = rest_;
    while (true) {
      const std::size_t equals = rest.find("=\"");
      if (equals == std::string_view::npos) return std::nullopt;
      const std::size_t end = rest.find('"', equals + 2);
      if (end == std::string_view::npos) return std::nullopt;
      const std::size_t space = rest.substr(0, equals).find_last_of(" \t\n");
      const std::size_t begin = space == std::string_view::npos ? 0 : space + 1;
      if (rest.substr(begin, equals - begin) == name)
        return Unescape(rest.substr(equals + 2, end - equals - 2));
      rest.remove_prefix(end + 1);
    }
  }

 private:
  std::string_view rest_;
};

// Where the tag that `html` begins with ends: the place of its '>', which may also stand in quotes.
std::size_t EndOfTag(std::string_view html) {
  bool quoted = false;
  for (std::size_t i = 1; i < html.size(); ++i) {
    if (html[i] == '"') quoted = !quoted;
    if (html[i] == '>' && !quoted) return i;
  }
  return std::string_view::npos;
}

void Tell(PageFacts& page, const std::string& of, std::string value) {
  ProductFacts* product = page.products.empty() ? nullptr : &page.products.back();
  if (of == "name" && product != nullptr)
    product->name = std::move(value);
  else if (of == "price" && product != nullptr)
    product->price = Amount::Parse(value);
  else if (of == "sum" && product != nullptr)
    product->sum = Amount::Parse(value);
  else
    page.facts[of] = std::move(value);
}

}  // namespace

std::optional<Amount> Amount::Parse(std::string_view text) {
  const std::size_t space = text.find(' ');
  if (space == 0 || space == std::string_view::npos || space > 8) return std::nullopt;
  Amount amount{.currency = std::string(text.substr(0, space))};
  text.remove_prefix(space + 1);
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const std::size_t dot = text.find('.');
  const std::string_view units = text.substr(0, dot);
  const auto read = [](std::string_view digits, std::int64_t& number) {
    if (digits.empty() || digits[0] == '-') return false;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    return error == std::errc() && end == digits.data() + digits.size();
  };
  if (!read(units, amount.units) || amount.units > kMostUnits) return std::nullopt;
  if (dot != std::string_view::npos) {
    std::string digits(text.substr(dot + 1));
    if (digits.empty() || digits.size() > 9) return std::nullopt;
    digits.resize(9, '0');
    if (!read(digits, amount.nanos)) return std::nullopt;
  }
  if (negative) {
    amount.units = -amount.units;
    amount.nanos = -amount.nanos;
  }
  return amount;
}

std::string Amount::ToString() const {
  const bool negative = units < 0 || nanos < 0;
  std::string text = fmt::format("{} {}{}.{:09}", currency, negative ? "-" : "",
                                 negative ? -units : units, negative ? -nanos : nanos);
  const std::size_t shortest = text.rfind('.') + 3;
  while (text.size() > shortest && text.back() == '0') text.pop_back();
  return text;
}

Amount Amount::Plus(const Amount& other) const {
  CHECK(currency == other.currency, "only amounts of one currency have a sum");
  const __int128 nanos_sum =
      static_cast<__int128>(units + other.units) * kNanosPerUnit + nanos + other.nanos;
  return {.currency = currency,
          .units = static_cast<std::int64_t>(nanos_sum / kNanosPerUnit),
          .nanos = static_cast<std::int64_t>(nanos_sum % kNanosPerUnit)};
}

Amount Amount::Times(std::int64_t count) const {
  CHECK(count >= -kMostTimes && count <= kMostTimes, "the product stays within 64 bits");
  const __int128 product = (static_cast<__int128>(units) * kNanosPerUnit + nanos) * count;
  return {.currency = currency,
          .units = static_cast<std::int64_t>(product / kNanosPerUnit),
          .nanos = static_cast<std::int64_t>(product % kNanosPerUnit)};
}

std::string PageFacts::Get(const std::string& fact) const {
  const auto found = facts.find(fact);
  return found == facts.end() ? std::string() : found->second;
}

std::optional<Amount> PageFacts::GetAmount(const std::string& fact) const {
  return Amount::Parse(Get(fact));
}

PageFacts ReadPage(std::string_view html) {
  PageFacts page;
  for (std::size_t at = html.find('<'); at != std::string_view::npos; at = html.find('<', at)) {
    const std::string_view rest = html.substr(at);
    const std::size_t end = EndOfTag(rest);
    if (end == std::string_view::npos) break;
    at += end + 1;
    const std::string_view inside = rest.substr(1, end - 1);
    if (!inside.contains("data-")) continue;
    const Tag tag(inside);
    if (auto name = tag.Get("data-page")) page.page = std::move(*name);
    if (auto id = tag.Get("data-product")) {
      if (page.products.size() == kMaxProducts) break;
      ProductFacts& product = page.products.emplace_back(ProductFacts{.id = std::move(*id)});
      int quantity = 0;
      const std::string text = tag.Get("data-quantity").value_or("");
      if (const auto [last, error] =
              std::from_chars(text.data(), text.data() + text.size(), quantity);
          error == std::errc() && last == text.data() + text.size())
        product.quantity = quantity;
    }
    if (const auto of = tag.Get("data-of")) {
      auto value = tag.Get("value");
      if (!value) {
        const std::string_view text = html.substr(at, html.find('<', at) - at);
        value = Unescape(text);
      }
      Tell(page, *of, std::move(*value));
    }
  }
  return page;
}

}  // namespace enclave::lab::load
