// The values a log statement prints into its template.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace enclave::telemetry::templates {

enum class VariableType : std::uint8_t {
  kText,      // a word, a name, an identifier of no known form
  kNumber,    // value: itself
  kDuration,  // value: seconds
  kSize,      // value: bytes
  kHex,       // 0x7f, or an identifier of hexadecimal digits
  kUuid,
  kIp,  // IPv4, IPv6, MAC
  kHost,
  kPath,
  kUrl,  // without its scheme, which stays in the template
  kTime,
  kQuoted,  // without its quotes
  kList,    // several values, as many as the statement had
};

// "number", "ip", ...
std::string_view ToString(VariableType type);

struct Variable {
  VariableType type = VariableType::kText;
  std::string_view text{};  // a view into the line
  std::optional<double> value{};
};

// The value of what was found to be of `type`; nullopt for types without one.
std::optional<double> ValueOf(VariableType type, std::string_view text);

}  // namespace enclave::telemetry::templates
