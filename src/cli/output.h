// What commands print: text for people, JSON for programs, colour only where somebody looks.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "base/result.h"

namespace enclave::cli {

enum class OutputFormat { kText, kJson };

// Exit code when what was asked for is wrong, so that asking again does not help.
inline constexpr int kExitUsage = 2;

// ANSI colours, empty when standard output is not a terminal or NO_COLOR is set.
std::string Green(std::string_view text);
std::string Red(std::string_view text);
std::string Dim(std::string_view text);
std::string Highlight(std::string_view text);

// Columns padded to their widest cell; the first row is the head.
std::string FormatTable(const std::vector<std::vector<std::string>>& rows);

// "3d4h", "5m10s", "12s": as kubectl prints ages.
std::string FormatAge(long long seconds);
std::string FormatBytes(long long bytes);  // "61.3 MiB"

// One JSON document on standard output; bytes that are no UTF-8 are replaced.
void PrintJson(const nlohmann::json& value);

// Prints "enclave: what went wrong" to standard error, and for programs {"error": "what went
// wrong"} to standard output. Returns the exit code: kExitUsage for kInvalidArgument, else 1.
int Complain(const base::Error& error, OutputFormat output = OutputFormat::kText);

}  // namespace enclave::cli
