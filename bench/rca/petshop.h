// PetShop's files in the ecosystem's conventions: statistics of nodes by five minutes, and a graph
// of calls. See README.md for the table of names.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "bench/rca/loaded_case.h"
#include "bench/rca/pack.h"

namespace enclave::bench::rca {

base::Result<LoadedCase> LoadPetShopCase(const std::string& directory, const CaseEntry& entry);

// Parts of it, on texts; `file` is how skipped rows name it.

// Returns the stretch that the rows cover; empty (from == to) when there is no row.
incident::Window ReadNodeMetrics(std::string text, std::string_view file, LoadedCase& loaded);
// An adjacency matrix: its row calls its column.
void ReadGraph(std::string text, std::string_view file, LoadedCase& loaded);

}  // namespace enclave::bench::rca
