#include "cli/rca_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/quote.h"
#include "bench/rca/csv.h"
#include "bench/rca/evaluate.h"
#include "bench/rca/pack.h"
#include "bench/rca/report.h"
#include "bench/rca/scale.h"
#include "cli/output.h"
#include "cli/rca_live.h"
#include "incident/context_json.h"
#include "rca/diagnose.h"
#include "rca/diagnosis_json.h"
#include "rca/render.h"

namespace enclave::cli {
namespace {

namespace packs = bench::rca;

struct EvaluateCommand {
  std::vector<std::string> packs;
  std::string cases;
  std::string out;
  std::string markdown;
  std::vector<std::string> only;
  bool report = false;
  bool synthetic = false;
  OutputFormat output = OutputFormat::kText;
};

struct ExplainCommand {
  std::string pack;
  std::string case_id;
  std::string context;
  std::string save;
  std::string svg;
  std::string html;
  LiveOptions live;
  std::size_t most = 5;
  OutputFormat output = OutputFormat::kText;
};

base::Result<> WriteFile(const std::string& path, std::string_view text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(text.data(), static_cast<std::streamsize>(text.size()));
  file.close();
  if (!file)
    return base::Fail(base::ErrorKind::kUnavailable,
                      fmt::format("writing {}: {}", path, std::strerror(errno)));
  return {};
}

base::Result<std::vector<packs::Pack>> ReadPacks(const std::vector<std::string>& directories,
                                                 const std::string& cases) {
  std::vector<packs::Pack> found;
  for (const std::string& directory : directories) {
    if (!cases.empty()) {
      if (directories.size() > 1)
        return base::Fail(base::ErrorKind::kInvalidArgument,
                          "--cases names the cases of one pack: give one --pack with it");
      ASSIGN_OR_RETURN(packs::Pack pack, packs::ReadPack(directory, cases));
      found.push_back(std::move(pack));
      continue;
    }
    const std::vector<std::string> paths = packs::FindPacks(directory);
    if (paths.empty())
      return base::Fail(
          base::ErrorKind::kInvalidArgument,
          fmt::format("no pack at or below {}: a directory with a cases.json of incidents is one",
                      base::Quote(directory)));
    for (const std::string& path : paths) {
      ASSIGN_OR_RETURN(packs::Pack pack, packs::ReadPack(path));
      found.push_back(std::move(pack));
    }
  }
  return found;
}

void PrintTables(const std::vector<packs::Table>& tables) {
  for (const packs::Table& table : tables) {
    fmt::print("\n{}\n", Green(table.title));
    if (!table.note.empty()) fmt::print("{}\n", Dim(table.note));
    fmt::print("\n{}", FormatTable(table.rows));
  }
}

int RunSynthetic(OutputFormat output) {
  const auto result = packs::MeasureScale({}, base::SystemClock());
  if (!result) return Complain(result.error(), output);
  if (output == OutputFormat::kJson) {
    PrintJson({{"services", result->services},
               {"series", result->series},
               {"spans", result->spans},
               {"lines", result->lines},
               {"freeze_ms", result->freeze_ms},
               {"diagnose_ms", result->diagnose_ms},
               {"right", result->right}});
  } else {
    fmt::print(
        "{} services, {} series, {} spans, {} log lines: frozen in {:.0f} ms, diagnosed in {:.0f} "
        "ms; the injected fault is {}\n",
        result->services, result->series, result->spans, result->lines, result->freeze_ms,
        result->diagnose_ms, result->right ? "first" : "not first");
  }
  return result->right ? 0 : 1;
}

int RunEvaluate(const EvaluateCommand& command) {
  if (command.synthetic) return RunSynthetic(command.output);
  if (command.packs.empty())
    return Complain(base::Error(base::ErrorKind::kInvalidArgument,
                                "evaluating: give --pack DIR, or --synthetic"),
                    command.output);
  const auto found = ReadPacks(command.packs, command.cases);
  if (!found) return Complain(found.error(), command.output);
  packs::EvaluateOptions options{.perturb = command.report,
                                 .ablate = command.report,
                                 .remember = command.report,
                                 .only = command.only};
  if (::isatty(STDERR_FILENO) == 1)
    options.progress = [](std::size_t done, std::size_t all) {
      fmt::print(stderr, "\r{} of {} incidents{}", done, all, done == all ? "\n" : "");
    };
  const packs::Evaluation evaluation = packs::Evaluate(*found, options, base::SystemClock());
  if (!command.out.empty()) {
    std::string lines;
    for (const std::string& line : evaluation.predictions) lines += line + "\n";
    if (const auto written = WriteFile(command.out, lines); !written)
      return Complain(written.error(), command.output);
  }
  const std::vector<packs::Table> tables = packs::TablesOf(evaluation);
  if (!command.markdown.empty())
    if (const auto written = WriteFile(command.markdown, packs::ToMarkdown(tables)); !written)
      return Complain(written.error(), command.output);
  if (command.output == OutputFormat::kJson)
    PrintJson(packs::ToJson(evaluation));
  else
    PrintTables(tables);
  for (const std::string& error : evaluation.errors) fmt::print(stderr, "enclave: {}\n", error);
  return evaluation.failed == 0 ? 0 : 1;
}

base::Result<incident::Context> ContextOf(const ExplainCommand& command) {
  if (!command.context.empty()) {
    ASSIGN_OR_RETURN(const std::string json,
                     packs::ReadFile(command.context, incident::kMostContextBytes));
    auto context = incident::ContextFromJson(json);
    if (!context) return base::Fail(context.error().While(command.context));
    return context;
  }
  if (command.pack.empty() && command.case_id.empty())
    return FreezeLive(command.live, base::SystemClock());
  if (command.pack.empty() || command.case_id.empty())
    return base::Fail(base::ErrorKind::kInvalidArgument,
                      "explaining an incident of a file: give --pack DIR and --case ID");
  ASSIGN_OR_RETURN(const std::vector<packs::Pack> found, ReadPacks({command.pack}, ""));
  for (const packs::Pack& pack : found) {
    const auto entry = std::ranges::find(pack.cases, command.case_id, &packs::CaseEntry::id);
    if (entry == pack.cases.end()) continue;
    ASSIGN_OR_RETURN(packs::LoadedCase loaded, packs::LoadCase(pack.directory, *entry));
    ASSIGN_OR_RETURN(packs::Answer answer,
                     packs::Ask(loaded, packs::Perturbation::kNone, {}, base::SystemClock()));
    return std::move(answer.context);
  }
  return base::Fail(base::ErrorKind::kNotFound,
                    fmt::format("no case {} in {}; the first are {}", base::Quote(command.case_id),
                                command.pack, [&] {
                                  std::string some;
                                  for (const packs::Pack& pack : found)
                                    if (!pack.cases.empty())
                                      some += (some.empty() ? "" : ", ") + pack.cases.front().id;
                                  return some;
                                }()));
}

std::string Joined(const std::vector<std::string>& parts, std::string_view between) {
  std::string joined;
  for (const std::string& part : parts) {
    if (!joined.empty()) joined += between;
    joined += part;
  }
  return joined;
}

// "██████░░░░ 57 %"
std::string Bar(double share) {
  constexpr int kCells = 10;
  const int full = std::clamp(static_cast<int>(std::lround(share * kCells)), 0, kCells);
  std::string bar;
  for (int cell = 0; cell < kCells; ++cell) bar += cell < full ? "█" : "░";
  return fmt::format("{} {:3.0f} %", bar, 100 * share);
}

void PrintDiagnosis(const incident::Context& context, const rca::Diagnosis& diagnosis,
                    std::size_t most) {
  fmt::print("{}\n", diagnosis.summary.empty() ? "Nothing speaks for any service."
                                               : Red(diagnosis.summary));
  fmt::print(
      "{}\n\n",
      Dim(fmt::format(
          "alert{}{} at {}, began {}", context.alert.name.empty() ? "" : " " + context.alert.name,
          context.alert.service.empty() ? "" : " of " + context.alert.service,
          rca::FormatTime(context.alert.time_ns), rca::FormatTime(context.during.from_ns))));
  std::vector<std::vector<std::string>> rows{
      {"", "SERVICE", "KIND", "CONFIDENCE", "PLACE", "PATH"}};
  const std::size_t shown = std::min(most, diagnosis.ranking.size());
  for (std::size_t i = 0; i < shown; ++i) {
    const rca::Hypothesis& hypothesis = diagnosis.ranking[i];
    rows.push_back({fmt::format("{}", i + 1), i == 0 ? Red(hypothesis.service) : hypothesis.service,
                    hypothesis.evidence.empty() ? "-" : std::string(ToString(hypothesis.kind)),
                    Bar(hypothesis.confidence), hypothesis.component,
                    Joined(hypothesis.path, " → ")});
  }
  fmt::print("{}", FormatTable(rows));
  for (std::size_t i = 0; i < shown; ++i) {
    const rca::Hypothesis& hypothesis = diagnosis.ranking[i];
    if (hypothesis.evidence.empty()) continue;
    fmt::print("\n{}{}\n", i == 0 ? Green(hypothesis.service) : hypothesis.service,
               hypothesis.lost_because.empty() ? "" : Dim(": " + hypothesis.lost_because));
    for (const rca::Cited& cited : hypothesis.evidence)
      fmt::print("  {:<5} {:+6.2f}  {}\n", cited.id, cited.weight, cited.sentence);
  }
  if (!context.missing.empty())
    fmt::print("\n{}\n", Dim("missing: " + Joined(context.missing, "; ")));
}

int RunExplain(const ExplainCommand& command) {
  const auto context = ContextOf(command);
  if (!context) return Complain(context.error(), command.output);
  const rca::Diagnosis diagnosis = rca::Diagnose(*context);
  const auto write = [&](const std::string& path, const auto& make) -> base::Result<> {
    if (path.empty()) return {};
    return WriteFile(path, make());
  };
  for (const auto& written :
       {write(command.save, [&] { return incident::ContextToJson(*context); }),
        write(command.svg, [&] { return rca::ToSvg(*context, diagnosis); }),
        write(command.html, [&] { return rca::ToHtml(*context, diagnosis); })})
    if (!written) return Complain(written.error(), command.output);
  if (command.output == OutputFormat::kJson)
    PrintJson(rca::ToJson(diagnosis));
  else
    PrintDiagnosis(*context, diagnosis, command.most);
  return 0;
}

void AddRcaOutput(CLI::App* command, OutputFormat* output) {
  command->add_option("-o,--output", *output, "text or json")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, OutputFormat>{{"text", OutputFormat::kText},
                                              {"json", OutputFormat::kJson}},
          CLI::ignore_case))
      ->option_text("FORMAT");
}

void AddEvaluate(CLI::App* command, EvaluateCommand* options) {
  command
      ->add_option("--pack", options->packs,
                   "A pack of labelled incidents, or a directory with several (repeatable)")
      ->option_text("DIR");
  command
      ->add_option("--cases", options->cases,
                   "Which of them, and their labels (default: cases.json of the pack)")
      ->option_text("FILE");
  command->add_option("--out", options->out, "Write predictions here, one JSON object per line")
      ->option_text("FILE.jsonl");
  command->add_flag("--report", options->report,
                    "Also with signals missing or wrong, with each kind of evidence ignored, and "
                    "with memory of the incidents");
  command->add_option("--markdown", options->markdown, "Write the tables here as Markdown")
      ->option_text("FILE.md");
  command->add_option("--case", options->only, "Only this case (repeatable)")->option_text("ID");
  command->add_flag("--synthetic", options->synthetic,
                    "Instead: time 1,000 services, 100,000 series and a million spans");
  AddRcaOutput(command, &options->output);
  command->footer(
      "Examples:\n"
      "  enclave rca evaluate --pack packs --report --markdown bench/results/rca.md\n"
      "  enclave rca evaluate --pack packs/petshop-dev --out predictions.jsonl\n");
}

void AddExplain(CLI::App* command, ExplainCommand* options) {
  command->add_option("--pack", options->pack, "The pack, or a directory with several")
      ->option_text("DIR");
  command->add_option("--case", options->case_id, "The incident")->option_text("ID");
  command
      ->add_option("--context", options->context,
                   "A frozen incident instead, as --save-context and the agent write it")
      ->option_text("FILE.json");
  LiveOptions& live = options->live;
  live.last = "10m";
  const auto url = [&](const char* name, std::string* into, const char* whose) {
    command->add_option(name, *into, fmt::format("Ask {} here; else the running enclave", whose))
        ->option_text("URL");
  };
  url("--prometheus", &live.prometheus, "Prometheus");
  url("--loki", &live.loki, "Loki");
  url("--tempo", &live.tempo, "Tempo");
  command->add_option("--kubeconfig", live.kubeconfig, "The cluster beside them")
      ->option_text("FILE");
  command->add_option("--token", live.token, "Bearer token for the three")
      ->option_text("TOKEN")
      ->envname("ENCLAVE_TELEMETRY_TOKEN");
  command->add_option("--tenant", live.tenant, "X-Scope-OrgID for the three")->option_text("ID");
  command->add_option("--at", live.at, "When it was noticed; else now")->option_text("TIME");
  command->add_option("--last", live.last, "How far to look back")->capture_default_str();
  command->add_option("--service", live.service, "Whose users suffer, when that is known")
      ->option_text("NAME");
  command
      ->add_option("--state", live.state,
                   "State directory of the enclave (default: $ENCLAVE_STATE, else "
                   "~/.local/state/enclave)")
      ->option_text("DIR");
  command->add_option("--save-context", options->save, "Write the frozen incident here")
      ->option_text("FILE.json");
  command->add_option("--svg", options->svg, "Write a picture of it here")->option_text("FILE.svg");
  command->add_option("--html", options->html, "Write a page with picture and evidence here")
      ->option_text("FILE.html");
  command->add_option("--top", options->most, "How many hypotheses to show")->capture_default_str();
  AddRcaOutput(command, &options->output);
  command->footer(
      "Examples:\n"
      "  enclave rca explain --last 5m --service frontend\n"
      "  enclave rca explain --prometheus http://prom:9090 --loki http://loki:3100 "
      "--tempo http://tempo:3200 --kubeconfig ~/.kube/config\n"
      "  enclave rca explain --pack packs --case ts-0129-02 --html incident.html\n"
      "  enclave rca explain --context incident.json -o json\n");
}

}  // namespace

std::function<int()> AddRca(CLI::App& app) {
  CLI::App* rca = app.add_subcommand("rca", "Root causes of incidents, live or from files");
  rca->require_subcommand(1);
  const auto evaluate = std::make_shared<EvaluateCommand>();
  CLI::App* evaluate_command =
      rca->add_subcommand("evaluate", "Ask the engine about labelled incidents, and score it");
  AddEvaluate(evaluate_command, evaluate.get());
  const auto explain = std::make_shared<ExplainCommand>();
  CLI::App* explain_command =
      rca->add_subcommand("explain", "Show what the engine concludes of one incident, and why");
  AddExplain(explain_command, explain.get());
  return [=] { return *evaluate_command ? RunEvaluate(*evaluate) : RunExplain(*explain); };
}

}  // namespace enclave::cli
