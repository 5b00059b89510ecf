#include "bench/rca/scale.h"

#include <algorithm>
#include <chrono>

#include "bench/rca/evaluate.h"
#include "bench/rca/synthetic.h"
#include "telemetry/workers.h"

namespace enclave::bench::rca {

base::Result<ScaleResult> MeasureScale(const ScaleOptions& options, base::Clock& clock) {
  // About nine spans of a request: two for each service on its way and one at its end.
  constexpr std::size_t kSpansPerTrace = 9;
  const std::size_t services = std::max<std::size_t>(options.services, 10);
  SyntheticIncident made = MakeIncident({.services = services,
                                         .traces = options.spans / kSpansPerTrace,
                                         .series_per_service = options.series / services,
                                         .fault = enclave::rca::CauseKind::kNetworkDelay,
                                         .faulty = services / 20});
  const incident::Sources sources = SourcesOf(made);
  const incident::Question question = QuestionOf(made.loaded);
  const auto ms = [&](base::MonoTime begin) {
    return std::chrono::duration<double, std::milli>(clock.Now() - begin).count();
  };
  // Two cores: this thread and one more.
  telemetry::ThreadWorkers workers("evidence", 1, 16);
  RETURN_IF_ERROR(incident::Freeze(sources, question, {}, &workers));
  base::MonoTime begin = clock.Now();
  ASSIGN_OR_RETURN(const incident::Context context,
                   incident::Freeze(sources, question, {}, &workers));
  ScaleResult result{.services = services,
                     .series = made.series,
                     .spans = made.loaded.traces.size(),
                     .lines = made.lines,
                     .freeze_ms = ms(begin)};
  begin = clock.Now();
  const enclave::rca::Diagnosis diagnosis = enclave::rca::Diagnose(context);
  result.diagnose_ms = ms(begin);
  result.right = !diagnosis.ranking.empty() && diagnosis.ranking.front().service == made.cause;
  return result;
}

}  // namespace enclave::bench::rca
