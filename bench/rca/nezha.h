// Nezha's files (FSE'23) in the ecosystem's conventions: CSV of pod metrics by the minute, spans
// and Docker's log lines. See README.md for the table of names.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "bench/rca/loaded_case.h"
#include "bench/rca/pack.h"

namespace enclave::bench::rca {

// An error when no file of the case can be read; single files that are not there are `missing`.
base::Result<LoadedCase> LoadNezhaCase(const std::string& directory, const CaseEntry& entry);

// Parts of it, on texts; `file` is how skipped rows name it. They rewrite `text`.
//
// Rows later than `end_ns` are left out.
void ReadPodMetrics(std::string text, std::string_view file, std::string_view node,
                    std::int64_t end_ns, LoadedCase& loaded);
void ReadUserMetrics(std::string text, std::string_view file, std::string_view entry_service,
                     std::int64_t end_ns, LoadedCase& loaded);
// `reporter` is the side that measured: source or destination.
void ReadEdgeMetrics(std::string text, std::string_view file, std::string_view reporter,
                     std::int64_t end_ns, LoadedCase& loaded);

// "cart" of "cart-7b6dc75c45-2z9p2": the name less its last two parts.
std::string_view ServiceOfPod(std::string_view pod);

}  // namespace enclave::bench::rca
