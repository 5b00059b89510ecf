// What the engine concludes of an Incident Context: causes by confidence, each with its evidence.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "incident/context.h"

namespace enclave::rca {

enum class CauseKind : std::uint8_t {
  kCodeError,    // throws, or answers with an error
  kWrongResult,  // answers, but does not do what it should
  kCpu,
  kMemory,
  kDisk,
  kNetworkDelay,
  kNetworkLoss,     // loss or partition
  kSlowDependency,  // slow by itself, without a resource that would say why
  kDependencyDown,
  kCrash,
  kConfiguration,
  kBadRelease,
  kTrafficSurge,
  kCertificate,
};

// Stands for an item's id where earlier incidents say so, and not this one's evidence.
inline constexpr const char* kByMemory = "memory";

struct Cited {
  incident::EvidenceId id{};
  double weight = 0;       // what it added to the hypothesis, in nats; negative speaks against
  std::string sentence{};  // with its numbers
};

struct Hypothesis {
  std::string service{};
  CauseKind kind = CauseKind::kCodeError;
  double confidence = 0;       // calibrated probability that the service is the cause
  double kind_confidence = 0;  // that the kind is right, given the service
  // The log statement, line of code, operation, metric or edge that shows it, and its evidence.
  std::string component{};
  incident::EvidenceId component_evidence{};
  std::int64_t onset_ns = 0;
  std::vector<Cited> evidence{};    // strongest first
  std::vector<std::string> path{};  // services from the cause to the symptom
  std::string sentence{};           // for people
  std::string lost_because{};       // empty for the first
};

struct Diagnosis {
  std::vector<Hypothesis> ranking{};  // best first; every service that was considered
  std::string summary{};
};

std::string_view ToString(CauseKind kind);  // "code error", "network delay", ...

}  // namespace enclave::rca
