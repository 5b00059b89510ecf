#include "bench/rca/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "bench/rca/memory_tables.h"

namespace enclave::bench::rca {
namespace {

using enclave::rca::Family;

constexpr std::array kPerturbations = {Perturbation::kAlertEarly, Perturbation::kAlertLate,
                                       Perturbation::kNoMetrics,  Perturbation::kNoLogs,
                                       Perturbation::kNoTraces,   Perturbation::kSpansDropped};

struct NamedFamily {
  Family family;
  std::string_view name;
};
constexpr std::array kFamilies = {
    NamedFamily{Family::kMetrics, "metrics"}, NamedFamily{Family::kOperations, "operations"},
    NamedFamily{Family::kEdges, "edges"},     NamedFamily{Family::kFlows, "flows"},
    NamedFamily{Family::kLogs, "logs"},       NamedFamily{Family::kTraces, "traces"},
    NamedFamily{Family::kFacts, "facts"},     NamedFamily{Family::kChanges, "changes"}};

struct Counts {
  std::size_t all = 0;
  std::array<std::size_t, 6> within{};  // [k]: the truth is among the first k
  std::size_t kind_right = 0;           // of those right at the first place
  std::size_t inner_labelled = 0;
  std::size_t inner_right = 0;

  void Add(const Outcome& outcome) {
    ++all;
    for (std::size_t k = 1; k < within.size(); ++k)
      if (outcome.rank != 0 && outcome.rank <= k) ++within[k];
    if (outcome.rank == 1 && outcome.kind_right) ++kind_right;
    if (outcome.inner_right) {
      ++inner_labelled;
      if (*outcome.inner_right) ++inner_right;
    }
  }
};

double Share(std::size_t hits, std::size_t all) {
  return all == 0 ? 0 : static_cast<double>(hits) / static_cast<double>(all);
}

// ".957 (22/23) [.79, .99]"
std::string Shown(std::size_t hits, std::size_t all) {
  if (all == 0) return "-";
  const Interval interval = WilsonInterval(hits, all);
  return fmt::format("{:.3f} ({}/{}) [{:.2f}, {:.2f}]", Share(hits, all), hits, all, interval.low,
                     interval.high);
}

Counts CountAll(const Variant& variant) {
  Counts counts;
  for (const auto& pack : variant.packs)
    for (const Outcome& outcome : pack) counts.Add(outcome);
  return counts;
}

std::vector<Outcome> AllOf(const Variant& variant) {
  std::vector<Outcome> all;
  for (const auto& pack : variant.packs) std::ranges::copy(pack, std::back_inserter(all));
  return all;
}

std::vector<std::string> AccuracyRow(std::string pack, std::string type, const Counts& counts) {
  return {std::move(pack),
          std::move(type),
          Shown(counts.within[1], counts.all),
          fmt::format("{:.3f}", Share(counts.within[3], counts.all)),
          fmt::format("{:.3f}", Share(counts.within[5], counts.all)),
          Shown(counts.kind_right, counts.within[1]),
          Shown(counts.inner_right, counts.inner_labelled)};
}

Table AccuracyTable(const Evaluation& evaluation) {
  Table table{.title = "Is the cause found",
              .note =
                  "Share of cases whose true service is among the first k, with Wilson's 95 % "
                  "interval; kind: of the cases with the right service first; inner: of the "
                  "cases with such a label, service and place right.",
              .rows = {{"pack", "fault", "AC@1", "AC@3", "AC@5", "kind", "inner"}}};
  for (std::size_t i = 0; i < evaluation.packs.size(); ++i) {
    std::map<std::string, Counts> by_type;
    Counts all;
    for (const Outcome& outcome : evaluation.plain.packs[i]) {
      by_type[outcome.fault_type].Add(outcome);
      all.Add(outcome);
    }
    for (const auto& [type, counts] : by_type)
      table.rows.push_back(AccuracyRow(evaluation.packs[i], type, counts));
    table.rows.push_back(AccuracyRow(evaluation.packs[i], "all", all));
  }
  if (evaluation.packs.size() > 1)
    table.rows.push_back(AccuracyRow("all", "all", CountAll(evaluation.plain)));
  return table;
}

Table MissesTable(const Evaluation& evaluation) {
  Table table{.title = "Not right at the first place",
              .rows = {{"case", "fault", "truth", "rank", "first", "confidence", "kind"}}};
  for (const Outcome& outcome : AllOf(evaluation.plain))
    if (outcome.rank != 1)
      table.rows.push_back({outcome.id, outcome.fault_type, outcome.truth,
                            outcome.rank == 0 ? "-" : fmt::format("{}", outcome.rank),
                            outcome.first, fmt::format("{:.2f}", outcome.confidence),
                            outcome.kind});
  return table;
}

Table InnerTable(const Evaluation& evaluation) {
  Table table{.title = "Service right, kind or place not",
              .rows = {{"case", "fault", "kind said", "kind right", "place said", "place right"}}};
  const auto yes = [](bool right) { return right ? "yes" : "no"; };
  for (const Outcome& outcome : AllOf(evaluation.plain))
    if (outcome.rank == 1 && (!outcome.kind_right || !outcome.inner_right.value_or(true)))
      table.rows.push_back({outcome.id, outcome.fault_type, outcome.kind, yes(outcome.kind_right),
                            outcome.component, yes(outcome.inner_right.value_or(true))});
  return table;
}

Table VariantTable(std::string title, std::string note, const Evaluation& evaluation,
                   const std::vector<Variant>& variants) {
  Table table{.title = std::move(title), .note = std::move(note), .rows = {{"variant"}}};
  for (const std::string& pack : evaluation.packs) table.rows[0].push_back(pack);
  table.rows[0].insert(table.rows[0].end(), {"all AC@1", "change", "all AC@3"});
  const Counts plain = CountAll(evaluation.plain);
  const auto add = [&](const Variant& variant) {
    std::vector<std::string> row{variant.name};
    for (const auto& pack : variant.packs) {
      Counts counts;
      for (const Outcome& outcome : pack) counts.Add(outcome);
      row.push_back(fmt::format("{:.3f}", Share(counts.within[1], counts.all)));
    }
    const Counts all = CountAll(variant);
    const double change = Share(all.within[1], all.all) - Share(plain.within[1], plain.all);
    row.push_back(fmt::format("{:.3f}", Share(all.within[1], all.all)));
    row.push_back(std::abs(change) < 0.0005 ? "0" : fmt::format("{:+.3f}", change));
    row.push_back(fmt::format("{:.3f}", Share(all.within[3], all.all)));
    table.rows.push_back(std::move(row));
  };
  add(evaluation.plain);
  for (const Variant& variant : variants) add(variant);
  return table;
}

std::vector<double> TimesOf(const Variant& variant) {
  std::vector<double> times;
  for (const auto& pack : variant.packs)
    for (const Outcome& outcome : pack) times.push_back(outcome.ms);
  std::ranges::sort(times);
  return times;
}

double Quantile(const std::vector<double>& sorted, double share) {
  if (sorted.empty()) return 0;
  const auto place =
      static_cast<std::size_t>(std::ceil(share * static_cast<double>(sorted.size())));
  return sorted[std::clamp<std::size_t>(place, 1, sorted.size()) - 1];
}

Table TimeTable(const Evaluation& evaluation) {
  Table table{.title = "Time for an incident, data in memory",
              .note =
                  "Milliseconds from the telemetry ports to the ranking, two threads, after one "
                  "run to warm up.",
              .rows = {{"pack", "cases", "p50", "p90", "p99", "max"}}};
  const auto add = [&](const std::string& name, std::vector<double> times) {
    std::ranges::sort(times);
    table.rows.push_back(
        {name, fmt::format("{}", times.size()), fmt::format("{:.2f}", Quantile(times, 0.5)),
         fmt::format("{:.2f}", Quantile(times, 0.9)), fmt::format("{:.2f}", Quantile(times, 0.99)),
         fmt::format("{:.2f}", times.empty() ? 0 : times.back())});
  };
  for (std::size_t i = 0; i < evaluation.packs.size(); ++i) {
    std::vector<double> times;
    for (const Outcome& outcome : evaluation.plain.packs[i]) times.push_back(outcome.ms);
    add(evaluation.packs[i], std::move(times));
  }
  if (evaluation.packs.size() > 1) add("all", TimesOf(evaluation.plain));
  return table;
}

constexpr std::size_t kBins = 10;
std::size_t BinOf(double confidence) {
  return std::min(static_cast<std::size_t>(std::max(confidence, 0.0) * kBins), kBins - 1);
}

Table CalibrationTable(const Evaluation& evaluation) {
  const std::vector<Outcome> outcomes = AllOf(evaluation.plain);
  Table table{.title = fmt::format("Confidence: expected calibration error {:.3f}",
                                   ExpectedCalibrationError(outcomes)),
              .rows = {{"confidence", "cases", "mean confidence", "right"}}};
  for (std::size_t bin = 0; bin < kBins; ++bin) {
    std::size_t all = 0;
    std::size_t right = 0;
    double sum = 0;
    for (const Outcome& outcome : outcomes)
      if (BinOf(outcome.confidence) == bin) {
        ++all;
        sum += outcome.confidence;
        if (outcome.rank == 1) ++right;
      }
    if (all == 0) continue;
    table.rows.push_back({fmt::format("{:.1f} to {:.1f}", static_cast<double>(bin) / kBins,
                                      static_cast<double>(bin + 1) / kBins),
                          fmt::format("{}", all),
                          fmt::format("{:.3f}", sum / static_cast<double>(all)),
                          Shown(right, all)});
  }
  return table;
}

// A case that could not be asked about.
Outcome Failed(const CaseEntry& entry, const Truth& truth) {
  Outcome outcome{.id = entry.id, .fault_type = truth.fault_type, .truth = truth.service};
  if (!truth.inner.empty()) outcome.inner_right = false;
  return outcome;
}

class Evaluator {
 public:
  Evaluator(const std::vector<Pack>& packs, const EvaluateOptions& options, base::Clock& clock)
      : packs_(packs), options_(options), clock_(clock) {}

  Evaluation Run() {
    Prepare();
    std::size_t done = 0;
    std::size_t all = 0;
    for (const Pack& pack : packs_)
      for (const CaseEntry& entry : pack.cases) all += Wanted(entry) ? 1 : 0;
    for (std::size_t i = 0; i < packs_.size(); ++i)
      for (const CaseEntry& entry : packs_[i].cases) {
        if (!Wanted(entry)) continue;
        RunCase(i, entry);
        if (options_.progress) options_.progress(++done, all);
      }
    if (memory_) {
      auto report = memory_->Run();
      if (report)
        evaluation_.memory = *std::move(report);
      else
        Complain(report.error());
    }
    return std::move(evaluation_);
  }

 private:
  bool Wanted(const CaseEntry& entry) const {
    return options_.only.empty() ||
           std::ranges::find(options_.only, entry.id) != options_.only.end();
  }

  void Prepare() {
    const auto make = [&](std::string_view name) {
      return Variant{.name = std::string(name),
                     .packs = std::vector<std::vector<Outcome>>(packs_.size())};
    };
    for (const Pack& pack : packs_) evaluation_.packs.push_back(pack.name);
    evaluation_.plain = make(ToString(Perturbation::kNone));
    if (options_.perturb)
      for (const Perturbation perturbation : kPerturbations)
        evaluation_.perturbed.push_back(make(ToString(perturbation)));
    if (options_.ablate)
      for (const NamedFamily& family : kFamilies)
        evaluation_.ablated.push_back(make(fmt::format("without {}", family.name)));
    if (!options_.remember || !options_.perturb) return;
    std::vector<std::string> repeats{evaluation_.plain.name};
    for (const Variant& variant : evaluation_.perturbed) repeats.push_back(variant.name);
    memory_.emplace(packs_.size(), std::move(repeats));
  }

  void RunCase(std::size_t place, const CaseEntry& entry) {
    const Pack& pack = packs_[place];
    const Truth& truth = pack.truths.at(entry.id);
    auto loaded = LoadCase(pack.directory, entry);
    if (loaded) {
      std::ranges::copy(loaded->skipped, std::back_inserter(evaluation_.skipped));
      // The first run warms caches and the allocator; the second is timed.
      if (const auto warm = Ask(*loaded, Perturbation::kNone, {}, clock_, &workers_); !warm)
        Complain(warm.error());
    } else {
      Complain(loaded.error());
    }
    const auto ask = [&](Variant& variant, Perturbation perturbation,
                         const enclave::rca::Options& options) -> std::optional<Answer> {
      std::optional<Answer> answer;
      if (loaded)
        if (auto given = Ask(*loaded, perturbation, options, clock_, &workers_))
          answer = *std::move(given);
      variant.packs[place].push_back(
          answer ? Compare(*answer, entry, truth, pack.labels_are_symptoms) : Failed(entry, truth));
      return answer;
    };
    const auto plain = ask(evaluation_.plain, Perturbation::kNone, {});
    if (plain)
      evaluation_.predictions.push_back(
          PredictionLine(*plain, evaluation_.plain.packs[place].back()));
    else
      ++evaluation_.failed;
    std::vector<Answer> repeats{plain.value_or(Answer{})};
    for (std::size_t i = 0; i < evaluation_.perturbed.size(); ++i)
      repeats.push_back(ask(evaluation_.perturbed[i], kPerturbations[i], {}).value_or(Answer{}));
    if (memory_ && plain) memory_->Add(place, entry, truth, *plain, std::move(repeats));
    for (std::size_t i = 0; i < evaluation_.ablated.size(); ++i) {
      // The context is the same; only the diagnosis is made again.
      Outcome outcome = Failed(entry, truth);
      if (plain) {
        Answer without{.context = plain->context};
        without.diagnosis =
            enclave::rca::Diagnose(plain->context, {.without = {kFamilies[i].family}});
        outcome = Compare(without, entry, truth, pack.labels_are_symptoms);
      }
      evaluation_.ablated[i].packs[place].push_back(std::move(outcome));
    }
  }

  void Complain(const base::Error& error) { evaluation_.errors.push_back(error.message()); }

  const std::vector<Pack>& packs_;
  const EvaluateOptions& options_;
  base::Clock& clock_;
  telemetry::ThreadWorkers workers_{"evidence", 1, 16};  // beside the thread that asks
  Evaluation evaluation_;
  std::optional<MemoryEvaluator> memory_;  // where it is asked for
};

nlohmann::json JsonOf(const Counts& counts) {
  const Interval interval = WilsonInterval(counts.within[1], counts.all);
  nlohmann::json json{{"cases", counts.all},
                      {"ac1", Share(counts.within[1], counts.all)},
                      {"ac3", Share(counts.within[3], counts.all)},
                      {"ac5", Share(counts.within[5], counts.all)},
                      {"ac1_ci95", {interval.low, interval.high}}};
  if (counts.within[1] > 0) json["kind"] = Share(counts.kind_right, counts.within[1]);
  if (counts.inner_labelled > 0) json["inner"] = Share(counts.inner_right, counts.inner_labelled);
  return json;
}

nlohmann::json JsonOf(const Evaluation& evaluation, const Variant& variant) {
  nlohmann::json json{{"name", variant.name}, {"all", JsonOf(CountAll(variant))}};
  for (std::size_t i = 0; i < variant.packs.size(); ++i) {
    std::map<std::string, Counts> by_type;
    Counts all;
    for (const Outcome& outcome : variant.packs[i]) {
      by_type[outcome.fault_type].Add(outcome);
      all.Add(outcome);
    }
    nlohmann::json& pack = json["packs"][evaluation.packs[i]];
    pack = JsonOf(all);
    for (const auto& [type, counts] : by_type) pack["faults"][type] = JsonOf(counts);
  }
  return json;
}

}  // namespace

Interval WilsonInterval(std::size_t hits, std::size_t all) {
  if (all == 0) return {0, 1};
  constexpr double kZ = 1.96;
  const auto n = static_cast<double>(all);
  const double share = Share(hits, all);
  const double scale = 1 + kZ * kZ / n;
  const double centre = share + kZ * kZ / (2 * n);
  const double half = kZ * std::sqrt(share * (1 - share) / n + kZ * kZ / (4 * n * n));
  return {std::max(0.0, (centre - half) / scale), std::min(1.0, (centre + half) / scale)};
}

double ExpectedCalibrationError(const std::vector<Outcome>& outcomes) {
  std::array<double, kBins> confidence{};
  std::array<double, kBins> right{};
  for (const Outcome& outcome : outcomes) {
    const std::size_t bin = BinOf(outcome.confidence);
    confidence[bin] += outcome.confidence;
    right[bin] += outcome.rank == 1 ? 1 : 0;
  }
  double sum = 0;
  for (std::size_t bin = 0; bin < kBins; ++bin) sum += std::abs(confidence[bin] - right[bin]);
  return outcomes.empty() ? 0 : sum / static_cast<double>(outcomes.size());
}

Evaluation Evaluate(const std::vector<Pack>& packs, const EvaluateOptions& options,
                    base::Clock& clock) {
  return Evaluator(packs, options, clock).Run();
}

std::vector<Table> TablesOf(const Evaluation& evaluation) {
  std::vector<Table> tables{AccuracyTable(evaluation), CalibrationTable(evaluation),
                            TimeTable(evaluation)};
  if (!evaluation.perturbed.empty())
    tables.push_back(VariantTable("With something wrong or missing",
                                  "AC@1 for each pack; of PetShop nothing is left without metrics.",
                                  evaluation, evaluation.perturbed));
  if (!evaluation.ablated.empty())
    tables.push_back(VariantTable("What each kind of evidence is worth",
                                  "AC@1 for each pack with one kind of evidence ignored.",
                                  evaluation, evaluation.ablated));
  std::ranges::move(MemoryTables(evaluation), std::back_inserter(tables));
  for (Table table : {MissesTable(evaluation), InnerTable(evaluation)})
    if (table.rows.size() > 1) tables.push_back(std::move(table));
  return tables;
}

std::string ToMarkdown(const std::vector<Table>& tables) {
  std::string text;
  for (const Table& table : tables) {
    text += fmt::format("## {}\n\n", table.title);
    if (!table.note.empty()) text += table.note + "\n\n";
    for (std::size_t i = 0; i < table.rows.size(); ++i) {
      for (const std::string& cell : table.rows[i]) {
        text += "| ";
        for (const char c : cell) text += c == '|' || c == '\n' ? ' ' : c;
        text += ' ';
      }
      text += "|\n";
      if (i > 0) continue;
      for (std::size_t column = 0; column < table.rows[0].size(); ++column) text += "|---";
      text += "|\n";
    }
    text += '\n';
  }
  return text;
}

nlohmann::json ToJson(const Evaluation& evaluation) {
  nlohmann::json json{{"plain", JsonOf(evaluation, evaluation.plain)},
                      {"perturbed", nlohmann::json::array()},
                      {"ablated", nlohmann::json::array()},
                      {"memory", MemoryJson(evaluation)},
                      {"calibration_error", ExpectedCalibrationError(AllOf(evaluation.plain))},
                      {"cases", nlohmann::json::array()},
                      {"errors", evaluation.errors}};
  for (const Variant& variant : evaluation.perturbed)
    json["perturbed"].push_back(JsonOf(evaluation, variant));
  for (const Variant& variant : evaluation.ablated)
    json["ablated"].push_back(JsonOf(evaluation, variant));
  const std::vector<double> times = TimesOf(evaluation.plain);
  json["ms"] = {{"p50", Quantile(times, 0.5)},
                {"p99", Quantile(times, 0.99)},
                {"max", times.empty() ? 0 : times.back()}};
  for (const Outcome& outcome : AllOf(evaluation.plain)) {
    nlohmann::json one{{"case", outcome.id},         {"fault", outcome.fault_type},
                       {"truth", outcome.truth},     {"rank", outcome.rank},
                       {"first", outcome.first},     {"confidence", outcome.confidence},
                       {"kind", outcome.kind},       {"kind_right", outcome.kind_right},
                       {"inner", outcome.component}, {"ms", outcome.ms}};
    if (outcome.inner_right) one["inner_right"] = *outcome.inner_right;
    json["cases"].push_back(std::move(one));
  }
  return json;
}

}  // namespace enclave::bench::rca
