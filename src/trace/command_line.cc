#include "trace/command_line.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace enclave::trace {
namespace {

constexpr std::array<std::string_view, 12> kSecretWords = {
    "password", "passwd",  "passphrase", "secret",     "token",     "apikey",
    "api-key",  "api_key", "credential", "privatekey", "accesskey", "authorization"};

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return lower;
}

bool NamesSecret(std::string_view lower) {
  return std::ranges::any_of(kSecretWords,
                             [&](std::string_view word) { return lower.contains(word); }) ||
         lower.contains("private-key") || lower.contains("access-key");
}

// Where the value of a secret that the argument names begins; npos when it names none.
std::size_t SecretValueIn(std::string_view argument) {
  const std::string lower = Lower(argument);
  for (std::size_t at = lower.find_first_of("=:"); at != std::string::npos;
       at = lower.find_first_of("=:", at + 1)) {
    if (!NamesSecret(std::string_view(lower).substr(0, at))) continue;
    while (at + 1 < lower.size() && (lower[at + 1] == ' ' || lower[at + 1] == '"')) ++at;
    return at + 1;
  }
  for (const std::string_view scheme : {"bearer ", "basic "}) {
    if (const std::size_t at = lower.find(scheme); at != std::string::npos) {
      return at + scheme.size();
    }
  }
  return std::string::npos;
}

// scheme://user:password@host, with the password taken out.
std::string WithoutUrlPassword(std::string argument) {
  const std::size_t scheme = argument.find("://");
  if (scheme == std::string::npos) return argument;
  const std::size_t begin = scheme + 3;
  const std::size_t end = std::min(argument.find_first_of("/?#", begin), argument.size());
  const std::size_t at = argument.rfind('@', end);
  const std::size_t colon = argument.find(':', begin);
  if (at == std::string::npos || at < begin || at >= end || colon > at) return argument;
  return argument.replace(colon + 1, at - colon - 1, kRedacted);
}

bool IsSecretOption(std::string_view argument) {
  return argument.starts_with('-') && !argument.contains('=') && NamesSecret(Lower(argument));
}

}  // namespace

std::vector<std::string> WithoutSecrets(std::span<const std::string> arguments) {
  std::vector<std::string> kept;
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    const std::string_view before = i > 0 ? std::string_view(arguments[i - 1]) : "";
    std::string shown = WithoutUrlPassword(argument);
    if (i > 0) {
      if (IsSecretOption(before) && !argument.starts_with('-')) {
        shown = kRedacted;
      } else if (before == "-u" || before == "--user") {
        const std::size_t colon = argument.find(':');
        if (colon != std::string::npos) shown = argument.substr(0, colon + 1) + kRedacted;
      } else if (const std::size_t value = SecretValueIn(argument);
                 value != std::string::npos && value < argument.size()) {
        shown = argument.substr(0, value) + kRedacted;
      }
    }
    bytes += shown.size() + 1;
    if (bytes > kMaxCommandLineBytes) {
      kept.emplace_back("...");
      break;
    }
    kept.push_back(std::move(shown));
  }
  return kept;
}

}  // namespace enclave::trace
