#include "kube/names.h"

#include <fmt/format.h>

#include <algorithm>

namespace enclave::kube {
namespace {

using base::ErrorKind;
using base::Fail;

bool IsLower(char c) {
  return c >= 'a' && c <= 'z';
}
bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}
bool IsAlnum(char c) {
  return IsLower(c) || IsDigit(c) || (c >= 'A' && c <= 'Z');
}
bool IsLowerAlnum(char c) {
  return IsLower(c) || IsDigit(c);
}

// [a-z0-9]([-a-z0-9]*[a-z0-9])?
bool IsDns1123LabelText(std::string_view text) {
  return !text.empty() && IsLowerAlnum(text.front()) && IsLowerAlnum(text.back()) &&
         std::ranges::all_of(text, [](char c) { return IsLowerAlnum(c) || c == '-'; });
}

bool IsDns1123SubdomainText(std::string_view text) {
  while (true) {
    const std::size_t dot = text.find('.');
    if (!IsDns1123LabelText(text.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

// ([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]
bool IsQualifiedNameText(std::string_view text) {
  return !text.empty() && IsAlnum(text.front()) && IsAlnum(text.back()) &&
         std::ranges::all_of(text,
                             [](char c) { return IsAlnum(c) || c == '-' || c == '_' || c == '.'; });
}

std::unexpected<base::Error> Invalid(std::string message) {
  return Fail(ErrorKind::kUnprocessable, std::move(message));
}

std::unexpected<base::Error> TooLong(std::size_t limit) {
  return Invalid(fmt::format("must be no more than {} characters", limit));
}

constexpr std::string_view kSubdomainSentence =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

}  // namespace

base::Result<> ValidateDns1123Label(std::string_view name) {
  if (name.size() > 63) return TooLong(63);
  if (IsDns1123LabelText(name)) return {};
  return Invalid(
      "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
      "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex "
      "used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')");
}

base::Result<> ValidateDns1123Subdomain(std::string_view name) {
  if (name.size() > 253) return TooLong(253);
  if (IsDns1123SubdomainText(name)) return {};
  return Invalid(std::string(kSubdomainSentence));
}

base::Result<> ValidateDns1035Label(std::string_view name) {
  if (name.size() > 63) return TooLong(63);
  if (IsDns1123LabelText(name) && IsLower(name.front())) return {};
  return Invalid(
      "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
      "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or "
      "'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')");
}

base::Result<> ValidatePortName(std::string_view name) {
  if (name.size() > 15) return TooLong(15);
  if (!std::ranges::all_of(name, [](char c) { return IsLowerAlnum(c) || c == '-'; }) ||
      name.empty()) {
    return Invalid("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
  }
  if (std::ranges::none_of(name, IsLower)) {
    return Invalid("must contain at least one letter (a-z)");
  }
  if (name.contains("--")) return Invalid("must not contain consecutive hyphens");
  if (name.front() == '-' || name.back() == '-') {
    return Invalid("must not begin or end with a hyphen");
  }
  return {};
}

base::Result<> ValidateConfigMapKey(std::string_view key) {
  if (key.size() > 253) return TooLong(253);
  if (key == ".") return Invalid("must not be '.'");
  if (key == "..") return Invalid("must not be '..'");
  if (key.starts_with("..")) return Invalid("must not start with '..'");
  if (!key.empty() && std::ranges::all_of(key, [](char c) {
        return IsAlnum(c) || c == '-' || c == '_' || c == '.';
      })) {
    return {};
  }
  return Invalid(
      "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. "
      "'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is "
      "'[-._a-zA-Z0-9]+')");
}

base::Result<> ValidateEnvName(std::string_view name) {
  if (!name.empty() && !IsDigit(name.front()) && std::ranges::all_of(name, [](char c) {
        return IsAlnum(c) || c == '-' || c == '_' || c == '.';
      })) {
    return {};
  }
  return Invalid(
      "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', "
      "or '.', and must not start with a digit (e.g. 'my.env-name',  or 'MY_ENV.NAME',  or "
      "'MyEnvName1', regex used for validation is '[-._a-zA-Z][-._a-zA-Z0-9]*')");
}

base::Result<> ValidateLabelKey(std::string_view key) {
  constexpr std::string_view kNameSentence =
      "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
      "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
      "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
  std::string_view name = key;
  if (const std::size_t slash = key.find('/'); slash != std::string_view::npos) {
    const std::string_view prefix = key.substr(0, slash);
    name = key.substr(slash + 1);
    if (name.contains('/')) {
      return Invalid(
          fmt::format("a qualified name {} with an optional DNS subdomain prefix and '/' (e.g. "
                      "'example.com/MyName')",
                      kNameSentence));
    }
    if (prefix.empty()) return Invalid("prefix part must be non-empty");
    if (prefix.size() > 253) return Invalid("prefix part must be no more than 253 characters");
    if (!IsDns1123SubdomainText(prefix)) {
      return Invalid(fmt::format("prefix part {}", kSubdomainSentence));
    }
  }
  if (name.empty()) return Invalid("name part must be non-empty");
  if (name.size() > 63) return Invalid("name part must be no more than 63 characters");
  if (!IsQualifiedNameText(name)) return Invalid(fmt::format("name part {}", kNameSentence));
  return {};
}

base::Result<> ValidateLabelValue(std::string_view value) {
  if (value.size() > 63) return TooLong(63);
  if (value.empty() || IsQualifiedNameText(value)) return {};
  return Invalid(
      "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
      "'.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or "
      "'my_value',  or '12345', regex used for validation is "
      "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')");
}

base::Result<> ValidateLabels(const Json& labels) {
  if (labels.is_null()) return {};
  if (!labels.is_object()) return Invalid("must be a map of strings to strings");
  for (const auto& [key, value] : labels.items()) {
    if (auto valid = ValidateLabelKey(key); !valid) {
      return Invalid(fmt::format("Invalid value: \"{}\": {}", key, valid.error().message()));
    }
    if (!value.is_string()) {
      return Invalid(fmt::format("the value of label \"{}\" must be a string", key));
    }
    const auto& text = value.get_ref<const std::string&>();
    if (auto valid = ValidateLabelValue(text); !valid) {
      return Invalid(fmt::format("Invalid value: \"{}\": {}", text, valid.error().message()));
    }
  }
  return {};
}

base::Result<> ValidateAnnotations(const Json& annotations) {
  constexpr std::size_t kMaxTotal = 256 << 10;
  if (annotations.is_null()) return {};
  if (!annotations.is_object()) return Invalid("must be a map of strings to strings");
  std::size_t total = 0;
  for (const auto& [key, value] : annotations.items()) {
    std::string lower = key;
    std::ranges::transform(lower, lower.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    if (auto valid = ValidateLabelKey(lower); !valid) {
      return Invalid(fmt::format("Invalid value: \"{}\": {}", key, valid.error().message()));
    }
    if (!value.is_string()) {
      return Invalid(fmt::format("the value of annotation \"{}\" must be a string", key));
    }
    total += key.size() + value.get_ref<const std::string&>().size();
  }
  if (total > kMaxTotal) {
    return Invalid(fmt::format("Too long: may not be more than {} bytes", kMaxTotal));
  }
  return {};
}

std::string GenerateName(std::string_view base, base::Random& random) {
  constexpr std::size_t kSuffix = 5;
  return std::string(base.substr(0, 63 - kSuffix)) + random.Text(kSafeAlphabet, kSuffix);
}

}  // namespace enclave::kube
