// Runs the engine on a loaded case, as it is or with something taken away, and compares what it
// says to the labels.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/executor.h"
#include "base/result.h"
#include "bench/rca/loaded_case.h"
#include "bench/rca/pack.h"
#include "incident/context.h"
#include "incident/freeze.h"
#include "rca/diagnose.h"
#include "telemetry/workers.h"

namespace enclave::bench::rca {

// What a real incident may lack.
enum class Perturbation : std::uint8_t {
  kNone,
  kAlertEarly,  // the alert comes a minute before
  kAlertLate,   // or after it should
  kNoMetrics,
  kNoLogs,
  kNoTraces,
  kSpansDropped,  // every fifth, by chance
};
std::string_view ToString(Perturbation perturbation);

// What the engine is asked about a case.
incident::Question QuestionOf(const LoadedCase& loaded);

struct Answer {
  incident::Context context{};
  enclave::rca::Diagnosis diagnosis{};
  double ms = 0;  // Freeze and Diagnose, data in memory
};

// `clock` times it; `workers` may help. Seeds are fixed: same case, same answer.
base::Result<Answer> Ask(LoadedCase& loaded, Perturbation perturbation,
                         const enclave::rca::Options& options, base::Clock& clock,
                         telemetry::Workers* workers = nullptr);

// The engine's kinds in the words of the packs. Where labels are symptoms (latency, availability)
// a kind is the symptom it makes.
std::string KindWord(const enclave::rca::Hypothesis& hypothesis, bool labels_are_symptoms);
// cpu_contention and cpu_consumed are one cause to anybody who looks from outside, and so on; the
// same classes as the scorer's.
std::string_view CoarseKind(std::string_view word);

// Whether a hypothesis names one of the places that the labels give: a log statement (or one
// between the two that bracket the fault), an operation, CPU utilisation, the gap of a call.
bool NamesInner(const enclave::rca::Hypothesis& hypothesis, const incident::Context& context,
                const std::vector<std::string>& inner);

struct Outcome {
  std::string id{};
  std::string fault_type{};
  std::string truth{};
  std::string first{};
  std::size_t rank = 0;  // of the truth, from 1; 0: not ranked
  double confidence = 0;
  std::string kind{};
  bool kind_right = false;
  std::optional<bool> inner_right{};  // unset: no label
  std::string component{};
  double ms = 0;
};

Outcome Compare(const Answer& answer, const CaseEntry& entry, const Truth& truth,
                bool labels_are_symptoms);

// One line for the scorer: {"case", "ranking", "kind", "inner", "confidence", "ms"}.
std::string PredictionLine(const Answer& answer, const Outcome& outcome);

}  // namespace enclave::bench::rca
