#include <fmt/format.h>

#include <algorithm>
#include <queue>
#include <unordered_set>

#include "observatory/store/log_keys.h"
#include "observatory/store/log_rows.h"
#include "observatory/store/span_codec.h"
#include "observatory/store/span_section.h"

namespace enclave::observatory::store {
namespace {

constexpr std::size_t kSpanKeyBytes = 36;   // window, trace id, start, span id
constexpr std::size_t kIndexKeyBytes = 44;  // window, operation, start, trace id, span id

bool HasSpanTags(const telemetry::Span& span, const telemetry::Attributes& tags) {
  const auto has = [](const telemetry::Attributes& attributes, const telemetry::Attribute& tag) {
    const telemetry::AttributeValue* value = telemetry::Find(attributes, tag.key);
    return value != nullptr && telemetry::ToText(*value) == telemetry::ToText(tag.value);
  };
  return std::ranges::all_of(tags, [&](const telemetry::Attribute& tag) {
    return has(span.attributes, tag) || has(span.resource, tag);
  });
}

}  // namespace

base::Result<telemetry::Span> Spans::Decode(std::string_view key, std::string_view value) const {
  const auto corrupt = [] {
    return base::Fail(base::ErrorKind::kInternal, "the key of a kept span is corrupt");
  };
  if (key.size() != kSpanKeyBytes) return corrupt();
  const auto trace_id = TraceIdOf(GetBe64(key.data() + 4), GetBe64(key.data() + 12));
  const auto span_id = SpanIdOf(GetBe64(key.data() + 28));
  if (!trace_id || !span_id) return corrupt();
  ASSIGN_OR_RETURN(
      DecodedSpan decoded,
      DecodeSpan(value, *trace_id, *span_id, static_cast<std::int64_t>(GetBe64(key.data() + 20))));
  if (decoded.resource) {
    const std::shared_lock lock(mutex_);
    const auto at = resources_.find(*decoded.resource);
    // Gone with its window, while this read was under way.
    if (at != resources_.end()) decoded.span.resource = at->second->attributes;
  }
  return std::move(decoded.span);
}

std::vector<std::pair<std::uint32_t, Spans::Window>> Spans::WindowsIn(
    telemetry::TimeRangeNs range) const {
  std::vector<std::pair<std::uint32_t, Window>> in;
  range.from = std::max<std::int64_t>(range.from, 0);
  if (range.from >= range.to) return in;
  const std::shared_lock lock(mutex_);
  const std::uint32_t last = WindowNumber(range.to - 1);
  for (auto at = windows_.lower_bound(WindowNumber(range.from));
       at != windows_.end() && at->first <= last; ++at)
    in.emplace_back(at->first, at->second);
  return in;
}

base::Result<std::vector<telemetry::Span>> Spans::Trace(trace::TraceId trace_id) {
  std::vector<std::uint32_t> windows;
  {
    const std::shared_lock lock(mutex_);
    for (const auto& [number, window] : windows_) windows.push_back(number);
  }
  std::vector<telemetry::Span> spans;
  std::unordered_set<std::uint64_t> ids;
  const std::unique_ptr<rocksdb::Iterator> entries(db_->NewIterator({}, spans_));
  for (const std::uint32_t window : windows) {
    const std::string prefix = LogTracePrefix(window, trace_id);
    for (entries->Seek(prefix); entries->Valid() && entries->key().starts_with(prefix);
         entries->Next()) {
      ASSIGN_OR_RETURN(telemetry::Span span,
                       Decode({entries->key().data(), entries->key().size()},
                              {entries->value().data(), entries->value().size()}));
      if (!ids.insert(span.span_id.value()).second) continue;
      spans.push_back(std::move(span));
      if (spans.size() > kMostSpansOfTrace)
        return base::Fail(base::ErrorKind::kResourceExhausted,
                          fmt::format("trace {} has more than {} spans; search for its spans by "
                                      "service and time instead",
                                      trace_id.ToString(), kMostSpansOfTrace));
    }
    if (!entries->status().ok())
      return base::Fail(FromRocks(entries->status(), "reading the spans of a trace"));
  }
  return spans;
}

// One search: the newest `limit` entries of all operations that may match.
class Spans::Search {
 public:
  Search(const Spans& spans, const telemetry::SpanQuery& query)
      : spans_(spans), query_(query), entries_(spans.db_->NewIterator({}, spans.index_)) {}

  base::Result<> InWindow(std::uint32_t number, const Window& window) {
    for (const auto& [id, operation] : window.operations) {
      if (query_.service && !operation->any_service && operation->service != *query_.service)
        continue;
      if (query_.operation && !operation->any_name && operation->name != *query_.operation)
        continue;
      const bool exact = !operation->any_name && !operation->any_service;
      RETURN_IF_ERROR(OfOperation(number, id, exact));
    }
    return {};
  }
  // Whether nothing that began before `time_ns` can be among the newest.
  bool Full(std::int64_t time_ns) const {
    return newest_.size() >= query_.limit && (newest_.empty() || newest_.top().start_ns >= time_ns);
  }
  base::Result<std::vector<telemetry::Span>> Newest() {
    std::vector<Found> found;
    for (; !newest_.empty(); newest_.pop()) found.push_back(newest_.top());
    std::ranges::reverse(found);
    std::vector<telemetry::Span> result;
    for (const Found& entry : found) {
      ASSIGN_OR_RETURN(std::optional<telemetry::Span> span, Read(entry));
      if (span) result.push_back(std::move(*span));
    }
    return result;
  }

 private:
  struct Older {
    bool operator()(const Found& a, const Found& b) const { return a.start_ns > b.start_ns; }
  };

  base::Result<> OfOperation(std::uint32_t window, std::uint64_t operation, bool exact) {
    std::string prefix = WindowPrefix(window);
    PutBe64(prefix, operation);
    std::string last = prefix;
    PutBe64(last, static_cast<std::uint64_t>(query_.range.to));  // exclusive: no ids follow
    for (entries_->SeekForPrev(last); entries_->Valid() && entries_->key().starts_with(prefix);
         entries_->Prev()) {
      const std::string_view key(entries_->key().data(), entries_->key().size());
      ByteReader figures({entries_->value().data(), entries_->value().size()});
      if (key.size() != kIndexKeyBytes) continue;
      Found found{.start_ns = static_cast<std::int64_t>(GetBe64(key.data() + 12)),
                  .key = {},
                  .duration_ns = 0,
                  .status = static_cast<telemetry::SpanStatus>(figures.Byte())};
      if (found.start_ns < query_.range.from || Full(found.start_ns)) break;
      if (++scanned_ > kMostSpansScanned) return TooMany();
      found.duration_ns = figures.Signed();
      if (query_.status && found.status != *query_.status) continue;
      if (found.duration_ns < query_.min_duration_ns || found.duration_ns > query_.max_duration_ns)
        continue;
      found.key = WindowPrefix(window);
      found.key.append(key, 20, 16);
      found.key.append(key, 12, 8);
      found.key.append(key, 36, 8);
      if (!exact || !query_.tags.empty()) {
        if (++read_ > kMostSpansRead) return TooMany();
        ASSIGN_OR_RETURN(const std::optional<telemetry::Span> span, Read(found));
        if (!span) continue;
      }
      newest_.push(std::move(found));
      if (newest_.size() > query_.limit) newest_.pop();
    }
    if (!entries_->status().ok())
      return base::Fail(FromRocks(entries_->status(), "searching for spans"));
    return {};
  }

  // nullopt: gone, sent again as another, or not what is asked for.
  base::Result<std::optional<telemetry::Span>> Read(const Found& found) const {
    rocksdb::PinnableSlice value;
    const rocksdb::Status status = spans_.db_->Get({}, spans_.spans_, found.key, &value);
    if (status.IsNotFound()) return std::nullopt;
    if (!status.ok()) return base::Fail(FromRocks(status, "reading a span"));
    ASSIGN_OR_RETURN(telemetry::Span span, spans_.Decode(found.key, {value.data(), value.size()}));
    if (WrapSub(span.end_ns, span.start_ns) != found.duration_ns || span.status != found.status ||
        (query_.service && telemetry::ServiceName(span.resource) != *query_.service) ||
        (query_.operation && span.name != *query_.operation) || !HasSpanTags(span, query_.tags))
      return std::nullopt;
    return span;
  }

  static std::unexpected<base::Error> TooMany() {
    return base::Fail(base::ErrorKind::kResourceExhausted,
                      "the search would look at too many spans; ask for a shorter time, or name a "
                      "service or an operation");
  }

  const Spans& spans_;
  const telemetry::SpanQuery& query_;
  const std::unique_ptr<rocksdb::Iterator> entries_;
  std::priority_queue<Found, std::vector<Found>, Older> newest_;  // the oldest on top
  std::size_t scanned_ = 0;
  std::size_t read_ = 0;
};

base::Result<std::vector<telemetry::Span>> Spans::FindSpans(const telemetry::SpanQuery& query) {
  if (query.limit == 0) return std::vector<telemetry::Span>();
  auto windows = WindowsIn(query.range);
  std::ranges::reverse(windows);
  telemetry::SpanQuery bounded = query;
  bounded.range.from = std::max<std::int64_t>(query.range.from, 0);
  Search search(*this, bounded);
  for (const auto& [number, window] : windows) {
    if (search.Full((number + std::int64_t{1}) * kWindowNs)) break;
    RETURN_IF_ERROR(search.InWindow(number, window));
  }
  return search.Newest();
}

base::Result<std::vector<std::string>> Spans::Services(telemetry::TimeRangeNs range) {
  std::set<std::string> services;
  for (const auto& [number, window] : WindowsIn(range))
    for (const auto& [id, operation] : window.operations)
      if (!operation->any_service) services.insert(operation->service);
  return std::vector<std::string>(services.begin(), services.end());
}

base::Result<std::vector<std::string>> Spans::Operations(const std::string& service,
                                                         telemetry::TimeRangeNs range) {
  std::set<std::string> names;
  for (const auto& [number, window] : WindowsIn(range))
    for (const auto& [id, operation] : window.operations)
      if (!operation->any_name && operation->service == service) names.insert(operation->name);
  return std::vector<std::string>(names.begin(), names.end());
}

}  // namespace enclave::observatory::store
