#include "cluster/api/watch_stream.h"

#include <fmt/format.h>

#include <charconv>
#include <deque>
#include <mutex>
#include <optional>

#include <boost/asio/this_coro.hpp>

#include "cluster/api/signal.h"
#include "cluster/api/table.h"
#include "kube/status.h"

namespace enclave::cluster {
namespace {

namespace asio = boost::asio;
using base::ErrorKind;
using base::Fail;
using kube::EventType;
using kube::Json;
using kube::Revision;
using kube::WatchEvent;

constexpr std::chrono::seconds kBookmarkPeriod{60};
constexpr std::chrono::seconds kDefaultTimeout{30 * 60};
constexpr std::chrono::seconds kLongestTimeout{24 * 3600};
constexpr std::size_t kChunk = 64 << 10;

struct Parameters {
  std::optional<Revision> from;  // nullopt: what is there now, first
  bool bookmarks = false;
  bool initial_events_end = false;
  std::chrono::seconds timeout = kDefaultTimeout;
  IncludeObject include = IncludeObject::kMetadata;
};

std::optional<std::uint64_t> ParseNumber(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool IsTrue(const net::Request& request, std::string_view name) {
  const auto value = request.Query(name);
  return value && (*value == "true" || *value == "1");
}

base::Result<Parameters> ParseParameters(const net::Request& request) {
  Parameters parameters;
  parameters.bookmarks = IsTrue(request, "allowWatchBookmarks");
  parameters.include = ParseIncludeObject(request.Query("includeObject").value_or(""));
  const std::string version = request.Query("resourceVersion").value_or("");
  const std::string match = request.Query("resourceVersionMatch").value_or("");
  const auto initial = request.Query("sendInitialEvents");
  if (!version.empty() && version != "0") {
    const auto number = ParseNumber(version);
    if (!number) {
      return Fail(ErrorKind::kInvalidArgument,
                  fmt::format("Invalid value: \"{}\": resourceVersion must be a number",
                              version.substr(0, 64)));
    }
    parameters.from = Revision{*number};
  }
  if (initial) {
    if (match != "NotOlderThan") {
      return Fail(ErrorKind::kUnprocessable,
                  "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: "
                  "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
    }
    if (IsTrue(request, "sendInitialEvents")) {
      // What is there now is never older than what was asked for; the caller checks that it is
      // not still to come.
      parameters.initial_events_end = true;
    } else if (!parameters.from) {
      parameters.from = Revision::kNone;  // from now on
    }
  } else if (!match.empty()) {
    return Fail(ErrorKind::kUnprocessable,
                "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: "
                "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
  }
  if (const auto timeout = request.Query("timeoutSeconds")) {
    const auto seconds = ParseNumber(*timeout);
    if (!seconds) {
      return Fail(ErrorKind::kInvalidArgument,
                  "Invalid value: timeoutSeconds must be a number of seconds");
    }
    if (*seconds > 0) {
      parameters.timeout = std::min(
          kLongestTimeout, std::chrono::seconds(static_cast<std::int64_t>(std::min<std::uint64_t>(
                               *seconds, static_cast<std::uint64_t>(kLongestTimeout.count())))));
    }
  }
  return parameters;
}

// Between the store's thread and the coroutine.
class EventQueue {
 public:
  explicit EventQueue(std::shared_ptr<Signal> signal) : signal_(std::move(signal)) {}

  void Push(const WatchEvent& event) {
    {
      std::lock_guard lock(mutex_);
      if (overflowed_) return;
      bytes_ += event.object ? event.object->text().size() : 0;
      if (events_.size() >= kMaxQueuedEvents || bytes_ > kMaxQueuedBytes) {
        overflowed_ = true;
        events_.clear();
      } else {
        events_.push_back(event);
      }
    }
    signal_->Notify();
  }
  // Everything up to `revision` was given to Push.
  void PassedRevision(Revision revision) {
    {
      std::lock_guard lock(mutex_);
      passed_ = revision;
    }
    signal_->Notify();
  }

  struct Taken {
    std::deque<WatchEvent> events;
    std::optional<Revision> passed;
    bool overflowed = false;
  };
  Taken Take() {
    std::lock_guard lock(mutex_);
    bytes_ = 0;
    return {std::exchange(events_, {}), std::exchange(passed_, std::nullopt), overflowed_};
  }

 private:
  const std::shared_ptr<Signal> signal_;
  std::mutex mutex_;
  std::deque<WatchEvent> events_;
  std::size_t bytes_ = 0;  // of the objects in events_
  std::optional<Revision> passed_;
  bool overflowed_ = false;
};

class LineWriter {
 public:
  LineWriter(const Resource& resource, const Negotiated& negotiated, IncludeObject include,
             const base::Clock& clock)
      : resource_(resource), negotiated_(negotiated), include_(include), clock_(clock) {}

  void Event(EventType type, const kube::ObjectPtr& object, std::string& out) {
    out += R"({"type":")";
    out += NameOf(type);
    out += R"(","object":)";
    switch (negotiated_.representation) {
      case Representation::kTable: {
        const Json metadata = {
            {"resourceVersion", kube::StringAt(object->json(), "metadata.resourceVersion")}};
        const Json table = RenderTable(resource_, std::span(&object, 1), metadata, include_, first_,
                                       negotiated_.version, clock_.WallNow());
        first_ = false;
        out += Dump(table);
        break;
      }
      case Representation::kPartialMetadata:
      case Representation::kPartialMetadataList:
        out += Dump(RenderPartialMetadata(object->json(), negotiated_.version));
        break;
      default:
        out += object->text();
        break;
    }
    out += "}\n";
  }

  void Bookmark(Revision revision, bool initial_events_end, std::string& out) {
    Json metadata = {{"resourceVersion", std::to_string(std::to_underlying(revision))},
                     {"creationTimestamp", nullptr}};
    if (initial_events_end) metadata["annotations"] = {{"k8s.io/initial-events-end", "true"}};
    Json object = {{"kind", resource_.kind.kind},
                   {"apiVersion", resource_.kind.ApiVersion()},
                   {"metadata", metadata}};
    if (negotiated_.representation == Representation::kTable) {
      Json rows = Json::array();
      if (include_ != IncludeObject::kNone) {
        rows.push_back({{"cells", Json::array()},
                        {"object", RenderPartialMetadata(object, negotiated_.version)}});
      }
      object = {{"kind", "Table"},
                {"apiVersion", "meta.k8s.io/" + negotiated_.version},
                {"metadata", {{"resourceVersion", metadata["resourceVersion"]}}},
                {"columnDefinitions", first_ ? Json::array() : Json(nullptr)},
                {"rows", std::move(rows)}};
    } else if (negotiated_.representation != Representation::kObject) {
      object = RenderPartialMetadata(object, negotiated_.version);
    }
    out += R"({"type":"BOOKMARK","object":)" + Dump(object) + "}\n";
  }

  static void Failure(const base::Error& error, std::string& out) {
    out += R"({"type":"ERROR","object":)" + Dump(kube::ToStatus(error)) + "}\n";
  }

 private:
  static std::string Dump(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
  }
  static std::string_view NameOf(EventType type) {
    switch (type) {
      case EventType::kAdded:
        return "ADDED";
      case EventType::kModified:
        return "MODIFIED";
      case EventType::kDeleted:
        return "DELETED";
      case EventType::kBookmark:
        return "BOOKMARK";
      case EventType::kError:
        break;
    }
    return "ERROR";
  }

  const Resource& resource_;
  const Negotiated& negotiated_;
  const IncludeObject include_;
  const base::Clock& clock_;
  bool first_ = true;
};

// Asks the store's thread for a revision up to which this watch has been given everything.
void AskForProgress(Machinery& machinery, const ResourcePtr& resource,
                    const std::shared_ptr<EventQueue>& queue) {
  const Revision revision = machinery.store().revision();
  // A write that changes nothing is answered after all earlier changes were delivered.
  machinery.store().Apply(
      Key{resource->kind.GroupResource(), "", ""},
      [](const kube::ObjectPtr&) -> base::Result<Write> { return Write(Keep{}); },
      [queue, revision](const base::Result<kube::ObjectPtr>& done) {
        if (done) queue->PassedRevision(revision);
      });
}

net::Response StreamHead() {
  net::Response head;
  head.headers["Content-Type"] = "application/json";
  head.headers["Cache-Control"] = "no-cache, private";
  return head;
}

}  // namespace

asio::awaitable<void> ServeWatch(Exchange& exchange, Machinery& machinery, ResourcePtr resource,
                                 Filter filter, Negotiated negotiated) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  auto parameters = ParseParameters(exchange.request);
  if (!parameters) {
    co_await exchange.writer.Send(ErrorResponse(parameters.error()));
    co_return;
  }
  const Revision present = machinery.store().revision();
  if (parameters->from && *parameters->from > present) {
    kube::StatusDetails details{.retry_after_seconds = 1};
    details.causes = Json::array(
        {{{"reason", "ResourceVersionTooLarge"}, {"message", "Too large resource version"}}});
    const base::Error error(
        ErrorKind::kDeadlineExceeded,
        fmt::format("Too large resource version: {}, current: {}",
                    std::to_underlying(*parameters->from), std::to_underlying(present)));
    co_await exchange.writer.Send(ErrorResponse(error, details));
    co_return;
  }

  auto signal = std::make_shared<Signal>(executor);
  auto queue = std::make_shared<EventQueue>(signal);
  LineWriter lines(*resource, negotiated, parameters->include, machinery.clock());
  std::string out;
  std::optional<Revision> from = parameters->from;
  if (parameters->initial_events_end) from.reset();
  std::vector<kube::ObjectPtr> initial;
  if (!from) {
    auto page = machinery.List(*resource, filter);
    if (!page) {
      co_await exchange.writer.Send(ErrorResponse(page.error()));
      co_return;
    }
    initial = std::move(page->items);
    from = page->revision;
  }
  auto subscription = machinery.Watch(*resource, std::move(filter), *from,
                                      [queue](const WatchEvent& event) { queue->Push(event); });
  if (!subscription) {
    // Older than the history: said in the stream's own way, which all clients understand.
    if (subscription.error().kind() != ErrorKind::kExpired) {
      co_await exchange.writer.Send(ErrorResponse(subscription.error()));
      co_return;
    }
    LineWriter::Failure(subscription.error(), out);
    if (auto begun = co_await exchange.writer.Begin(StreamHead()); !begun) co_return;
    if (auto written = co_await exchange.writer.Write(out); !written) co_return;
    co_await exchange.writer.End();
    co_return;
  }

  if (auto begun = co_await exchange.writer.Begin(StreamHead()); !begun) co_return;
  for (const kube::ObjectPtr& object : initial) {
    lines.Event(EventType::kAdded, object, out);
    if (out.size() < kChunk) continue;
    if (auto written = co_await exchange.writer.Write(out); !written) co_return;
    out.clear();
  }
  initial.clear();
  Revision told = *from;  // the newest that the client knows
  if (parameters->initial_events_end) lines.Bookmark(*from, true, out);

  const base::MonoTime start = machinery.clock().Now();
  const base::MonoTime end = start + parameters->timeout;
  base::MonoTime next_bookmark = start + kBookmarkPeriod;
  while (true) {
    EventQueue::Taken taken = queue->Take();
    for (const WatchEvent& event : taken.events) {
      lines.Event(event.type, event.object, out);
      told = std::max(told, event.revision);
      if (out.size() < kChunk) continue;
      if (auto written = co_await exchange.writer.Write(out); !written) co_return;
      out.clear();
    }
    if (taken.overflowed) {
      LineWriter::Failure(
          base::Error(ErrorKind::kExpired, "the client reads too slowly: too many changes wait"),
          out);
    } else if (taken.passed && parameters->bookmarks) {
      told = std::max(told, *taken.passed);
      lines.Bookmark(told, false, out);
    }
    if (!out.empty()) {
      if (auto written = co_await exchange.writer.Write(out); !written) co_return;
      out.clear();
    }
    const base::MonoTime now = machinery.clock().Now();
    if (taken.overflowed || now >= end) break;
    if (parameters->bookmarks && now >= next_bookmark) {
      next_bookmark = now + kBookmarkPeriod;
      AskForProgress(machinery, resource, queue);
    }
    const base::MonoTime wake = parameters->bookmarks ? std::min(end, next_bookmark) : end;
    co_await signal->Wait(wake - now);
    if (exchange.writer.closed()) co_return;
  }
  co_await exchange.writer.End();
}

}  // namespace enclave::cluster
