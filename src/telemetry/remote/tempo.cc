#include <algorithm>
#include <set>
#include <utility>

#include "base/quote.h"
#include "telemetry/remote/answers.h"
#include "telemetry/remote/query_client.h"
#include "telemetry/remote/remote.h"

namespace enclave::telemetry::remote {
namespace {

using base::ErrorKind;
using base::Fail;
using Parameters = std::vector<std::pair<std::string, std::string>>;

constexpr std::int64_t kSecondNs = 1'000'000'000;
// What a search may be asked for: Tempo has no bound of its own, the observatory has this one.
constexpr std::size_t kSearchLimit = 1000;

const net::Headers kProtobuf = {{"Accept", "application/protobuf"}};

class TempoClient final : public TraceSource {
 public:
  TempoClient(std::unique_ptr<QueryClient> client, const TempoOptions& options)
      : client_(std::move(client)), options_(options) {}

  base::Result<> Visit(TimeRangeNs range, const SpanVisitor& visit) override {
    std::set<trace::TraceId> ids;
    RETURN_IF_ERROR(Search("{}", range, options_.max_traces, ids));
    return VisitTraces(ids, [&](const Span& span) {
      return span.start_ns < range.from || span.start_ns >= range.to || visit(span);
    });
  }

  base::Result<std::vector<Span>> Trace(trace::TraceId trace_id) override {
    std::vector<Span> spans;
    auto body = client_->Get(TargetOf(trace_id), kProtobuf);
    if (!body && body.error().kind() == ErrorKind::kNotFound) return spans;
    if (!body) return Fail(std::move(body).error());
    if (auto parsed = ParseTrace(*body, spans); !parsed)
      return Fail(parsed.error().While(client_->url()));
    std::ranges::sort(spans, {}, &Span::start_ns);
    return spans;
  }

  base::Result<std::vector<Span>> FindSpans(const SpanQuery& query) override {
    std::set<trace::TraceId> ids;
    RETURN_IF_ERROR(
        Search(TraceQl(query), query.range, std::min(query.limit, options_.max_traces), ids));
    std::vector<Span> spans;
    RETURN_IF_ERROR(VisitTraces(ids, [&](const Span& span) {
      if (Matches(query, span)) spans.push_back(span);
      return true;
    }));
    std::ranges::sort(spans, std::ranges::greater(), &Span::start_ns);
    if (spans.size() > query.limit)
      spans.erase(spans.begin() + static_cast<std::ptrdiff_t>(query.limit), spans.end());
    return spans;
  }

  base::Result<std::vector<std::string>> Services(TimeRangeNs range) override {
    return TagValues("resource.service.name", "{}", range);
  }

  base::Result<std::vector<std::string>> Operations(const std::string& service,
                                                    TimeRangeNs range) override {
    return TagValues("name", fmt::format("{{resource.service.name={}}}", base::Quote(service)),
                     range);
  }

 private:
  static std::string TargetOf(const trace::TraceId& id) { return "/api/traces/" + id.ToString(); }

  static std::string TraceQl(const SpanQuery& query) {
    std::vector<std::string> conditions;
    if (query.service) conditions.push_back("resource.service.name=" + base::Quote(*query.service));
    if (query.operation) conditions.push_back("name=" + base::Quote(*query.operation));
    if (query.status)
      conditions.push_back(*query.status == SpanStatus::kError ? "status=error"
                           : *query.status == SpanStatus::kOk  ? "status=ok"
                                                               : "status=unset");
    if (query.min_duration_ns > 0)
      conditions.push_back(fmt::format("duration>={}ns", query.min_duration_ns));
    if (query.max_duration_ns < INT64_MAX)
      conditions.push_back(fmt::format("duration<={}ns", query.max_duration_ns));
    // Compared as text here: TraceQL would compare by type, and the caller may not know it.
    return fmt::format("{{{}}}", fmt::join(conditions, " && "));
  }

  // Times in whole seconds, as Tempo takes them.
  static Parameters Range(std::int64_t from_s, std::int64_t to_s) {
    return {{"start", std::to_string(from_s)}, {"end", std::to_string(to_s)}};
  }
  static std::int64_t Floor(std::int64_t time_ns) {
    return std::max<std::int64_t>(time_ns, 0) / kSecondNs;
  }

  base::Result<> Search(const std::string& traceql, TimeRangeNs range, std::size_t most,
                        std::set<trace::TraceId>& ids) {
    if (range.to <= range.from) return {};
    return SearchSeconds(traceql, Floor(range.from), Floor(range.to - 1) + 1, most, ids);
  }

  // A search answers some traces of its range, nobody says which: a range with more of them than it
  // answers is halved, and each half has its share of `most`.
  base::Result<> SearchSeconds(const std::string& traceql, std::int64_t from_s, std::int64_t to_s,
                               std::size_t most, std::set<trace::TraceId>& ids) {
    const std::size_t limit = std::min(kSearchLimit, std::max<std::size_t>(most, 1));
    Parameters parameters = Range(from_s, to_s);
    parameters.emplace_back("limit", std::to_string(limit));
    parameters.emplace_back("spss", "1");
    parameters.emplace_back("q", traceql);
    ASSIGN_OR_RETURN(const std::string body,
                     client_->Get("/api/search?" + QueryString(parameters)));
    auto found = ParseSearch(body);
    if (!found) return Fail(found.error().While(client_->url()));
    const bool whole = found->size() < limit;
    if (whole || to_s - from_s <= 1 || most < 2) {
      ids.insert(found->begin(), found->end());
      return {};
    }
    const std::int64_t middle_s = from_s + (to_s - from_s) / 2;
    RETURN_IF_ERROR(SearchSeconds(traceql, from_s, middle_s, most / 2, ids));
    return SearchSeconds(traceql, middle_s, to_s, most - most / 2, ids);
  }

  base::Result<> VisitTraces(const std::set<trace::TraceId>& ids, const SpanVisitor& visit) {
    std::vector<std::string> targets;
    for (const trace::TraceId& id : ids) targets.push_back(TargetOf(id));
    base::Result<> result;
    std::vector<Span> spans;
    client_->GetEach(targets, kProtobuf, [&](std::size_t, base::Result<std::string> body) {
      if (!body) {
        // Dropped by retention meanwhile.
        if (body.error().kind() == ErrorKind::kNotFound) return true;
        result = Fail(std::move(body).error());
        return false;
      }
      spans.clear();
      if (auto parsed = ParseTrace(*body, spans); !parsed) {
        result = Fail(parsed.error().While(client_->url()));
        return false;
      }
      return std::ranges::all_of(spans, [&](const Span& span) { return visit(span); });
    });
    return result;
  }

  base::Result<std::vector<std::string>> TagValues(const std::string& tag,
                                                   const std::string& traceql, TimeRangeNs range) {
    Parameters parameters = Range(Floor(range.from), Floor(range.to - 1) + 1);
    parameters.emplace_back("q", traceql);
    ASSIGN_OR_RETURN(
        const std::string body,
        client_->Get(fmt::format("/api/v2/search/tag/{}/values?{}", tag, QueryString(parameters))));
    auto values = ParseTagValues(body);
    if (!values) return Fail(values.error().While(client_->url()));
    return values;
  }

  const std::unique_ptr<QueryClient> client_;
  const TempoOptions options_;
};

}  // namespace

base::Result<std::unique_ptr<TraceSource>> ConnectTempo(net::EventLoop& loop, Endpoint endpoint,
                                                        TempoOptions options) {
  ASSIGN_OR_RETURN(auto client, QueryClient::Create(loop, std::move(endpoint),
                                                    std::max<std::size_t>(options.at_once, 1)));
  return std::make_unique<TempoClient>(std::move(client), options);
}

}  // namespace enclave::telemetry::remote
