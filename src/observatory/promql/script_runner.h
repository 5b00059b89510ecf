// Runs test scripts in the format of Prometheus' promqltest: `load` and `eval` blocks in plain
// text. Part of the tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace enclave::observatory::promql {

enum class CaseStatus : std::uint8_t {
  kPass,
  kRefused,  // by name: experimental, native histograms
  kWrong,
};

struct CaseResult {
  std::size_t line;  // of the `eval`, from 1
  CaseStatus status;
  std::string detail;
};

// One result for each `eval` of the script.
std::vector<CaseResult> RunScript(std::string_view script);

}  // namespace enclave::observatory::promql
