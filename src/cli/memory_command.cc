#include "cli/memory_command.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <fstream>
#include <istream>
#include <nlohmann/json.hpp>

#include "base/executor.h"
#include "cli/state.h"
#include "kube/time.h"
#include "memory/exchange.h"
#include "memory/memory.h"

namespace enclave::cli {
namespace {

using base::ErrorKind;
using base::Fail;
using base::Result;
using nlohmann::json;

constexpr std::int64_t kNsPerSecond = 1'000'000'000;

std::string MemoryDirectory(const StatePaths& paths) {
  return (paths.root / "memory").string();
}

Result<std::unique_ptr<memory::Ledger>> OpenLedger(const MemoryCommandOptions& options,
                                                   bool create) {
  ASSIGN_OR_RETURN(const StatePaths paths, ResolveState(options.state));
  // Whatever it has: a memory with text embeddings is listed like any other.
  return memory::Ledger::Open({.directory = MemoryDirectory(paths),
                               .dimensions = create ? memory::kEvidenceDimensions : 0,
                               .create = create});
}

std::int64_t NowNs() {
  return base::SystemClock().WallNow().time_since_epoch().count();
}

std::string Age(std::int64_t time_ns) {
  return FormatAge((NowNs() - time_ns) / kNsPerSecond);
}

std::string TimeText(std::int64_t time_ns) {
  return kube::FormatTime(base::WallTime(std::chrono::nanoseconds(time_ns)));
}

std::string CauseText(const memory::Cause& cause) {
  if (cause.service.empty()) return "-";
  return cause.kind.empty() ? cause.service : fmt::format("{}: {}", cause.service, cause.kind);
}

// "confirmed", "refuted 2, confirmed", "restart helped"
std::string OutcomesText(const memory::Incident& incident) {
  std::size_t confirmed = 0;
  std::size_t refuted = 0;
  std::size_t helped = 0;
  std::size_t did_not = 0;
  for (const memory::Outcome& outcome : incident.outcomes) {
    if (outcome.about == memory::About::kCause)
      ++(outcome.good ? confirmed : refuted);
    else
      ++(outcome.good ? helped : did_not);
  }
  std::string text;
  const auto add = [&](std::size_t count, std::string_view what) {
    if (count == 0) return;
    if (!text.empty()) text += ", ";
    text += count == 1 ? std::string(what) : fmt::format("{} {}", what, count);
  };
  add(confirmed, "confirmed");
  add(refuted, "refuted");
  add(helped, "action helped");
  add(did_not, "action did not help");
  return text.empty() ? "-" : text;
}

json ToJson(const memory::Incident& incident) {
  json value = json::parse(memory::IncidentLine(incident));
  value.erase("fingerprint");
  const memory::Cause cause = memory::EffectiveCause(incident);
  value["cause"] = {{"service", cause.service}, {"kind", cause.kind}};
  return value;
}

int ListMemory(const MemoryCommandOptions& options) {
  const auto ledger = OpenLedger(options, false);
  if (!ledger) return Complain(ledger.error(), options.output);
  const auto incidents = (*ledger)->List({.service = options.service, .limit = options.limit});
  const auto size = (*ledger)->Size();
  if (!incidents || !size)
    return Complain(incidents ? size.error() : incidents.error(), options.output);
  if (options.output == OutputFormat::kJson) {
    json items = json::array();
    for (const auto& incident : *incidents) items.push_back(ToJson(incident));
    PrintJson({{"items", std::move(items)}, {"size", *size}});
    return 0;
  }
  std::vector<std::vector<std::string>> rows{{"INCIDENT", "AGE", "CAUSE", "CONFIDENCE", "OUTCOME"}};
  for (const auto& incident : *incidents)
    rows.push_back({incident.id, Age(incident.time_ns), CauseText(memory::EffectiveCause(incident)),
                    fmt::format("{:.0f} %", 100 * incident.confidence), OutcomesText(incident)});
  fmt::print("{}{}\n", FormatTable(rows),
             Dim(fmt::format("{} of {} remembered", incidents->size(), *size)));
  return 0;
}

int ShowMemory(const MemoryCommandOptions& options) {
  const auto ledger = OpenLedger(options, false);
  if (!ledger) return Complain(ledger.error(), options.output);
  const auto incident = (*ledger)->Get(options.ids.front());
  if (!incident) return Complain(incident.error(), options.output);
  if (options.output == OutputFormat::kJson) {
    PrintJson(ToJson(*incident));
    return 0;
  }
  fmt::print("{}",
             FormatTable({{"incident", incident->id},
                          {"time", fmt::format("{} ({} ago)", TimeText(incident->time_ns),
                                               Age(incident->time_ns))},
                          {"concluded", fmt::format("{} ({:.0f} %)", CauseText(incident->cause),
                                                    100 * incident->confidence)},
                          {"cause now", CauseText(memory::EffectiveCause(*incident))}}));
  if (!incident->outcomes.empty()) {
    std::vector<std::vector<std::string>> rows{{"", ""}, {"SAID", "BY", "WHEN"}};
    for (const auto& outcome : incident->outcomes) {
      const bool cause = outcome.about == memory::About::kCause;
      const char* verdict = cause ? (outcome.good ? "confirmed" : "refuted")
                                  : (outcome.good ? "helped" : "did not help");
      rows.push_back({fmt::format("{} {}", cause ? CauseText(outcome.cause) : outcome.action,
                                  outcome.good ? Green(verdict) : Red(verdict)),
                      fmt::format("{} ({})", outcome.said_by, memory::ToString(outcome.sayer)),
                      TimeText(outcome.time_ns)});
    }
    fmt::print("{}", FormatTable(rows));
  }
  const json summary = json::parse(incident->summary, nullptr, /*allow_exceptions=*/false);
  if (summary.is_object() && summary.contains("evidence") && summary["evidence"].is_array()) {
    fmt::print("\nEVIDENCE\n");
    for (const json& sentence : summary["evidence"])
      if (sentence.is_string()) fmt::print("{}\n", sentence.get<std::string>());
  }
  std::vector<std::vector<std::string>> rows{{"FINGERPRINT", "WEIGHT", "FEATURE"}};
  constexpr std::size_t kMostShown = 15;
  for (const auto& feature : incident->fingerprint.features) {
    if (rows.size() > kMostShown) break;
    rows.push_back({std::string(memory::ToString(feature.family)),
                    fmt::format("{:.2f}", feature.weight), feature.key});
  }
  fmt::print("\n{}", FormatTable(rows));
  return 0;
}

int RecallMemory(const MemoryCommandOptions& options) {
  const auto paths = ResolveState(options.state);
  if (!paths) return Complain(paths.error(), options.output);
  auto memory =
      memory::Memory::Open({.directory = MemoryDirectory(*paths), .dimensions = 0, .create = false},
                           base::SystemClock());
  if (!memory) return Complain(memory.error(), options.output);
  const std::string& id = options.ids.front();
  const auto incident = (*memory)->ledger().Get(id);
  if (!incident) return Complain(incident.error(), options.output);
  const auto recalled = (*memory)->Recall(incident->fingerprint, {.k = options.k, .without = id});
  if (!recalled) return Complain(recalled.error(), options.output);
  const auto priors = memory::PriorOf(*recalled);
  if (options.output == OutputFormat::kJson) {
    json items = json::array();
    for (const auto& item : *recalled) {
      json reasons = json::array();
      for (const auto& reason : item.reasons)
        reasons.push_back({{"family", memory::ToString(reason.family)},
                           {"share", reason.share},
                           {"features", reason.keys}});
      json one = ToJson(item.incident);
      one.erase("features");
      one["similarity"] = item.similarity;
      one["ageWeight"] = item.age_weight;
      one["trust"] = item.trust;
      one["reasons"] = std::move(reasons);
      items.push_back(std::move(one));
    }
    json adds = json::array();
    for (const auto& prior : priors)
      adds.push_back({{"service", prior.service},
                      {"kind", prior.kind},
                      {"share", prior.share},
                      {"doubt", prior.doubt},
                      {"memories", prior.memories}});
    PrintJson({{"items", std::move(items)}, {"priors", std::move(adds)}});
    return 0;
  }
  std::vector<std::vector<std::string>> rows{
      {"INCIDENT", "ALIKE", "AGE", "CAUSE", "OUTCOME", "BECAUSE OF"}};
  for (const auto& item : *recalled) {
    std::string because;
    for (const auto& reason : item.reasons) {
      if (reason.share < 0.1) break;
      because += fmt::format("{}{} {:.0f} %{}", because.empty() ? "" : ", ",
                             memory::ToString(reason.family), 100 * reason.share,
                             reason.keys.empty() ? "" : fmt::format(" ({})", reason.keys.front()));
    }
    rows.push_back({item.incident.id, fmt::format("{:.2f}", item.similarity),
                    Age(item.incident.time_ns), CauseText(item.cause), OutcomesText(item.incident),
                    because});
  }
  fmt::print("{}", FormatTable(rows));
  if (recalled->empty()) fmt::print("nothing that is remembered looks like {}\n", id);
  for (const auto& prior : priors)
    fmt::print("{}: {:+.0f} %, by {} {}\n", CauseText({prior.service, prior.kind}),
               100 * (prior.share - prior.doubt), prior.memories.size(),
               prior.memories.size() == 1 ? "memory" : "memories");
  return 0;
}

// "36h", "90d", "2w"
Result<std::int64_t> ParseSpanNs(std::string_view text) {
  std::int64_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(parsed.ptr, text.data() + text.size());
  std::int64_t seconds = 0;
  if (unit == "h") seconds = 3600;
  if (unit == "d") seconds = 86400;
  if (unit == "w") seconds = 7 * 86400;
  constexpr std::int64_t kMost = 10'000;
  if (parsed.ec != std::errc() || seconds == 0 || number <= 0 || number > kMost)
    return Fail(ErrorKind::kInvalidArgument,
                "--older-than must be a number of hours, days or weeks, as 36h, 90d or 2w");
  return number * seconds * kNsPerSecond;
}

int ForgetMemory(const MemoryCommandOptions& options) {
  if (options.ids.empty() && options.older_than.empty() && options.keep == 0)
    return Complain(
        base::Error(ErrorKind::kInvalidArgument, "say what to forget: ids, --older-than or --keep"),
        options.output);
  const auto ledger = OpenLedger(options, false);
  if (!ledger) return Complain(ledger.error(), options.output);
  std::uint64_t forgotten = 0;
  const auto add = [&](const Result<std::uint64_t>& count) -> Result<> {
    if (!count) return Fail(count.error());
    forgotten += *count;
    return {};
  };
  Result<> done;
  if (!options.ids.empty()) {
    // All or nothing: a wrong id is said before anything is gone.
    for (const std::string& id : options.ids)
      if (const auto found = (*ledger)->Get(id); done && !found) done = Fail(found.error());
    if (done) done = add((*ledger)->Forget(options.ids));
  }
  if (done && !options.older_than.empty()) {
    const auto span = ParseSpanNs(options.older_than);
    done = span ? add((*ledger)->ForgetOlderThan(NowNs() - *span)) : Fail(span.error());
  }
  if (done && options.keep != 0) done = add((*ledger)->ForgetDownTo(options.keep));
  if (!done) return Complain(done.error(), options.output);
  if (options.output == OutputFormat::kJson)
    PrintJson({{"forgotten", forgotten}});
  else
    fmt::print("{} forgotten\n", forgotten);
  return 0;
}

int ExportMemory(const MemoryCommandOptions& options) {
  const auto ledger = OpenLedger(options, false);
  if (!ledger) return Complain(ledger.error(), options.output);
  const bool to_terminal = options.file.empty() || options.file == "-";
  // Beside it first: an export that breaks off leaves what was there.
  const std::string next = options.file + ".next";
  std::ofstream file;
  if (!to_terminal) file.open(next, std::ios::trunc | std::ios::binary);
  const auto cannot = [&](const std::string& name) {
    return Fail(ErrorKind::kUnavailable, fmt::format("cannot write {}", name));
  };
  auto count = memory::Export(**ledger, [&](std::string_view line) -> Result<> {
    if (to_terminal) {
      fmt::print("{}\n", line);
      return {};
    }
    file << line << '\n';
    if (!file) return cannot(next);
    return {};
  });
  if (count && !to_terminal) {
    file.close();
    std::error_code error;
    if (file) std::filesystem::rename(next, options.file, error);
    if (!file || error) count = cannot(options.file);
  }
  if (!count) return Complain(count.error(), options.output);
  if (to_terminal) return 0;
  if (options.output == OutputFormat::kJson)
    PrintJson({{"exported", *count}, {"file", options.file}});
  else
    fmt::print("{} incidents exported to {}\n", *count, options.file);
  return 0;
}

int ImportMemory(const MemoryCommandOptions& options) {
  std::ifstream file;
  const bool from_terminal = options.file.empty() || options.file == "-";
  if (from_terminal)
    file.open("/dev/stdin", std::ios::binary);
  else
    file.open(options.file, std::ios::binary);
  if (!file)
    return Complain(
        base::Error(ErrorKind::kInvalidArgument, fmt::format("cannot read {}", options.file)),
        options.output);
  const auto ledger = OpenLedger(options, true);
  if (!ledger) return Complain(ledger.error(), options.output);
  const auto merged = memory::Import(**ledger, [&]() -> Result<std::optional<std::string>> {
    std::string line;
    if (std::getline(file, line)) return line;
    if (file.bad()) return Fail(ErrorKind::kUnavailable, "reading " + options.file + " failed");
    return std::nullopt;
  });
  if (!merged) return Complain(merged.error().While(options.file), options.output);
  if (options.output == OutputFormat::kJson)
    PrintJson({{"added", merged->added}, {"known", merged->known}, {"outcomes", merged->outcomes}});
  else
    fmt::print("{} incidents added, {} were known, {} outcomes added\n", merged->added,
               merged->known, merged->outcomes);
  return 0;
}

}  // namespace

MemoryCommand::MemoryCommand(CLI::App& app)
    : command_(app.add_subcommand("memory",
                                  "What is remembered of incidents, and what came of "
                                  "them")) {
  MemoryCommandOptions* options = options_.get();
  command_->require_subcommand(1);
  const auto add = [&](const char* name, const char* description, const char* examples) {
    CLI::App* sub = command_->add_subcommand(name, description);
    sub->add_option("--state", options->state,
                    "The enclave's directory (default: $ENCLAVE_STATE, else "
                    "~/.local/state/enclave)");
    sub->add_option("-o,--output", options->output, "text or json")
        ->transform(CLI::CheckedTransformer(
            std::map<std::string, OutputFormat>{{"text", OutputFormat::kText},
                                                {"json", OutputFormat::kJson}},
            CLI::ignore_case))
        ->option_text("FORMAT");
    sub->footer(examples);
    return sub;
  };
  CLI::App* list = add("list", "The newest incidents, their causes and outcomes",
                       "Examples:\n  enclave memory list\n"
                       "  enclave memory list --service cart --limit 10 -o json\n");
  list->add_option("--service", options->service, "Only those concluded to be of this service");
  list->add_option("--limit", options->limit, "At most so many")
      ->capture_default_str()
      ->check(CLI::Range(1, 100'000));
  CLI::App* show = add("show", "One incident: its evidence, what was concluded and what was said",
                       "Example:\n  enclave memory show INCIDENT\n");
  show->add_option("ID", options->ids, "The incident")->required()->expected(1);
  CLI::App* recall = add("recall", "Incidents that looked like one, why, and what they would add",
                         "Example:\n  enclave memory recall INCIDENT -k 3 -o json\n");
  recall->add_option("ID", options->ids, "The incident")->required()->expected(1);
  recall->add_option("-k", options->k, "At most so many")
      ->capture_default_str()
      ->check(CLI::Range(1, 100));
  CLI::App* forget = add("forget", "Forget incidents by id, by age, or down to a number",
                         "Examples:\n  enclave memory forget INCIDENT\n"
                         "  enclave memory forget --older-than 90d\n"
                         "  enclave memory forget --keep 10000     the least useful go first\n");
  forget->add_option("ID", options->ids, "Incidents");
  forget->add_option("--older-than", options->older_than, "Those older than 36h, 90d, 2w")
      ->option_text("SPAN");
  forget->add_option("--keep", options->keep, "The least useful, until so many are left")
      ->check(CLI::PositiveNumber);
  CLI::App* out = add("export", "The whole memory as JSON Lines",
                      "Examples:\n  enclave memory export memory.jsonl\n"
                      "  enclave memory export | gzip > memory.jsonl.gz\n");
  out->add_option("FILE", options->file, "- or nothing: standard output");
  CLI::App* in = add("import",
                     "Adds an exported memory to this one: all of it, or with one wrong "
                     "line nothing",
                     "Examples:\n  enclave memory import memory.jsonl\n"
                     "  zcat memory.jsonl.gz | enclave memory import -\n\n"
                     "What is known already stays as it is, so that it can be repeated.\n");
  in->add_option("FILE", options->file, "- for standard input")->required();
}

bool MemoryCommand::called() const {
  return command_->parsed();
}

int MemoryCommand::Run() const {
  const auto subcommands = command_->get_subcommands();
  const std::string name = subcommands.empty() ? "" : subcommands.front()->get_name();
  if (name == "list") return ListMemory(*options_);
  if (name == "show") return ShowMemory(*options_);
  if (name == "recall") return RecallMemory(*options_);
  if (name == "forget") return ForgetMemory(*options_);
  if (name == "export") return ExportMemory(*options_);
  return ImportMemory(*options_);
}

}  // namespace enclave::cli
