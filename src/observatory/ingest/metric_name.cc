#include "observatory/ingest/metric_name.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "observatory/ingest/text.h"

namespace enclave::observatory::ingest {
namespace {

using Word = std::pair<std::string_view, std::string_view>;

constexpr std::array<Word, 29> kUnits = {{
    {"d", "days"},          {"h", "hours"},
    {"min", "minutes"},     {"s", "seconds"},
    {"ms", "milliseconds"}, {"us", "microseconds"},
    {"ns", "nanoseconds"},  {"By", "bytes"},
    {"KiBy", "kibibytes"},  {"MiBy", "mebibytes"},
    {"GiBy", "gibibytes"},  {"TiBy", "tebibytes"},
    {"KBy", "kilobytes"},   {"MBy", "megabytes"},
    {"GBy", "gigabytes"},   {"TBy", "terabytes"},
    {"m", "meters"},        {"V", "volts"},
    {"A", "amperes"},       {"J", "joules"},
    {"W", "watts"},         {"g", "grams"},
    {"Cel", "celsius"},     {"Hz", "hertz"},
    {"%", "percent"},       {"1", ""},
    {"kBy", "kilobytes"},   {"kg", "kilograms"},
    {"bit", "bits"},
}};
constexpr std::array<Word, 7> kPerUnits = {{
    {"s", "second"},
    {"m", "minute"},
    {"h", "hour"},
    {"d", "day"},
    {"w", "week"},
    {"mo", "month"},
    {"y", "year"},
}};

// Runs of characters that `keep` takes, in order.
template <typename Keep>
std::vector<std::string> Words(std::string_view text, Keep keep) {
  std::vector<std::string> words;
  bool inside = false;
  for (const char c : text) {
    const bool kept = keep(c);
    if (kept && !inside) words.emplace_back();
    if (kept) words.back() += c;
    inside = kept;
  }
  return words;
}

std::string Join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) {
    if (!text.empty()) text += '_';
    text += word;
  }
  return text;
}

template <std::size_t kSize>
std::string UnitWord(std::string_view unit, const std::array<Word, kSize>& words) {
  unit = Trim(unit);
  // In braces stands what is counted, which is no unit.
  if (unit.find_first_of("{}") != std::string_view::npos) return "";
  const auto known = std::ranges::find(words, unit, &Word::first);
  if (known != words.end()) return std::string(known->second);
  return Join(Words(unit, IsAsciiAlphanumeric));
}

std::pair<std::string, std::string> UnitWords(std::string_view unit) {
  const std::size_t slash = unit.find('/');
  return {UnitWord(unit.substr(0, slash), kUnits),
          slash == std::string_view::npos ? "" : UnitWord(unit.substr(slash + 1), kPerUnits)};
}

void MoveToEnd(std::vector<std::string>& words, std::string_view word) {
  std::erase(words, word);
  words.emplace_back(word);
}

}  // namespace

std::string MetricName(std::string_view name, std::string_view unit, NameKind kind) {
  std::vector<std::string> words =
      Words(name, [](char c) { return IsAsciiAlphanumeric(c) || c == ':'; });
  if (words.empty()) return "";
  const auto [main, per] = UnitWords(unit);
  const auto has = [&](const std::string& word) {
    return std::ranges::find(words, word) != words.end();
  };
  const bool add_main = !main.empty() && !has(main);
  const bool add_per = !per.empty() && !has(per);
  if (add_main) words.push_back(main);
  if (add_per) words.insert(words.end(), {"per", per});
  if (kind == NameKind::kCounter) MoveToEnd(words, "total");
  if (kind == NameKind::kGauge && unit == "1") MoveToEnd(words, "ratio");
  std::string result = Join(words);
  if (result.front() >= '0' && result.front() <= '9') result.insert(0, 1, '_');
  return result;
}

std::string UnitName(std::string_view unit) {
  auto [main, per] = UnitWords(unit);
  if (per.empty()) return main;
  return main.empty() ? "per_" + per : main + "_per_" + per;
}

std::string LabelName(std::string_view key) {
  std::string name;
  name.reserve(key.size() + 4);
  for (const char c : key) {
    const char kept = IsAsciiAlphanumeric(c) ? c : '_';
    if (kept == '_' && name.ends_with('_')) continue;
    name += kept;
  }
  if (name == "_") return "";
  if (!name.empty() && name.front() >= '0' && name.front() <= '9') name.insert(0, "key_");
  return name;
}

}  // namespace enclave::observatory::ingest
