// What memory was worth, as tables and as JSON.
#pragma once

#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "bench/rca/report.h"

namespace enclave::bench::rca {

// None when the evaluation did not ask memory.
std::vector<Table> MemoryTables(const Evaluation& evaluation);
nlohmann::json MemoryJson(const Evaluation& evaluation);  // null then

}  // namespace enclave::bench::rca
