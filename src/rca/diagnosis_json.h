// A diagnosis as JSON, for programs and files: fields by the names of their members, kinds as
// words.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "rca/diagnosis.h"

namespace enclave::rca {

nlohmann::json ToJson(const Diagnosis& diagnosis);

}  // namespace enclave::rca
