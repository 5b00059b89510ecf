// What commands print: text for people, JSON for programs, colour only where somebody looks.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace enclave::cli {

enum class OutputFormat { kText, kJson };

// ANSI colours, empty when standard output is not a terminal or NO_COLOR is set.
std::string Green(std::string_view text);
std::string Red(std::string_view text);
std::string Dim(std::string_view text);

// Columns padded to their widest cell; the first row is the head.
std::string FormatTable(const std::vector<std::vector<std::string>>& rows);

// "3d4h", "5m10s", "12s": as kubectl prints ages.
std::string FormatAge(long long seconds);
std::string FormatBytes(long long bytes);  // "61.3 MiB"

// Prints "enclave: what went wrong" to standard error; the exit code to return.
int Complain(const base::Error& error, int exit_code = 1);

}  // namespace enclave::cli
