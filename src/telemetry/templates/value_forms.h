// The forms in which programs print values. Each function returns where the value that begins at
// `at` ends, or `at` when there is none there. For this folder only.
#pragma once

#include <cstddef>
#include <string_view>

namespace enclave::telemetry::templates {

// Bytes that end a word: blanks and the punctuation that joins values to their names.
bool IsDelimiter(char c);

// Of 2024-01-02[T15:04:05[.678][Z]], 15:04[:05[.678]], Mon Jan  2 15:04:05 [CET] [2024]
std::size_t TimeEnd(std::string_view line, std::size_t at);
// Of 10.0.0.1
std::size_t Ipv4End(std::string_view line, std::size_t at);
// Of fe80::1, 00:1b:44:11:3a:b7
std::size_t HexGroupsEnd(std::string_view line, std::size_t at);
std::size_t UuidEnd(std::string_view line, std::size_t at);
// Of -17, 3.5, 1e-9, 99%
std::size_t NumberEnd(std::string_view line, std::size_t at);
// Of /a/b, ./a, ~/a, C:\a
std::size_t PathEnd(std::string_view line, std::size_t at);
// Of 0x7f, and of hexadecimal digits that are no number and no word.
bool IsHex(std::string_view atom);
// "ms", "seconds", ... as seconds; 0 when it is none.
double SecondsOfUnit(std::string_view unit);
// "KB", "MiB", ... as bytes; 0 when it is none.
double BytesOfUnit(std::string_view unit);
// cc, java, py: a name that ends so is one of source code, and belongs to the statement.
bool HasSourceSuffix(std::string_view name);

}  // namespace enclave::telemetry::templates
