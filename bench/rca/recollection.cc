#include "bench/rca/recollection.h"

#include <fmt/format.h>
#include <stdlib.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <map>
#include <utility>

#include "memory/diagnosis.h"
#include "rca/diagnose.h"

namespace enclave::bench::rca {
namespace {

using enclave::rca::Diagnosis;
using enclave::rca::Hypothesis;

memory::Outcome SaidByAPerson(const memory::Cause& cause, bool good, std::int64_t time_ns) {
  return {.about = memory::About::kCause,
          .cause = cause,
          .good = good,
          .sayer = memory::Sayer::kHuman,
          .said_by = "label",
          .time_ns = time_ns};
}

memory::Fingerprint FingerprintOf(const incident::Context& context, const Diagnosis& diagnosis) {
  return memory::FingerprintOf(context, memory::WeighedOf(diagnosis));
}

memory::Incident IncidentOf(const std::string& id, const incident::Context& context,
                            const Diagnosis& diagnosis) {
  memory::Incident incident;
  incident.id = id;
  incident.time_ns = context.alert.time_ns;
  incident.fingerprint = FingerprintOf(context, diagnosis);
  incident.summary = memory::SummaryOf(context);
  if (!diagnosis.ranking.empty()) {
    const Hypothesis& first = diagnosis.ranking.front();
    incident.cause = {first.service, std::string(ToString(first.kind))};
    incident.confidence = std::clamp(first.confidence, 0.0, 1.0);
  }
  return incident;
}

bool IsRight(const Diagnosis& diagnosis, const memory::Cause& cause) {
  return !diagnosis.ranking.empty() && diagnosis.ranking.front().service == cause.service;
}

}  // namespace

base::Result<std::unique_ptr<Recollection>> Recollection::Create() {
  std::error_code error;
  std::string directory =
      (std::filesystem::temp_directory_path(error) / "enclave-memory-XXXXXX").string();
  if (error || ::mkdtemp(directory.data()) == nullptr)
    return base::Fail(base::ErrorKind::kUnavailable,
                      fmt::format("making a directory {}: {}", directory, std::strerror(errno)));
  std::unique_ptr<Recollection> made(new Recollection(directory));
  ASSIGN_OR_RETURN(made->memory_, memory::Memory::Open({.directory = directory}, made->clock_));
  return made;
}

Recollection::~Recollection() {
  memory_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

base::Result<> Recollection::Remember(const std::string& id, const incident::Context& context,
                                      const Diagnosis& diagnosis, const memory::Cause& cause) {
  memory::Incident incident = IncidentOf(id, context, diagnosis);
  // Nothing was seen: nothing to remember it by.
  if (incident.fingerprint.empty()) return {};
  clock_.now_ns = incident.time_ns;
  RETURN_IF_ERROR(memory_->Record(incident));
  return memory_->Say(id, SaidByAPerson(cause, true, incident.time_ns));
}

base::Result<> Recollection::Poison(const std::string& id, const incident::Context& context,
                                    const Diagnosis& diagnosis, const memory::Cause& wrong,
                                    const memory::Cause& cause, std::size_t times) {
  const memory::Incident truth = IncidentOf(id, context, diagnosis);
  if (truth.fingerprint.empty()) return {};
  clock_.now_ns = truth.time_ns;
  std::size_t made = 0;
  const auto next = [&]() -> base::Result<std::optional<memory::Incident>> {
    if (made == times) return std::nullopt;
    memory::Incident lie = truth;
    lie.id = fmt::format("{} lie {}", id, made);
    // Each a little different, so that none counts as the same as another.
    auto& values = lie.fingerprint.values;
    values[made % values.size()] += 0.002F;
    double square = 0;
    for (const float value : values) square += static_cast<double>(value) * value;
    for (float& value : values)
      value = static_cast<float>(static_cast<double>(value) / std::sqrt(square));
    lie.cause = wrong;
    lie.outcomes = {SaidByAPerson(cause, false, truth.time_ns)};
    ++made;
    return lie;
  };
  RETURN_IF_ERROR(memory_->ledger().Merge(next));
  // Said one by one, so that the lies also vouch for each other.
  for (std::size_t i = 0; i < times; ++i)
    RETURN_IF_ERROR(
        memory_->Say(fmt::format("{} lie {}", id, i), SaidByAPerson(wrong, true, truth.time_ns)));
  return {};
}

base::Result<Diagnosis> Recollection::Reconsider(const incident::Context& context,
                                                 const Diagnosis& diagnosis,
                                                 const std::string& without) {
  clock_.now_ns = context.alert.time_ns;
  ASSIGN_OR_RETURN(const auto recalled,
                   memory_->Recall(FingerprintOf(context, diagnosis),
                                   {.without = without, .unseen = memory::UnseenOf(context)}));
  const auto priors = memory::PriorOf(recalled);
  if (priors.empty()) return diagnosis;
  return enclave::rca::Diagnose(context, {.priors = memory::EnginePriors(priors)});
}

void Repeats::Add(bool has_evidence, bool without, bool with, bool with_likes) {
  ++asked;
  right_without += without ? 1 : 0;
  right_with += with ? 1 : 0;
  mended += !without && with ? 1 : 0;
  blind += !without && !has_evidence ? 1 : 0;
  spoiled += without && !with ? 1 : 0;
  right_with_likes += with_likes ? 1 : 0;
  spoiled_by_likes += without && !with_likes ? 1 : 0;
}

void Repeats::Add(const Repeats& other) {
  asked += other.asked;
  right_without += other.right_without;
  right_with += other.right_with;
  mended += other.mended;
  blind += other.blind;
  spoiled += other.spoiled;
  right_with_likes += other.right_with_likes;
  spoiled_by_likes += other.spoiled_by_likes;
}

void Lies::Add(const Lies& other) {
  asked += other.asked;
  right_without += other.right_without;
  right_with += other.right_with;
  clear += other.clear;
  clear_changed += other.clear_changed;
}

double LeadOf(const Diagnosis& diagnosis) {
  if (diagnosis.ranking.size() < 2) return std::numeric_limits<double>::infinity();
  return std::log(diagnosis.ranking[0].confidence / diagnosis.ranking[1].confidence);
}

bool IsPlain(const Diagnosis& diagnosis) {
  return !diagnosis.ranking.empty() && LeadOf(diagnosis) >= enclave::rca::kPlainLead &&
         diagnosis.ranking.front().confidence >= enclave::rca::kPlainConfidence;
}

MemoryEvaluator::MemoryEvaluator(std::size_t packs, std::vector<std::string> variants)
    : packs_(packs), variants_(std::move(variants)) {}

void MemoryEvaluator::Add(std::size_t pack, const CaseEntry& entry, const Truth& truth,
                          const Answer& plain, std::vector<Answer> repeats) {
  kept_.push_back({.pack = pack,
                   .id = entry.id,
                   .cause = {truth.service, truth.fault_type},
                   .plain = plain,
                   .repeats = std::move(repeats)});
}

base::Result<MemoryReport> MemoryEvaluator::Run() {
  MemoryReport report{.variants = variants_, .packs = std::vector<MemoryReport::OfPack>(packs_)};
  for (MemoryReport::OfPack& pack : report.packs) {
    pack.repeats.resize(variants_.size());
    pack.lies.resize(variants_.size());
  }
  // In the order in which they happened.
  std::ranges::sort(kept_, {}, [](const Kept& kept) {
    return std::pair(kept.plain.context.alert.time_ns, kept.id);
  });
  std::vector<std::vector<std::pair<memory::Fingerprint, std::string>>> labelled(packs_);
  ASSIGN_OR_RETURN(const auto recollection, Recollection::Create());
  for (const Kept& kept : kept_) {
    const auto& [context, diagnosis, ms] = kept.plain;
    labelled[kept.pack].emplace_back(FingerprintOf(context, diagnosis),
                                     kept.cause.service + "/" + kept.cause.kind);
    RETURN_IF_ERROR(recollection->Remember(kept.id, context, diagnosis, kept.cause));
  }
  for (std::size_t pack = 0; pack < packs_; ++pack)
    report.packs[pack].twins = memory::EvaluateLeaveOneOut(labelled[pack]);
  RETURN_IF_ERROR(AskRepeats(*recollection, report));
  RETURN_IF_ERROR(AskLies(report));
  return report;
}

base::Result<> MemoryEvaluator::AskRepeats(Recollection& recollection, MemoryReport& report) const {
  for (const Kept& kept : kept_)
    for (std::size_t i = 0; i < kept.repeats.size(); ++i) {
      const auto& [context, diagnosis, ms] = kept.repeats[i];
      ASSIGN_OR_RETURN(const Diagnosis with, recollection.Reconsider(context, diagnosis));
      ASSIGN_OR_RETURN(const Diagnosis likes, recollection.Reconsider(context, diagnosis, kept.id));
      report.packs[kept.pack].repeats[i].Add(!FingerprintOf(context, diagnosis).empty(),
                                             IsRight(diagnosis, kept.cause),
                                             IsRight(with, kept.cause), IsRight(likes, kept.cause));
    }
  return {};
}

base::Result<> MemoryEvaluator::AskLies(MemoryReport& report) const {
  constexpr std::size_t kTimes = 12;
  ASSIGN_OR_RETURN(const auto recollection, Recollection::Create());
  for (const Kept& kept : kept_) {
    // The strongest that is not to blame: the lie that is easiest to believe.
    const auto& ranking = kept.plain.diagnosis.ranking;
    const auto wrong = std::ranges::find_if(ranking, [&](const Hypothesis& hypothesis) {
      return hypothesis.service != kept.cause.service && !hypothesis.evidence.empty();
    });
    if (wrong == ranking.end()) continue;
    RETURN_IF_ERROR(recollection->Poison(kept.id, kept.plain.context, kept.plain.diagnosis,
                                         {wrong->service, std::string(ToString(wrong->kind))},
                                         kept.cause, kTimes));
  }
  for (const Kept& kept : kept_)
    for (std::size_t i = 0; i < kept.repeats.size(); ++i) {
      const auto& [context, diagnosis, ms] = kept.repeats[i];
      ASSIGN_OR_RETURN(const Diagnosis with, recollection->Reconsider(context, diagnosis));
      Lies& lies = report.packs[kept.pack].lies[i];
      ++lies.asked;
      lies.right_without += IsRight(diagnosis, kept.cause) ? 1 : 0;
      lies.right_with += IsRight(with, kept.cause) ? 1 : 0;
      if (!IsPlain(diagnosis)) continue;
      ++lies.clear;
      lies.clear_changed +=
          with.ranking.front().service != diagnosis.ranking.front().service ? 1 : 0;
    }
  return {};
}

}  // namespace enclave::bench::rca
