// Numbers as PromQL reads and shows them. Pure functions; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace enclave::observatory::promql {

// Decimal, hexadecimal (0x1f), octal (017, 0o17), binary (0b11), with underscores between digits,
// Inf and NaN in any case. None when it is no number.
std::optional<double> ParseNumber(std::string_view text);

// The value of a bucket's `le` label: a decimal number with sign, exponent, Inf.
std::optional<double> ParseBound(std::string_view text);

// The fewest digits that read back as the same number, never with an exponent: 0.1, 1200000, NaN,
// +Inf. What samples look like in API answers and in the label of count_values.
std::string FormatFixed(double value);

// The fewest digits, with an exponent when it is below -4 or above 20; for messages.
std::string FormatCompact(double value);
// The same with at most `digits` significant digits.
std::string FormatCompact(double value, int digits);

}  // namespace enclave::observatory::promql
