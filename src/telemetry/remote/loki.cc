#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "base/quote.h"
#include "telemetry/remote/answers.h"
#include "telemetry/remote/query_client.h"
#include "telemetry/remote/remote.h"
#include "telemetry/remote/selector.h"

namespace enclave::telemetry::remote {
namespace {

using Parameters = std::vector<std::pair<std::string, std::string>>;

constexpr std::size_t kPageLines = 5000;
constexpr std::int64_t kDayNs = 86'400'000'000'000;

class LokiClient final : public LogSource {
 public:
  LokiClient(std::unique_ptr<QueryClient> client, const base::Clock& clock)
      : client_(std::move(client)), clock_(clock) {}

  base::Result<> Query(const LogQuery& query, const LogVisitor& visit) override {
    ASSIGN_OR_RETURN(std::string logql, SelectorOf(query.matchers, query.range));
    if (logql.empty()) return {};
    for (const std::string& text : query.contains) logql += " |= " + base::Quote(text);
    return Pages(logql, query, visit);
  }

  base::Result<> OfTrace(trace::TraceId trace_id, const LogVisitor& visit) override {
    const std::int64_t now_ns = clock_.WallNow().time_since_epoch().count();
    const TimeRangeNs range{now_ns - kDayNs, now_ns + 1};
    ASSIGN_OR_RETURN(const std::string selector, SelectorOf({}, range));
    if (selector.empty()) return {};
    const std::string id = trace_id.ToString();
    return Pages(
        fmt::format("{0} | trace_id=\"{1}\" or traceid=\"{1}\" or traceID=\"{1}\"", selector, id),
        {.matchers = {}, .range = range}, visit);
  }

  base::Result<std::vector<Labels>> Streams(const std::vector<Matchers>& any_of, TimeRangeNs range,
                                            std::size_t limit) override {
    Parameters parameters = Range(range);
    for (const Matchers& matchers : any_of) parameters.emplace_back("match[]", Selector(matchers));
    if (any_of.empty()) {
      ASSIGN_OR_RETURN(const std::string selector, SelectorOf({}, range));
      if (selector.empty()) return std::vector<Labels>{};
      parameters.emplace_back("match[]", selector);
    }
    ASSIGN_OR_RETURN(std::vector<Labels> streams, Ask("series", parameters, ParseLabelSets));
    if (streams.size() > limit) streams.resize(limit);
    return streams;
  }

  base::Result<std::vector<std::string>> StreamLabelNames(TimeRangeNs range) override {
    return Ask("labels", Range(range), ParseTexts);
  }

  base::Result<std::vector<std::string>> StreamLabelValues(const std::string& name,
                                                           TimeRangeNs range) override {
    return Ask(fmt::format("label/{}/values", net::PercentEncode(name)), Range(range), ParseTexts);
  }

 private:
  static Parameters Range(TimeRangeNs range) {
    return {{"start", std::to_string(range.from)}, {"end", std::to_string(range.to)}};
  }

  // Loki refuses a selector that everything matches. One of the labels that its streams usually
  // have stands in; "" when there are no streams at all.
  base::Result<std::string> SelectorOf(const Matchers& matchers, TimeRangeNs range) {
    if (SelectsSomething(matchers)) return Selector(matchers);
    ASSIGN_OR_RETURN(const std::vector<std::string> names, StreamLabelNames(range));
    if (names.empty()) return std::string();
    constexpr std::array<std::string_view, 5> kUsual = {"service_name", "app", "job", "namespace",
                                                        "container"};
    std::string name = names.front();
    for (const std::string_view usual : kUsual) {
      if (std::ranges::find(names, usual) == names.end()) continue;
      name = usual;
      break;
    }
    Matchers all = matchers;
    ASSIGN_OR_RETURN(Matcher any, Matcher::Create(MatchOp::kRegex, name, ".+"));
    all.push_back(std::move(any));
    return Selector(all);
  }

  base::Result<> Pages(const std::string& logql, const LogQuery& query, const LogVisitor& visit) {
    const bool forward = query.direction == Direction::kForward;
    TimeRangeNs rest = query.range;
    // Of the time where the last page ended: a page may end amid lines of one time.
    std::multiset<std::pair<Labels, std::string>> seen;
    std::int64_t seen_ns = 0;
    while (rest.from < rest.to) {
      Parameters parameters = Range(rest);
      parameters.emplace_back("query", logql);
      parameters.emplace_back("limit", std::to_string(kPageLines));
      parameters.emplace_back("direction", forward ? "forward" : "backward");
      ASSIGN_OR_RETURN(ReadStreams page, Ask("query_range", parameters, ParseStreams));
      if (page.lines.empty()) return {};
      // Of equal times, as they came.
      std::ranges::sort(page.lines, {}, [&](const ReadLine& line) {
        return std::pair(forward ? line.record.time_ns : -line.record.time_ns, line.index);
      });
      const bool last = page.lines.size() < kPageLines;
      const std::int64_t end_ns = page.lines.back().record.time_ns;
      auto skip = seen_ns == page.lines.front().record.time_ns
                      ? seen
                      : std::multiset<std::pair<Labels, std::string>>{};
      if (end_ns != seen_ns) seen.clear();
      const std::size_t seen_before = seen.size();
      std::size_t bytes = 0;
      std::size_t told = 0;
      for (const ReadLine& line : page.lines) {
        const Labels& stream = page.streams[line.stream];
        if (line.record.time_ns == seen_ns && !skip.empty()) {
          const auto again = skip.find({stream, line.record.line});
          if (again != skip.end()) {
            skip.erase(again);
            continue;
          }
        }
        if (line.record.time_ns == end_ns && !last) seen.emplace(stream, line.record.line);
        bytes += line.record.line.size();
        ++told;
        if (!visit(stream, line.record)) return {};
      }
      if (query.reading && !query.reading(told, bytes)) return {};
      if (last) return {};
      // More lines of one time than a page holds: the others cannot be asked for.
      const bool stuck = end_ns == seen_ns && seen.size() == seen_before;
      seen_ns = end_ns;
      if (forward)
        rest.from = stuck ? end_ns + 1 : end_ns;
      else
        rest.to = stuck ? end_ns : end_ns + 1;
    }
    return {};
  }

  template <typename T>
  base::Result<T> Ask(const std::string& what, const Parameters& parameters,
                      base::Result<T> (*parse)(std::string_view)) const {
    ASSIGN_OR_RETURN(const std::string body,
                     client_->Get("/loki/api/v1/" + what + "?" + QueryString(parameters),
                                  {{"X-Loki-Response-Encoding-Flags", "categorize-labels"}}));
    auto parsed = parse(body);
    if (!parsed) return base::Fail(parsed.error().While(client_->url()));
    return parsed;
  }

  const std::unique_ptr<QueryClient> client_;
  const base::Clock& clock_;
};

}  // namespace

base::Result<std::unique_ptr<LogSource>> ConnectLoki(net::EventLoop& loop, Endpoint endpoint) {
  constexpr std::size_t kConnections = 2;
  ASSIGN_OR_RETURN(auto client, QueryClient::Create(loop, std::move(endpoint), kConnections));
  return std::make_unique<LokiClient>(std::move(client), loop);
}

}  // namespace enclave::telemetry::remote
