#include "bench/rca/memory_tables.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace enclave::bench::rca {
namespace {

double PartOf(std::size_t part, std::size_t whole) {
  return whole == 0 ? 1.0 : static_cast<double>(part) / static_cast<double>(whole);
}

std::string ShareText(std::size_t part, std::size_t whole) {
  if (whole == 0) return "-";
  const Interval interval = WilsonInterval(part, whole);
  return fmt::format("{:.3f} ({}/{}) [{:.2f}, {:.2f}]", PartOf(part, whole), part, whole,
                     interval.low, interval.high);
}

memory::LeaveOneOut SumOf(const memory::LeaveOneOut& a, const memory::LeaveOneOut& b) {
  return {.with_twin = a.with_twin + b.with_twin,
          .first = a.first + b.first,
          .among = a.among + b.among};
}

// Of one variant, over all packs.
Repeats OfVariant(const MemoryReport& report, std::size_t variant) {
  Repeats sum;
  for (const MemoryReport::OfPack& pack : report.packs) sum.Add(pack.repeats[variant]);
  return sum;
}

Repeats AllRepeats(const MemoryReport& report) {
  Repeats sum;
  for (std::size_t i = 0; i < report.variants.size(); ++i) sum.Add(OfVariant(report, i));
  return sum;
}

Table TwinsTable(const Evaluation& evaluation) {
  Table table{.title = "Memory: are incidents of the same cause recalled",
              .note =
                  "Each incident against all others of its pack; the same cause is the same "
                  "service and type of fault. Incidents with no other of their cause are not "
                  "counted.",
              .rows = {{"pack", "is the nearest", "is among the nearest three"}}};
  const auto add = [&](const std::string& name, const memory::LeaveOneOut& twins) {
    table.rows.push_back(
        {name, ShareText(twins.first, twins.with_twin), ShareText(twins.among, twins.with_twin)});
  };
  memory::LeaveOneOut all;
  for (std::size_t i = 0; i < evaluation.packs.size(); ++i) {
    add(evaluation.packs[i], evaluation.memory->packs[i].twins);
    all = SumOf(all, evaluation.memory->packs[i].twins);
  }
  if (evaluation.packs.size() > 1) add("all", all);
  return table;
}

Table RepeatsTable(const Evaluation& evaluation) {
  Table table{
      .title = "Memory: incidents that come again, with something wrong or missing",
      .note =
          "AC@1 over all packs. Remembered is every incident as it is, with its cause confirmed. "
          "Mended: wrong without memory and right with it, of all that was wrong; blind: of those "
          "that were wrong, where no evidence at all is left; spoiled: right without memory and "
          "wrong with it. Likes alone: the incident itself is not remembered, only the others.",
      .rows = {{"repeat", "without memory", "with memory", "mended", "blind", "spoiled",
                "likes alone", "spoiled by likes"}}};
  const auto add = [&](const std::string& name, const Repeats& repeats) {
    table.rows.push_back(
        {name, ShareText(repeats.right_without, repeats.asked),
         fmt::format("{:.3f}", PartOf(repeats.right_with, repeats.asked)),
         fmt::format("{} of {}", repeats.mended, repeats.asked - repeats.right_without),
         fmt::format("{}", repeats.blind), fmt::format("{}", repeats.spoiled),
         fmt::format("{:.3f}", PartOf(repeats.right_with_likes, repeats.asked)),
         fmt::format("{}", repeats.spoiled_by_likes)});
  };
  const MemoryReport& report = *evaluation.memory;
  for (std::size_t i = 0; i < report.variants.size(); ++i)
    add(report.variants[i], OfVariant(report, i));
  add("all", AllRepeats(report));
  return table;
}

Table LiesTable(const Evaluation& evaluation) {
  Table table{
      .title = "Memory: full of lies",
      .note = fmt::format(
          "Twelve memories of each incident, as it was, in which people confirmed another service "
          "and refuted the true one; asked again as it was, and with something wrong or missing. "
          "Clear is what leads by {:.1f} nats or more and is likelier than all else together, "
          "without memory.",
          enclave::rca::kPlainLead),
      .rows = {{"pack", "AC@1 without memory", "AC@1 with lies", "clear", "clear and changed"}}};
  const auto add = [&](const std::string& name, const Lies& lies) {
    table.rows.push_back({name, ShareText(lies.right_without, lies.asked),
                          ShareText(lies.right_with, lies.asked), fmt::format("{}", lies.clear),
                          fmt::format("{}", lies.clear_changed)});
  };
  const MemoryReport& report = *evaluation.memory;
  for (std::size_t i = 0; i < evaluation.packs.size(); ++i)
    add(evaluation.packs[i], report.packs[i].lies.front());
  for (std::size_t variant = 0; variant < report.variants.size(); ++variant) {
    Lies all;
    for (const MemoryReport::OfPack& pack : report.packs) all.Add(pack.lies[variant]);
    add("all, " + report.variants[variant], all);
  }
  return table;
}

}  // namespace

std::vector<Table> MemoryTables(const Evaluation& evaluation) {
  if (!evaluation.memory) return {};
  return {TwinsTable(evaluation), RepeatsTable(evaluation), LiesTable(evaluation)};
}

nlohmann::json MemoryJson(const Evaluation& evaluation) {
  if (!evaluation.memory) return nullptr;
  const MemoryReport& report = *evaluation.memory;
  const auto of_repeats = [](const Repeats& repeats) {
    return nlohmann::json{{"asked", repeats.asked},
                          {"right_without", repeats.right_without},
                          {"right_with", repeats.right_with},
                          {"mended", repeats.mended},
                          {"blind", repeats.blind},
                          {"spoiled", repeats.spoiled},
                          {"right_with_likes", repeats.right_with_likes},
                          {"spoiled_by_likes", repeats.spoiled_by_likes}};
  };
  nlohmann::json json{{"repeats", of_repeats(AllRepeats(report))}};
  for (std::size_t i = 0; i < report.packs.size(); ++i) {
    const auto& [twins, repeats, lies] = report.packs[i];
    const auto of_lies = [](const Lies& asked) {
      return nlohmann::json{{"asked", asked.asked},
                            {"right_without", asked.right_without},
                            {"right_with", asked.right_with},
                            {"clear", asked.clear},
                            {"clear_changed", asked.clear_changed}};
    };
    nlohmann::json& pack = json["packs"][evaluation.packs[i]];
    pack["twins"] = {
        {"with_twin", twins.with_twin}, {"first", twins.first}, {"among_three", twins.among}};
    for (std::size_t k = 0; k < repeats.size(); ++k) {
      pack["repeats"][report.variants[k]] = of_repeats(repeats[k]);
      pack["lies"][report.variants[k]] = of_lies(lies[k]);
    }
  }
  return json;
}

}  // namespace enclave::bench::rca
