// Between the memory and the ranking engine: what the engine made of the evidence shapes the
// fingerprint, and what is recalled becomes the engine's priors.
//
// Values and pure functions; any thread.
#pragma once

#include <span>
#include <vector>

#include "memory/fingerprint.h"
#include "memory/recall.h"
#include "rca/diagnose.h"
#include "rca/diagnosis.h"

namespace enclave::memory {

// How much each cited item says, of the first few hypotheses. `diagnosis` was made without priors:
// a fingerprint must not depend on what was remembered when it was taken.
std::vector<Weighed> WeighedOf(const rca::Diagnosis& diagnosis);

// For rca::Options::priors.
std::vector<rca::Prior> EnginePriors(std::span<const Prior> priors);

}  // namespace enclave::memory
