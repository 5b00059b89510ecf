// Which texts a block of log lines may contain, asked without reading the block: a set of bits with
// one for each run of three bytes ("trigram") that occurs. It may say yes wrongly, never no.
#pragma once

#include <string>
#include <string_view>

namespace enclave::observatory::store {

// At most 4 KiB; less where less tells as much.
std::string BuildLogFilter(std::string_view lines);
// True for a filter of a length that is none of ours, and for a needle of less than three bytes.
bool LogFilterMayContain(std::string_view filter, std::string_view needle);

}  // namespace enclave::observatory::store
