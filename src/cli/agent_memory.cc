#include "cli/agent_memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <utility>

#include "base/log.h"
#include "memory/diagnosis.h"

namespace enclave::cli {

using base::ErrorKind;
using base::Result;

namespace {

// The context's id is INCIDENT-SECONDS (agent_parts.cc).
std::string IncidentOf(const incident::Context& context) {
  return context.id.substr(0, context.id.rfind('-'));
}

// The directory may be a volume's, which cannot be renamed itself.
Result<> SetAside(const std::string& directory, const base::Clock& clock) {
  namespace fs = std::filesystem;
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(clock.WallNow().time_since_epoch());
  std::error_code error;
  for (const char* name : {"memory.db", "memory.db-wal", "memory.db-shm", "memory.hnsw"}) {
    const fs::path from = fs::path(directory) / name;
    if (!fs::exists(from, error)) continue;
    fs::rename(from, fs::path(directory) / fmt::format("damaged-{}.{}", seconds.count(), name),
               error);
    if (error)
      return base::Fail(
          ErrorKind::kUnavailable,
          fmt::format("setting the damaged memory {} aside: {}", from.string(), error.message()));
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<AgentMemory>> AgentMemory::Open(const std::string& directory,
                                                       const base::Clock& clock) {
  auto memory = memory::Memory::Open({.directory = directory}, clock);
  if (!memory && memory.error().kind() == ErrorKind::kInternal) {
    base::LogError("agent", "the memory is damaged; it is set aside, and another begins",
                   {{"directory", directory}, {"error", memory.error().message()}});
    RETURN_IF_ERROR(SetAside(directory, clock));
    memory = memory::Memory::Open({.directory = directory}, clock);
  }
  if (!memory) return base::Fail(std::move(memory).error());
  return std::unique_ptr<AgentMemory>(new AgentMemory(*std::move(memory)));
}

std::vector<memory::Recalled> AgentMemory::Alike(const incident::Context& context,
                                                 const rca::Diagnosis& diagnosis) {
  const memory::Fingerprint fingerprint =
      memory::FingerprintOf(context, memory::WeighedOf(diagnosis));
  if (fingerprint.empty()) return {};
  auto recalled = memory_->Recall(
      fingerprint, {.without = IncidentOf(context), .unseen = memory::UnseenOf(context)});
  if (recalled) return *std::move(recalled);
  base::LogWarning("agent", "the memory recalls nothing", {{"error", recalled.error().message()}});
  return {};
}

rca::Diagnosis AgentMemory::Diagnose(const incident::Context& context) {
  rca::Diagnosis plain = rca::Diagnose(context);
  const rca::Options options{.priors =
                                 memory::EnginePriors(memory::PriorOf(Alike(context, plain)))};
  rca::Diagnosis diagnosis =
      options.priors.empty() ? std::move(plain) : rca::Diagnose(context, options);
  const std::lock_guard lock(mutex_);
  if (diagnoses_.size() >= kMostKept) diagnoses_.erase(diagnoses_.begin());
  diagnoses_[context.id] = diagnosis;
  return diagnosis;
}

std::vector<agent::Past> AgentMemory::Recall(const incident::Context& context) {
  rca::Diagnosis diagnosis;
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = diagnoses_.find(context.id); found != diagnoses_.end())
      diagnosis = found->second;
  }
  std::vector<agent::Past> past;
  for (const memory::Recalled& recalled : Alike(context, diagnosis))
    for (const memory::Outcome& outcome : recalled.incident.outcomes)
      if (outcome.about == memory::About::kAction)
        past.push_back({.incident = recalled.incident.id,
                        .similarity = recalled.similarity,
                        .service = outcome.cause.service,
                        .cause = outcome.cause.kind,
                        .action = outcome.action,
                        .helped = outcome.good});
  return past;
}

Result<> AgentMemory::Remember(const std::string& incident, const incident::Context& context,
                               const rca::Diagnosis& diagnosis) {
  memory::Incident record{
      .id = incident,
      .time_ns = context.alert.time_ns,
      .fingerprint = memory::FingerprintOf(context, memory::WeighedOf(diagnosis)),
      .summary = memory::SummaryOf(context)};
  if (record.fingerprint.empty()) return {};  // nothing to know it again by
  if (!diagnosis.ranking.empty()) {
    record.cause = {.service = diagnosis.ranking.front().service,
                    .kind = std::string(rca::ToString(diagnosis.ranking.front().kind))};
    record.confidence = diagnosis.ranking.front().confidence;
  }
  const auto recorded = memory_->Record(record);
  // The first look is what it is known by.
  if (!recorded && recorded.error().kind() != ErrorKind::kAlreadyExists) return recorded;
  return {};
}

Result<> AgentMemory::Learn(const std::vector<agent::Lesson>& lessons) {
  for (const agent::Lesson& lesson : lessons) {
    memory::Outcome outcome{
        .about = memory::About::kAction,
        .cause = {.service = lesson.service, .kind = lesson.cause},
        .action = lesson.action,
        .good = lesson.helped,
        .sayer = lesson.by_person ? memory::Sayer::kHuman : memory::Sayer::kVerification,
        .said_by = lesson.by_person ? "operator" : "verifier",
        .time_ns = lesson.time_ns};
    for (const memory::About about : {memory::About::kAction, memory::About::kCause}) {
      // A cause is not refuted because one way to repair it did not help.
      if (about == memory::About::kCause && (!lesson.helped || lesson.by_person)) continue;
      outcome.about = about;
      if (about == memory::About::kCause) outcome.action.clear();
      const auto said = memory_->Say(lesson.incident, outcome);
      if (!said && said.error().kind() != ErrorKind::kNotFound &&
          said.error().kind() != ErrorKind::kAlreadyExists)
        return said;
    }
  }
  return {};
}

}  // namespace enclave::cli
