// Parameters that several calls of Prometheus' API share. The unexpected side is the answer to
// give.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "net/http.h"
#include "observatory/api/parameters.h"
#include "telemetry/source.h"

namespace enclave::observatory::api {

template <typename T>
using OrAnswer = std::expected<T, net::Response>;

// `fallback` when the parameter is not there.
OrAnswer<std::int64_t> TimeParameter(const Parameters& parameters, std::string_view name,
                                     std::int64_t fallback);
// start and end, each open when it is not given.
OrAnswer<telemetry::TimeRangeMs> RangeParameter(const Parameters& parameters);
// All of match[]. Each must select something: a selector that matches everything is refused.
OrAnswer<std::vector<telemetry::Matchers>> MatchParameter(const Parameters& parameters);
// 0: no limit.
OrAnswer<std::size_t> LimitParameter(const Parameters& parameters);

// U__http_2e_method as http.method; other names, and escapes that are none, as they are.
std::string UnescapeLabelName(std::string_view name);

}  // namespace enclave::observatory::api
