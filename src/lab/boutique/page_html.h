// HTML that is put together from templates: whatever text goes into a gap is escaped, so that no
// text from a visitor or a service can become markup by forgetting a call.
//
//   html.Add("<a href=\"/product/{}\">{}</a>", product.id(), product.name());
//
// Values; any thread.
#pragma once

#include <fmt/format.h>

#include <iterator>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace enclave::lab::boutique {

// Fit for text and for attribute values in double or single quotes: & < > " ' become references,
// bytes that no HTML text may have (controls, what is not UTF-8) become U+FFFD.
std::string EscapeHtml(std::string_view text);
// Bytes of the character (RFC 3629) that `text`, not empty, begins with; 0 when it is none.
std::size_t Utf8Length(std::string_view text);
// UTF-8 without control characters: fit for a field of a message and for a line of a log.
bool IsPlainText(std::string_view text);

class Html {
 public:
  // What a gap in a template takes: text is escaped, another Html is itself, a number its digits.
  static std::string Filling(std::string_view text) { return EscapeHtml(text); }
  static std::string_view Filling(const Html& html) { return html.text_; }
  template <typename N>
    requires std::is_arithmetic_v<N>
  static N Filling(N number) {
    return number;
  }
  template <typename A>
  using FillingOf = decltype(Filling(std::declval<const A&>()));

  // A fmt template, checked when compiling.
  template <typename... A>
  void Add(fmt::format_string<FillingOf<A>...> format, const A&... arguments);
  // Markup of our own, as it is.
  void Raw(std::string_view markup) { text_ += markup; }

  const std::string& text() const { return text_; }
  std::string Take() && { return std::move(text_); }

 private:
  std::string text_;
};

template <typename... A>
void Html::Add(fmt::format_string<FillingOf<A>...> format, const A&... arguments) {
  fmt::format_to(std::back_inserter(text_), format, Filling(arguments)...);
}

}  // namespace enclave::lab::boutique
