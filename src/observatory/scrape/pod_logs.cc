#include "observatory/scrape/pod_logs.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "base/log.h"
#include "base/retry.h"
#include "kube/time.h"
#include "observatory/scrape/log_line.h"

namespace enclave::observatory::scrape {
namespace {

using kube::At;
using kube::IntAt;
using kube::Json;
using kube::ObjectPtr;
using kube::StringAt;
using telemetry::Labels;

constexpr std::string_view kComponent = "pod-logs";
constexpr base::RetryPolicy kFollowRetry{
    .base_delay = std::chrono::milliseconds(500),
    .factor = 2.0,
    .max_delay = std::chrono::seconds(30),
    .jitter = 0.3,
    .max_attempts = std::numeric_limits<int>::max(),
};
constexpr base::Duration kLookBack = std::chrono::hours(24);

struct Line {
  std::int64_t time_ns;
  std::string text;
};

// A run of a container that has begun: what its status says.
struct Run {
  std::string container;
  bool running = false;
  std::int64_t restarts = 0;
};

struct Follower {
  std::string uid;
  std::string ns;
  std::string pod;
  std::string container;
  Labels stream;
  bool running = false;
  std::int64_t restarts = 0;
  std::optional<std::int64_t> finished{};  // the run whose log was read to its end
  bool gone = false;

  std::unique_ptr<LogTail::Handle> handle{};
  bool waiting = false;  // for a timer or the store's answer
  int attempt = 0;
  LogPosition position{};
  bool positioned = false;    // the store was asked
  bool resuming = false;      // lines up to the position come once more
  std::size_t resumed = 0;    // of those of the position's time
  std::string partial{};      // a line whose end is still to come
  bool cutting = false;       // the rest of a line that is too long
  std::vector<Line> lines{};  // taken, not yet handed over for writing
};
using FollowerPtr = std::shared_ptr<Follower>;

std::vector<Run> RunsOf(const kube::Object& pod) {
  std::vector<Run> runs;
  for (const char* field : {"status.initContainerStatuses", "status.containerStatuses"}) {
    const Json& statuses = At(pod.json(), field);
    if (!statuses.is_array()) continue;
    for (const Json& status : statuses) {
      const bool running = At(status, "state.running").is_object();
      const bool terminated = At(status, "state.terminated").is_object();
      if (!running && !terminated) continue;
      runs.push_back({StringAt(status, "name"), running, IntAt(status, "restartCount")});
    }
  }
  return runs;
}

Labels StreamOf(const kube::Object& pod, const std::string& container) {
  const Json& labels = At(pod.json(), "metadata.labels");
  std::string app;
  for (const char* name : {"app.kubernetes.io/name", "app"}) {
    if (labels.is_object() && labels.contains(name) && labels[name].is_string()) {
      app = labels[name].get<std::string>();
    }
  }
  return Labels{{"namespace", pod.ns()},
                {"pod", pod.name()},
                {"container", container},
                {"app", app},
                {"node", StringAt(pod.json(), "spec.nodeName")}};
}

bool SendsItsOwn(const kube::Object& pod) {
  const Json& annotations = At(pod.json(), "metadata.annotations");
  return annotations.is_object() && annotations.contains("enclave.dev/logs") &&
         annotations["enclave.dev/logs"] == "otlp";
}

}  // namespace

base::Result<LogPosition> EndOfStream(telemetry::LogSource& source, const Labels& stream,
                                      base::WallTime now) {
  telemetry::LogQuery query;
  for (const char* name : {"namespace", "pod", "container"}) {
    query.matchers.push_back(telemetry::Matcher::Equal(name, std::string(stream.Get(name))));
  }
  const auto at = [](base::WallTime time) { return time.time_since_epoch().count(); };
  query.range = {at(now - kLookBack), at(now + std::chrono::hours(1))};
  query.direction = telemetry::Direction::kBackward;
  LogPosition position;
  RETURN_IF_ERROR(source.Query(query, [&](const Labels&, const telemetry::LogRecord& record) {
    if (position.count > 0 && record.time_ns != position.time_ns) return false;
    position.time_ns = record.time_ns;
    ++position.count;
    return true;
  }));
  return position;
}

struct PodLogs::Impl : std::enable_shared_from_this<PodLogs::Impl> {
  Impl(kube::SharedInformers& shared, LogTail& log_tail, telemetry::Workers& pool,
       telemetry::Sink& to, telemetry::LogSource* from, PodLogOptions bounds)
      : informers(shared),
        executor(shared.executor()),
        tail(log_tail),
        workers(pool),
        sink(to),
        source(from),
        options(bounds) {}

  struct Written {
    Labels stream;
    std::vector<Line> lines;
  };
  using Writing = std::vector<Written>;

  void PodChanged(const ObjectPtr& before, const ObjectPtr& after);
  void Consider(const FollowerPtr& follower);
  void Locate(const FollowerPtr& follower);
  void Connect(const FollowerPtr& follower);
  void Later(const FollowerPtr& follower);
  void Take(const FollowerPtr& follower, const std::string& data);
  void TakeLine(const FollowerPtr& follower, std::string_view line);
  void Ended(const FollowerPtr& follower, const base::Result<>& result);
  void Drop(const FollowerPtr& follower);
  void PlanWrite();
  void Write();
  void TryWrite(const std::shared_ptr<const Writing>& writing);
  void WriteDone(const std::shared_ptr<const Writing>& writing, const base::Result<>& result);

  // As Scraper's: tasks that come back, unless the owner has gone.
  template <typename F>
  std::function<void()> Guarded(F f) {
    return [weak = weak_from_this(), f = std::move(f)] {
      if (const auto self = weak.lock()) f(*self);
    };
  }

  kube::SharedInformers& informers;
  base::Executor& executor;
  LogTail& tail;
  telemetry::Workers& workers;
  telemetry::Sink& sink;
  telemetry::LogSource* const source;
  const PodLogOptions options;

  std::map<std::pair<std::string, std::string>, FollowerPtr> followers;  // by uid and container
  std::vector<FollowerPtr> with_lines;
  std::size_t waiting_bytes = 0;  // taken and not yet durable
  bool write_planned = false;
  bool writing_now = false;
  int write_attempt = 0;
};

void PodLogs::Impl::PodChanged(const ObjectPtr& before, const ObjectPtr& after) {
  if (after == nullptr || SendsItsOwn(*after)) {
    const std::string& uid = (after == nullptr ? before : after)->uid();
    std::vector<FollowerPtr> gone;
    for (const auto& [key, follower] : followers) {
      if (key.first == uid) gone.push_back(follower);
    }
    for (const FollowerPtr& follower : gone) {
      // What a deleted pod printed last may still be on its way; the server ends the log.
      follower->gone = true;
      follower->running = false;
      if (after != nullptr) follower->handle.reset();  // it sends its own from now on
      if (follower->handle == nullptr) Drop(follower);
    }
    return;
  }
  for (const Run& run : RunsOf(*after)) {
    FollowerPtr& follower = followers[{after->uid(), run.container}];
    if (follower == nullptr) {
      if (followers.size() > options.max_followers) {
        followers.erase({after->uid(), run.container});
        base::LogWarning(kComponent, "a container's log is not collected: there are too many",
                         {{"pod", after->name()}, {"limit", options.max_followers}});
        continue;
      }
      follower = std::make_shared<Follower>();
      follower->uid = after->uid();
      follower->ns = after->ns();
      follower->pod = after->name();
      follower->container = run.container;
      follower->stream = StreamOf(*after, run.container);
    }
    follower->running = run.running;
    follower->restarts = run.restarts;
    Consider(follower);
  }
}

// Connects where there is something to read and nobody reads.
void PodLogs::Impl::Consider(const FollowerPtr& follower) {
  if (follower->handle != nullptr || follower->waiting) return;
  if (follower->gone) {
    Drop(follower);
    return;
  }
  if (!follower->running && follower->finished == follower->restarts) return;
  if (source != nullptr && !follower->positioned) {
    Locate(follower);
  } else {
    Connect(follower);
  }
}

void PodLogs::Impl::Locate(const FollowerPtr& follower) {
  follower->waiting = true;
  const bool submitted =
      workers.Submit([weak = weak_from_this(), &executor = executor, &source = *source, follower,
                      stream = follower->stream, now = executor.WallNow()] {
        const auto position = EndOfStream(source, stream, now);
        executor.Post([weak, follower, position] {
          const auto self = weak.lock();
          if (self == nullptr) return;
          if (!position) {
            base::LogWarning(kComponent, "cannot find where a log ends in the store",
                             {{"pod", follower->pod}, {"error", position.error().message()}});
            self->Later(follower);
            return;
          }
          follower->waiting = false;
          follower->position = *position;
          follower->positioned = true;
          self->Consider(follower);
        });
      });
  if (!submitted) Later(follower);
}

void PodLogs::Impl::Connect(const FollowerPtr& follower) {
  if (waiting_bytes > options.max_waiting_bytes) {
    Later(follower);
    return;
  }
  LogFollow follow{.ns = follower->ns, .pod = follower->pod, .container = follower->container};
  follower->resuming = follower->position.count > 0;
  follower->resumed = 0;
  follower->partial.clear();
  follower->cutting = false;
  follow.since = follower->resuming ? base::WallTime(base::Duration(follower->position.time_ns))
                                    : executor.WallNow() - options.backfill;
  follower->handle = tail.Follow(
      follow, executor,
      // Weak, as the follower holds the handle, which holds these.
      [weak = weak_from_this(), to = std::weak_ptr(follower)](const std::string& data) {
        const auto self = weak.lock();
        const auto taker = to.lock();
        if (self != nullptr && taker != nullptr) self->Take(taker, data);
      },
      [weak = weak_from_this(), to = std::weak_ptr(follower)](const base::Result<>& result) {
        const auto self = weak.lock();
        const auto taker = to.lock();
        if (self != nullptr && taker != nullptr) self->Ended(taker, result);
      });
}

void PodLogs::Impl::Later(const FollowerPtr& follower) {
  follower->waiting = true;
  ++follower->attempt;
  const auto delay = base::RetryDelay(kFollowRetry, follower->attempt, informers.random());
  executor.After(delay.value_or(kFollowRetry.max_delay), Guarded([follower](Impl& self) {
                   follower->waiting = false;
                   self.Consider(follower);
                 }));
}

void PodLogs::Impl::Take(const FollowerPtr& follower, const std::string& data) {
  if (follower->handle == nullptr) return;
  std::string_view rest = data;
  while (!rest.empty()) {
    const std::size_t newline = rest.find('\n');
    const std::string_view piece = rest.substr(0, newline);
    if (!follower->cutting) {
      const std::size_t room =
          options.max_line_bytes - std::min(options.max_line_bytes, follower->partial.size());
      follower->partial += piece.substr(0, room);
      follower->cutting = piece.size() > room;
    }
    if (newline == std::string_view::npos) break;
    TakeLine(follower, follower->partial);
    follower->partial.clear();
    follower->cutting = false;
    rest.remove_prefix(newline + 1);
  }
  if (waiting_bytes > options.max_waiting_bytes) {
    // Ends the connection outside of its own callback; what was taken stays.
    executor.Post([handle = std::shared_ptr<LogTail::Handle>(std::move(follower->handle))] {});
    Later(follower);
  }
}

void PodLogs::Impl::TakeLine(const FollowerPtr& follower, std::string_view line) {
  const std::size_t blank = line.find(' ');
  const auto time = kube::ParseTime(line.substr(0, blank));
  if (!time) return;  // no line of the container's
  const std::int64_t time_ns = time->time_since_epoch().count();
  if (follower->resuming) {
    if (time_ns < follower->position.time_ns) return;
    if (time_ns == follower->position.time_ns) {
      if (follower->resumed < follower->position.count) {
        ++follower->resumed;
        return;
      }
    }
    follower->resuming = false;
  }
  follower->attempt = 0;
  if (time_ns == follower->position.time_ns) {
    ++follower->position.count;
  } else if (time_ns > follower->position.time_ns) {
    follower->position = {time_ns, 1};
  }
  const std::string_view text = blank == std::string_view::npos ? "" : line.substr(blank + 1);
  if (follower->lines.empty()) with_lines.push_back(follower);
  follower->lines.push_back({time_ns, std::string(text)});
  waiting_bytes += text.size();
  PlanWrite();
}

void PodLogs::Impl::Ended(const FollowerPtr& follower, const base::Result<>& result) {
  if (follower->handle == nullptr) return;
  executor.Post([handle = std::shared_ptr<LogTail::Handle>(std::move(follower->handle))] {});
  if (result && !follower->partial.empty() && !follower->running) {
    TakeLine(follower, follower->partial);  // the last line had no end
  }
  follower->partial.clear();
  if (result && !follower->running) follower->finished = follower->restarts;
  if (follower->gone) {
    Drop(follower);
    return;
  }
  if (!result) {
    base::LogDebug(kComponent, "a container's log broke off",
                   {{"pod", follower->pod},
                    {"container", follower->container},
                    {"error", result.error().message()}});
  }
  if (!result || follower->running) Later(follower);
}

void PodLogs::Impl::Drop(const FollowerPtr& follower) {
  followers.erase({follower->uid, follower->container});
}

void PodLogs::Impl::PlanWrite() {
  if (write_planned || writing_now) return;
  write_planned = true;
  executor.After(options.gather, Guarded([](Impl& self) {
                   self.write_planned = false;
                   self.Write();
                 }));
}

void PodLogs::Impl::Write() {
  if (writing_now || with_lines.empty()) return;
  auto writing = std::make_shared<Writing>();
  for (const FollowerPtr& follower : with_lines) {
    writing->push_back({follower->stream, std::exchange(follower->lines, {})});
  }
  with_lines.clear();
  writing_now = true;
  write_attempt = 0;
  TryWrite(writing);
}

void PodLogs::Impl::TryWrite(const std::shared_ptr<const Writing>& writing) {
  const bool submitted =
      workers.Submit([weak = weak_from_this(), &executor = executor, &sink = sink, writing] {
        telemetry::Batch batch;
        for (const Written& written : *writing) {
          telemetry::StreamWrite& stream = batch.streams.emplace_back();
          stream.labels = written.stream;
          stream.records.reserve(written.lines.size());
          for (const Line& line : written.lines) {
            stream.records.push_back(ReadLogLine(line.time_ns, line.text));
          }
        }
        base::Result<> result;
        if (auto done = sink.Write(std::move(batch)); !done) {
          result = std::unexpected(std::move(done).error());
        }
        executor.Post([weak, writing, result] {
          if (const auto self = weak.lock()) self->WriteDone(writing, result);
        });
      });
  if (!submitted) {
    WriteDone(writing, base::Fail(base::ErrorKind::kResourceExhausted, "too much to write"));
  }
}

void PodLogs::Impl::WriteDone(const std::shared_ptr<const Writing>& writing,
                              const base::Result<>& result) {
  const bool again = !result && (result.error().kind() == base::ErrorKind::kResourceExhausted ||
                                 result.error().kind() == base::ErrorKind::kUnavailable);
  if (!result && !again) {
    base::LogError(kComponent, "logs are lost", {{"error", result.error().message()}});
  }
  if (again) {
    base::LogWarning(kComponent, "logs are not written yet", {{"error", result.error().message()}});
    const auto delay = base::RetryDelay(kFollowRetry, ++write_attempt, informers.random());
    executor.After(delay.value_or(kFollowRetry.max_delay),
                   Guarded([writing](Impl& self) { self.TryWrite(writing); }));
    return;
  }
  for (const Written& written : *writing) {
    for (const Line& line : written.lines) waiting_bytes -= line.text.size();
  }
  writing_now = false;
  if (!with_lines.empty()) PlanWrite();
}

PodLogs::PodLogs(kube::SharedInformers& informers, LogTail& tail, telemetry::Workers& workers,
                 telemetry::Sink& sink, telemetry::LogSource* source, PodLogOptions options)
    : impl_(std::make_shared<Impl>(informers, tail, workers, sink, source, options)) {}

PodLogs::~PodLogs() = default;

void PodLogs::Start() {
  impl_->informers.For(kube::kPod)
      .OnChange([weak = std::weak_ptr(impl_)](const ObjectPtr& before, const ObjectPtr& after) {
        if (const auto self = weak.lock()) self->PodChanged(before, after);
      });
}

std::size_t PodLogs::followers() const {
  return impl_->followers.size();
}

}  // namespace enclave::observatory::scrape
