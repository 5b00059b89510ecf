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
// What a range is searched in: not shorter, not for fewer traces each, and not more of them.
constexpr std::int64_t kLeastStretchS = 10;
constexpr std::size_t kLeastShare = 25;
constexpr std::int64_t kMostStretches = 32;

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

  // A search answers some traces of its range, nobody says which, and takes as long as it finds
  // many: the range is searched in stretches side by side, each for its share of `most`, and those
  // that have more are asked again for what the others did not need.
  base::Result<> Search(const std::string& traceql, TimeRangeNs range, std::size_t most,
                        std::set<trace::TraceId>& ids) {
    if (range.to <= range.from) return {};
    const std::int64_t from_s = Floor(range.from);
    const std::int64_t length_s = Floor(range.to - 1) + 1 - from_s;
    const auto count = std::clamp<std::int64_t>(
        std::min(length_s / kLeastStretchS, static_cast<std::int64_t>(most / kLeastShare)), 1,
        kMostStretches);
    std::vector<Stretch> stretches;
    for (std::int64_t i = 0; i < count; ++i)
      stretches.push_back({from_s + length_s * i / count, from_s + length_s * (i + 1) / count});
    for (std::size_t share = std::max<std::size_t>(most / stretches.size(), 1);;) {
      RETURN_IF_ERROR(SearchStretches(traceql, share, stretches, ids));
      if (stretches.empty() || ids.size() >= most) return {};
      if (share >= kSearchLimit) {
        stretches = Halved(stretches);
      } else {
        share += std::max<std::size_t>((most - ids.size()) / stretches.size(), 1);
      }
    }
  }

  struct Stretch {
    std::int64_t from_s;
    std::int64_t to_s;
  };

  static std::vector<Stretch> Halved(const std::vector<Stretch>& stretches) {
    std::vector<Stretch> halves;
    for (const Stretch& stretch : stretches) {
      const std::int64_t middle_s = stretch.from_s + (stretch.to_s - stretch.from_s) / 2;
      if (middle_s == stretch.from_s) continue;
      halves.push_back({stretch.from_s, middle_s});
      halves.push_back({middle_s, stretch.to_s});
    }
    return halves;
  }

  // Leaves the stretches that may have more traces than these.
  base::Result<> SearchStretches(const std::string& traceql, std::size_t share,
                                 std::vector<Stretch>& stretches, std::set<trace::TraceId>& ids) {
    const std::size_t limit = std::min(kSearchLimit, share);
    std::vector<std::string> targets;
    for (const Stretch& stretch : stretches) {
      Parameters parameters = Range(stretch.from_s, stretch.to_s);
      parameters.emplace_back("limit", std::to_string(limit));
      parameters.emplace_back("spss", "1");
      parameters.emplace_back("q", traceql);
      targets.push_back("/api/search?" + QueryString(parameters));
    }
    std::vector<Stretch> fuller;
    base::Result<> result;
    client_->GetEach(targets, {}, [&](std::size_t index, base::Result<std::string> body) {
      if (!body) {
        result = Fail(std::move(body).error());
        return false;
      }
      auto found = ParseSearch(*body);
      if (!found) {
        result = Fail(found.error().While(client_->url()));
        return false;
      }
      if (found->size() >= limit) fuller.push_back(stretches[index]);
      ids.insert(found->begin(), found->end());
      return true;
    });
    stretches = std::move(fuller);
    return result;
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
