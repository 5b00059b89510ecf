// One question, all evidence: what happened around a trace or in a window of time, as one JSON
// document of bounded size in which every item has an id to cite.
//
//   GET /api/v1/evidence?trace=ID                 the trace, and its surroundings
//   GET /api/v1/evidence?start=&end=[&service=]   a window, of all services or of some
//
// The page docs/formats/evidence.md describes the document.
//
// Thread safety: any thread. Ownership: sources and clock outlive it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/result.h"
#include "observatory/api/route.h"
#include "telemetry/source.h"

namespace enclave::observatory::api {

// What is asked for.
struct EvidenceQuery {
  std::optional<trace::TraceId> trace{};
  std::vector<std::string> services{};       // empty: all on the path, or all there are
  telemetry::TimeRangeNs window{};           // without a trace
  std::int64_t margin_ns = 120'000'000'000;  // before and after the trace
  std::size_t max_bytes = 1 << 20;
};

// A service on the path.
struct EvidenceService {
  std::size_t spans = 0;
  std::size_t errors = 0;
  std::set<std::string> pods{};
  std::set<std::string> nodes{};
  std::set<std::string> versions{};
  std::map<std::string, std::size_t> calls{};  // to other services
};

struct EvidenceLog {
  telemetry::Labels stream;
  telemetry::LogRecord record;
  bool of_trace = false;  // found by the trace's id
  bool grave = false;     // a warning or worse
};

struct EvidenceSeries {
  telemetry::Labels labels;
  std::vector<telemetry::Sample> samples;  // downsampled
  double change = 0;                       // how much it moved in the window, 0 for not at all
};

// What was found, the most telling first, before it is cut to size.
struct Evidence {
  telemetry::TimeRangeNs window{};
  std::map<std::string, EvidenceService> services{};
  std::vector<telemetry::Span> spans{};
  std::vector<EvidenceLog> logs{};
  std::vector<telemetry::SeriesExemplars> exemplars{};
  std::vector<EvidenceSeries> series{};
  // What was not even read, because a bound of the search was met.
  std::size_t unread_series = 0;
  bool more_spans = false;
  bool more_logs = false;
  // A source that failed does not hide what the others know.
  std::vector<std::string> warnings{};
};

// kNotFound when nothing is known of the trace.
base::Result<Evidence> CollectEvidence(const EvidenceQuery& query, telemetry::MetricSource& metrics,
                                       telemetry::LogSource& logs, telemetry::TraceSource& traces);

// The document; at most query.max_bytes long, whatever was found.
std::string WriteEvidence(const EvidenceQuery& query, const Evidence& evidence);

class EvidenceApi {
 public:
  EvidenceApi(telemetry::MetricSource& metrics, telemetry::LogSource& logs,
              telemetry::TraceSource& traces, base::Clock& clock)
      : metrics_(metrics), logs_(logs), traces_(traces), clock_(clock) {}

  void AddRoutes(RouteTable* routes);

 private:
  net::Response Answer(const Call& call);

  telemetry::MetricSource& metrics_;
  telemetry::LogSource& logs_;
  telemetry::TraceSource& traces_;
  base::Clock& clock_;
};

}  // namespace enclave::observatory::api
