#include <fmt/format.h>

#include <algorithm>

#include "kube/selector.h"

namespace enclave::kube {
namespace {

using base::ErrorKind;
using base::Fail;

std::string ScalarText(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "true" : "false";
  if (value.is_number()) return value.dump();
  return "";
}

std::string Escape(std::string_view value) {
  std::string text;
  for (const char c : value) {
    if (c == '\\' || c == ',' || c == '=') text += '\\';
    text += c;
  }
  return text;
}

}  // namespace

// The grammar of k8s.io/apimachinery/pkg/fields: terms joined by commas; '\' before '\', ',' or '='
// in a value takes its meaning away; empty terms are skipped.
base::Result<FieldSelector> FieldSelector::Parse(std::string_view text) {
  const auto fail = [&](std::size_t position, std::string_view why) {
    return Fail(ErrorKind::kInvalidArgument,
                fmt::format("unable to parse field selector \"{}\": at position {}: {}",
                            text.substr(0, 256), position, why));
  };
  FieldSelector selector;
  std::size_t at = 0;
  while (at < text.size()) {
    if (text[at] == ',') {
      ++at;
      continue;
    }
    const std::size_t begin = at;
    while (at < text.size() && text[at] != '=' && text[at] != '!' && text[at] != ',') ++at;
    Requirement requirement{std::string(text.substr(begin, at - begin)), true, ""};
    if (requirement.path.empty()) return fail(begin, "expected a field");
    const std::string_view rest = text.substr(at);
    if (rest.starts_with("!=")) {
      requirement.equals = false;
      at += 2;
    } else if (rest.starts_with("==")) {
      at += 2;
    } else if (rest.starts_with("=")) {
      at += 1;
    } else {
      return fail(at, "expected '=', '==' or '!=' after the field");
    }
    for (; at < text.size() && text[at] != ','; ++at) {
      if (text[at] == '=') return fail(at, "'=' in a value must be written '\\='");
      if (text[at] == '\\') {
        if (++at == text.size() || !std::string_view("\\,=").contains(text[at])) {
          return fail(at - 1, "'\\' must be followed by '\\', ',' or '='");
        }
      }
      requirement.value += text[at];
    }
    selector.requirements_.push_back(std::move(requirement));
  }
  return selector;
}

FieldSelector FieldSelector::Equal(std::string path, std::string value) {
  FieldSelector selector;
  selector.requirements_.push_back({std::move(path), true, std::move(value)});
  return selector;
}

bool FieldSelector::Matches(const Json& object) const {
  return std::ranges::all_of(requirements_, [&](const Requirement& requirement) {
    return (ScalarText(At(object, requirement.path)) == requirement.value) == requirement.equals;
  });
}

std::string FieldSelector::ToString() const {
  std::string text;
  for (const auto& [path, equals, value] : requirements_) {
    if (!text.empty()) text += ',';
    text += path + (equals ? "=" : "!=") + Escape(value);
  }
  return text;
}

}  // namespace enclave::kube
