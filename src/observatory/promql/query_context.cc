#include "observatory/promql/query_context.h"

#include <fmt/format.h>

namespace enclave::observatory::promql {

base::Result<> QueryContext::Check() const {
  if (stop.stop_requested())
    return base::Fail(base::ErrorKind::kCancelled, "query was canceled in expression evaluation");
  if (clock.Now() > deadline)
    return base::Fail(base::ErrorKind::kDeadlineExceeded,
                      "query timed out in expression evaluation");
  return {};
}

base::Result<> QueryContext::Charge(std::size_t count) {
  if (values.fetch_add(count) + count > options.max_samples) return TooManySamples();
  return {};
}

base::Result<> QueryContext::TooManySamples() const {
  return base::Fail(
      base::ErrorKind::kUnprocessable,
      fmt::format("query processing would load too many samples into memory in query execution "
                  "(the bound is {}); ask for fewer series, a shorter range or a larger step",
                  options.max_samples));
}

}  // namespace enclave::observatory::promql
