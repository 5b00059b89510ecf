#include "cli/loki_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/quote.h"

namespace enclave::cli {

using base::Fail;
using base::Result;
using kube::At;
using kube::Json;
using kube::StringAt;
using telemetry::Direction;
using telemetry::Labels;
using telemetry::LogRecord;
using telemetry::TimeRangeNs;

namespace {

constexpr std::int64_t kHourNs = 3'600'000'000'000;

struct Line {
  std::size_t number;  // as they came
  std::size_t stream;
  LogRecord record;
};

struct Page {
  std::vector<Labels> streams;
  std::vector<Line> lines;  // by time, in the query's direction
};

Page PageOf(const Json& answer, Direction direction) {
  Page page;
  for (const Json& stream : At(answer, "data.result")) {
    Labels labels = LabelsOf(At(stream, "stream"));
    const auto trace = trace::TraceId::Parse(labels.Get("trace_id"));
    const auto span = trace::SpanId::Parse(labels.Get("span_id"));
    if (trace) labels.Remove("trace_id");
    if (span) labels.Remove("span_id");
    for (const Json& value : At(stream, "values")) {
      if (!value.is_array() || value.size() < 2 || !value[0].is_string() || !value[1].is_string())
        continue;
      LogRecord record{.line = value[1].get<std::string>(), .trace_id = trace, .span_id = span};
      const auto& time = value[0].get_ref<const std::string&>();
      std::from_chars(time.data(), time.data() + time.size(), record.time_ns);
      page.lines.push_back({page.lines.size(), page.streams.size(), std::move(record)});
    }
    page.streams.push_back(std::move(labels));
  }
  const std::int64_t sign = direction == Direction::kForward ? 1 : -1;
  std::ranges::sort(page.lines, {}, [sign](const Line& line) {
    return std::pair(sign * line.record.time_ns, line.number);
  });
  return page;
}

TelemetryHttp::Parameters Range(TimeRangeNs range) {
  return {{"start", std::to_string(range.from)}, {"end", std::to_string(range.to)}};
}

Result<std::vector<std::string>> Names(Result<Json> answer) {
  if (!answer) return Fail(std::move(answer).error());
  std::vector<std::string> names;
  for (const Json& one : At(*answer, "data"))
    if (one.is_string()) names.push_back(one.get<std::string>());
  return names;
}

}  // namespace

Result<std::unique_ptr<telemetry::LogSource>> LokiClient::Create(net::EventLoop& loop,
                                                                 const std::string& url) {
  ASSIGN_OR_RETURN(auto http, TelemetryHttp::Create(loop, url));
  return std::unique_ptr<telemetry::LogSource>(new LokiClient(std::move(http), loop));
}

// A page ends within an instant when that many lines share it; the next begins at the same instant,
// and skips as many of it as were visited.
Result<> LokiClient::Pages(const std::string& query, TimeRangeNs range, Direction direction,
                           const telemetry::LogVisitor& visit) const {
  std::size_t visited = 0;
  std::size_t at_edge = 0;
  while (range.from < range.to && visited < kMostLines) {
    TelemetryHttp::Parameters parameters = Range(range);
    parameters.emplace_back("query", query);
    parameters.emplace_back("limit", std::to_string(kPage));
    parameters.emplace_back("direction", direction == Direction::kForward ? "forward" : "backward");
    ASSIGN_OR_RETURN(const Json answer, http_->GetJson("/loki/api/v1/query_range", parameters));
    const Page page = PageOf(answer, direction);
    for (std::size_t i = std::min(at_edge, page.lines.size()); i < page.lines.size(); ++i) {
      ++visited;
      if (!visit(page.streams[page.lines[i].stream], page.lines[i].record)) return {};
    }
    if (page.lines.size() < kPage) return {};
    const std::int64_t last = page.lines.back().record.time_ns;
    const auto same = static_cast<std::size_t>(std::ranges::count_if(
        page.lines, [&](const Line& line) { return line.record.time_ns == last; }));
    const bool whole_page = same == page.lines.size();
    if (direction == Direction::kForward)
      range.from = whole_page ? last + 1 : last;
    else
      range.to = whole_page ? last : last + 1;
    at_edge = whole_page ? 0 : same;
  }
  return {};
}

Result<> LokiClient::Query(const telemetry::LogQuery& query, const telemetry::LogVisitor& visit) {
  std::string text = SelectorOf(query.matchers, "service_name");
  for (const std::string& part : query.contains) text += " |= " + base::Quote(part);
  return Pages(text, query.range, query.direction, visit);
}

Result<> LokiClient::OfTrace(trace::TraceId trace_id, const telemetry::LogVisitor& visit) {
  const std::int64_t now_ns = clock_.WallNow().time_since_epoch().count();
  return Pages(fmt::format("{{service_name=~\".+\"}} | trace_id=\"{}\"", trace_id.ToString()),
               {now_ns - kHourNs, now_ns + 1}, Direction::kForward, visit);
}

Result<std::vector<Labels>> LokiClient::Streams(const std::vector<telemetry::Matchers>& any_of,
                                                TimeRangeNs range, std::size_t limit) {
  TelemetryHttp::Parameters parameters = Range(range);
  for (const telemetry::Matchers& matchers : any_of)
    parameters.emplace_back("match[]", SelectorOf(matchers, "service_name"));
  if (any_of.empty()) parameters.emplace_back("match[]", SelectorOf({}, "service_name"));
  ASSIGN_OR_RETURN(const Json answer, http_->GetJson("/loki/api/v1/series", parameters));
  std::vector<Labels> streams;
  for (const Json& one : At(answer, "data"))
    if (streams.size() < limit) streams.push_back(LabelsOf(one));
  return streams;
}

Result<std::vector<std::string>> LokiClient::StreamLabelNames(TimeRangeNs range) {
  return Names(http_->GetJson("/loki/api/v1/labels", Range(range)));
}

Result<std::vector<std::string>> LokiClient::StreamLabelValues(const std::string& name,
                                                               TimeRangeNs range) {
  return Names(http_->GetJson(fmt::format("/loki/api/v1/label/{}/values", net::PercentEncode(name)),
                              Range(range)));
}

}  // namespace enclave::cli
