#include "bench/rca/pack.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/quote.h"
#include "bench/rca/csv.h"
#include "bench/rca/nezha.h"
#include "bench/rca/petshop.h"

namespace enclave::bench::rca {
namespace {

using Json = nlohmann::json;
using base::ErrorKind;

const Json& At(const Json& object, std::string_view key) {
  static const Json null;
  if (!object.is_object()) return null;
  const auto at = object.find(key);
  return at == object.end() ? null : *at;
}

std::string Text(const Json& object, std::string_view key) {
  const Json& value = At(object, key);
  return value.is_string() ? value.get<std::string>() : "";
}

std::vector<std::string> Texts(const Json& object, std::string_view key) {
  std::vector<std::string> texts;
  const Json& value = At(object, key);
  if (value.is_array())
    for (const Json& item : value)
      if (item.is_string()) texts.push_back(item.get<std::string>());
  return texts;
}

// Files are named relative to the pack and stay inside it.
bool IsInside(const std::string& path) {
  const std::filesystem::path normal = std::filesystem::path(path).lexically_normal();
  return normal.is_relative() && !normal.string().starts_with("..");
}

base::Result<CaseEntry> ParseEntry(const Json& json) {
  constexpr std::int64_t kMostSeconds = 9'000'000'000;  // nanoseconds of 64 bits
  CaseEntry entry;
  entry.id = Text(json, "id");
  if (entry.id.empty()) return base::Fail(ErrorKind::kInvalidArgument, "a case without an id");
  const Json& time = At(json, "inject_time");
  if (!time.is_number() || time.get<double>() < 0 ||
      time.get<double>() > static_cast<double>(kMostSeconds))
    return base::Fail(ErrorKind::kInvalidArgument,
                      fmt::format("{}: inject_time is no time in seconds", entry.id));
  entry.alert_time_ns = static_cast<std::int64_t>(time.get<double>() * 1e3) * 1'000'000;
  entry.date = Text(json, "date");
  const Json& target = At(json, "target");
  entry.alert_service = Text(target, "node");
  entry.alert_name = Text(target, "metric");
  const Json& files = At(json, "files");
  entry.metric_dir = Text(files, "metric_dir");
  entry.metric = Texts(files, "metric");
  entry.trace = Texts(files, "trace");
  entry.log = Texts(files, "log");
  entry.traceid = Texts(files, "traceid");
  entry.graph = Text(files, "graph");
  entry.normal_metric = Text(files, "normal");
  const Json& normal = At(json, "normal");
  entry.normal_trace = Text(normal, "trace");
  entry.normal_log = Text(normal, "log");
  entry.missing = Texts(json, "missing");
  std::vector<std::string> all{entry.metric_dir, entry.graph, entry.normal_metric,
                               entry.normal_trace, entry.normal_log};
  for (const auto* more : {&entry.metric, &entry.trace, &entry.log})
    all.insert(all.end(), more->begin(), more->end());
  for (const std::string& path : all)
    if (!path.empty() && !IsInside(path))
      return base::Fail(ErrorKind::kInvalidArgument,
                        fmt::format("{}: {} leads out of the pack", entry.id, base::Quote(path)));
  return entry;
}

}  // namespace

void Skip(LoadedCase& loaded, std::string_view file, std::size_t line, std::string_view why) {
  // The last are the likeliest: rows of one file follow each other.
  for (std::size_t i = loaded.skipped.size(); i-- > 0;) {
    SkippedRows& skipped = loaded.skipped[i];
    if (skipped.file != file || skipped.why != why) continue;
    ++skipped.rows;
    return;
  }
  loaded.skipped.push_back({std::string(file), std::string(why), line, 1});
}

base::Result<Pack> ParsePack(std::string_view json, const std::string& directory,
                             std::string_view file) {
  const Json root = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  const Json& cases = At(root, "cases");
  if (!cases.is_array())
    return base::Fail(ErrorKind::kInvalidArgument,
                      fmt::format("{}: no JSON object with a list \"cases\"", file));
  Pack pack{.name = Text(root, "dataset"), .directory = directory};
  for (std::size_t i = 0; i < cases.size(); ++i) {
    auto entry = ParseEntry(cases[i]);
    if (!entry) return base::Fail(entry.error().While(fmt::format("{}: case {}", file, i + 1)));
    pack.truths[entry->id] = {.service = Text(cases[i], "service"),
                              .fault_type = Text(cases[i], "fault_type"),
                              .fault_kind = Text(cases[i], "fault_kind"),
                              .inner = Texts(cases[i], "inner")};
    std::vector<std::string> candidates = Texts(cases[i], "candidates");
    pack.candidates[entry->id] =
        candidates.empty() ? Texts(root, "candidates") : std::move(candidates);
    pack.labels_are_symptoms = pack.labels_are_symptoms || !entry->alert_name.empty();
    pack.cases.push_back(*std::move(entry));
  }
  return pack;
}

base::Result<Pack> ReadPack(const std::string& directory, const std::string& cases_file) {
  const std::string file = cases_file.empty() ? directory + "/cases.json" : cases_file;
  ASSIGN_OR_RETURN(const std::string json, ReadFile(file));
  return ParsePack(json, directory, file);
}

std::vector<std::string> FindPacks(const std::string& directory) {
  namespace fs = std::filesystem;
  std::vector<std::string> found;
  std::error_code error;
  const auto look = [&](const fs::path& path) {
    const auto pack = ReadPack(path.string());
    // Packs of another purpose (log templates) have a cases.json too.
    if (pack && std::ranges::any_of(pack->cases, [](const CaseEntry& entry) {
          return !entry.metric_dir.empty() || !entry.metric.empty();
        }))
      found.push_back(path.string());
  };
  look(directory);
  constexpr int kDepth = 2;
  fs::recursive_directory_iterator at(directory, error);
  for (const auto end = fs::recursive_directory_iterator(); !error && at != end;
       at.increment(error)) {
    if (!at->is_directory(error)) continue;
    if (at.depth() + 1 >= kDepth) at.disable_recursion_pending();
    if (fs::exists(at->path() / "cases.json", error)) {
      look(at->path());
      at.disable_recursion_pending();
    }
  }
  std::ranges::sort(found);
  return found;
}

base::Result<LoadedCase> LoadCase(const std::string& directory, const CaseEntry& entry) {
  if (!entry.metric_dir.empty()) return LoadNezhaCase(directory, entry);
  if (!entry.metric.empty()) return LoadPetShopCase(directory, entry);
  return base::Fail(ErrorKind::kInvalidArgument,
                    fmt::format("loading case {} of {}: it names neither a directory nor files of "
                                "metrics, so its format is unknown",
                                base::Quote(entry.id), directory));
}

}  // namespace enclave::bench::rca
