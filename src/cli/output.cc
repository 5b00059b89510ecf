#include "cli/output.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>

namespace enclave::cli {
namespace {

std::string Coloured(std::string_view code, std::string_view text) {
  static const bool wanted = ::isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr;
  return wanted ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : std::string(text);
}

// Characters shown, not bytes: escape sequences and UTF-8 continuation bytes take no place.
std::size_t Width(std::string_view text) {
  std::size_t width = 0;
  bool escaped = false;
  for (const char c : text) {
    if (c == '\x1b') escaped = true;
    if (!escaped && (static_cast<unsigned char>(c) & 0xc0u) != 0x80u) ++width;
    if (escaped && c == 'm') escaped = false;
  }
  return width;
}

}  // namespace

std::string Green(std::string_view text) {
  return Coloured("32", text);
}
std::string Red(std::string_view text) {
  return Coloured("31", text);
}
std::string Dim(std::string_view text) {
  return Coloured("2", text);
}
std::string Highlight(std::string_view text) {
  return Coloured("1;33", text);
}

std::string FormatTable(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], Width(row[i]));
  }
  std::string text;
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      text += row[i];
      if (i + 1 < row.size()) text.append(widths[i] - Width(row[i]) + 3, ' ');
    }
    text += '\n';
  }
  return text;
}

std::string FormatAge(long long seconds) {
  if (seconds < 120) return fmt::format("{}s", std::max(seconds, 0LL));
  if (seconds < 600) return fmt::format("{}m{}s", seconds / 60, seconds % 60);
  if (seconds < 3 * 3600) return fmt::format("{}m", seconds / 60);
  if (seconds < 48 * 3600) return fmt::format("{}h", seconds / 3600);
  return fmt::format("{}d{}h", seconds / 86400, seconds % 86400 / 3600);
}

std::string FormatBytes(long long bytes) {
  constexpr std::array<std::string_view, 5> kUnits{"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

void PrintJson(const nlohmann::json& value) {
  fmt::print("{}\n",
             value.dump(2, ' ', /*ensure_ascii=*/false, nlohmann::json::error_handler_t::replace));
}

int Complain(const base::Error& error, OutputFormat output) {
  if (output == OutputFormat::kJson) PrintJson({{"error", error.message()}});
  std::fflush(stdout);
  fmt::print(stderr, "enclave: {}\n", error.message());
  return error.kind() == base::ErrorKind::kInvalidArgument ? kExitUsage : 1;
}

}  // namespace enclave::cli
