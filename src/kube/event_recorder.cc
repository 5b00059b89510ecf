#include <fmt/format.h>

#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <tuple>
#include <utility>

#include "base/log.h"
#include "kube/reconciler.h"
#include "kube/time.h"

namespace enclave::kube {
namespace {

constexpr std::size_t kMaxRemembered = 4096;  // as client-go's aggregator
constexpr std::size_t kMaxUnwritten = kMaxRemembered;
constexpr int kWritesPerTurn = 16;
constexpr std::size_t kMaxMessage = 1024;
constexpr int kMaxTries = 3;
constexpr base::Duration kTryAgainAfter = std::chrono::seconds(1);

bool MayPass(base::ErrorKind kind) {
  return kind == base::ErrorKind::kUnavailable || kind == base::ErrorKind::kDeadlineExceeded ||
         kind == base::ErrorKind::kResourceExhausted;
}

// Cut at a character's boundary.
std::string Shorten(const std::string& text) {
  if (text.size() <= kMaxMessage) return text;
  std::size_t end = kMaxMessage - 3;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end) + "...";
}

// The annotation with the TraceID that an object belongs to; its events belong to it too.
constexpr const char* kTrace = "enclave.dev/trace-id";

// Null when it belongs to none.
const Json* TraceOf(const Object& object) {
  const Json& annotations = At(object.json(), "metadata.annotations");
  if (!annotations.is_object()) return nullptr;
  const auto found = annotations.find(kTrace);
  return found == annotations.end() || !found->is_string() ? nullptr : &*found;
}

}  // namespace

struct EventRecorder::Impl : std::enable_shared_from_this<Impl> {
  Impl(SharedInformers& informers, std::string component)
      : informers(informers), component(std::move(component)) {}

  // What makes two events the same: object and its trace, type, reason, message, part.
  using Identity = std::tuple<std::string, std::string, std::string, std::string, std::string>;

  struct Series {
    Identity identity;
    Json event;            // as it should stand
    bool written = false;  // once; later changes are patches
    bool queued = false;
    int tries = 0;
  };

  void Record(const Object& regarding, std::string_view type, std::string_view reason,
              const std::string& message, std::string_view field_path) {
    const std::string text = Shorten(message);
    const std::string now = FormatTime(informers.executor().WallNow());
    const Json* trace = TraceOf(regarding);
    const std::string of_trace = trace == nullptr ? "" : "/" + trace->get<std::string>();
    Identity identity{regarding.uid() + "/" + regarding.ns() + "/" + regarding.name() + of_trace,
                      std::string(type), std::string(reason), text, std::string(field_path)};
    auto found = by_identity.find(identity);
    if (found == by_identity.end()) {
      auto series = std::make_shared<Series>();
      series->identity = identity;
      series->event = NewEvent(regarding, type, reason, text, field_path, now);
      recent.push_front(series);
      found = by_identity.emplace(std::move(identity), recent.begin()).first;
      if (recent.size() > kMaxRemembered) {
        by_identity.erase(recent.back()->identity);
        recent.pop_back();
      }
    } else {
      recent.splice(recent.begin(), recent, found->second);
      Json& event = recent.front()->event;
      event["count"] = IntAt(event, "count") + 1;
      event["lastTimestamp"] = now;
    }
    Queue(recent.front());
  }

  Json NewEvent(const Object& regarding, std::string_view type, std::string_view reason,
                const std::string& message, std::string_view field_path, const std::string& now) {
    const std::string ns = regarding.ns().empty() ? "default" : regarding.ns();
    Json involved = {{"kind", StringAt(regarding.json(), "kind")},
                     {"apiVersion", StringAt(regarding.json(), "apiVersion")},
                     {"name", regarding.name()},
                     {"uid", regarding.uid()}};
    if (!regarding.ns().empty()) involved["namespace"] = regarding.ns();
    const std::string& revision = StringAt(regarding.json(), "metadata.resourceVersion");
    if (!revision.empty()) involved["resourceVersion"] = revision;
    if (!field_path.empty()) involved["fieldPath"] = field_path;
    // Names are at most 253 characters; the suffix has 17.
    const std::string name =
        fmt::format("{}.{:016x}", regarding.name().substr(0, 236), informers.random().Next());
    Json metadata = {{"name", name}, {"namespace", ns}};
    if (const Json* trace = TraceOf(regarding)) metadata["annotations"] = {{kTrace, *trace}};
    return Json{{"apiVersion", "v1"},
                {"kind", "Event"},
                {"metadata", std::move(metadata)},
                {"involvedObject", std::move(involved)},
                {"type", type},
                {"reason", reason},
                {"message", message},
                {"count", 1},
                {"firstTimestamp", now},
                {"lastTimestamp", now},
                {"source", {{"component", component}}},
                {"reportingComponent", component},
                {"reportingInstance", ""}};
  }

  void Queue(const std::shared_ptr<Series>& series) {
    if (series->queued) return;
    if (unwritten.size() >= kMaxUnwritten) {  // a repeat writes the whole count
      if (dropped++ == 0) {
        base::LogWarning("events", "events are dropped: more are recorded than can be written",
                         {{"recorder", component}, {"unwritten", unwritten.size()}});
      }
      return;
    }
    series->queued = true;
    unwritten.push_back(series);
    Pump({});
  }

  void Pump(base::Duration delay) {
    if (pumping || unwritten.empty()) return;
    pumping = true;
    informers.executor().After(delay, [weak = weak_from_this()] {
      const auto self = weak.lock();
      if (self == nullptr) return;
      self->pumping = false;
      self->Pump(self->WriteSome() ? base::Duration::zero() : kTryAgainAfter);
    });
  }

  // False: try again after a pause.
  bool WriteSome() {
    for (int i = 0; i < kWritesPerTurn && !unwritten.empty(); ++i)
      if (!WriteNext()) return false;
    if (unwritten.empty() && dropped > 0) {
      base::LogInfo("events", "all events that were kept are written",
                    {{"recorder", component}, {"dropped", std::exchange(dropped, 0)}});
    }
    return true;
  }

  // False: try again after a pause.
  bool WriteNext() {
    const std::shared_ptr<Series> series = unwritten.front();
    const auto written = Write(*series);
    if (!written && MayPass(written.error().kind()) && ++series->tries < kMaxTries) return false;
    if (!written) {
      base::LogWarning("events", "an event could not be written",
                       {{"reason", StringAt(series->event, "reason")},
                        {"object", StringAt(series->event, "involvedObject.name")},
                        {"error", written.error().ToString()}});
    }
    series->tries = 0;
    series->queued = false;
    unwritten.pop_front();
    return true;
  }

  base::Result<> Write(Series& series) {
    Api& api = informers.api();
    const std::string ns = StringAt(series.event, "metadata.namespace");
    const std::string name = StringAt(series.event, "metadata.name");
    if (series.written) {
      const Json patch = {{"count", series.event["count"]},
                          {"lastTimestamp", series.event["lastTimestamp"]}};
      const auto patched = api.Patch(kEvent, ns, name, PatchType::kMerge, patch);
      if (patched) return {};
      if (patched.error().kind() != base::ErrorKind::kNotFound) {
        return std::unexpected(patched.error());
      }
      // Expired since: the series begins again under the same name.
    }
    const auto created = api.Create(kEvent, ns, series.event);
    // A create whose answer got lost, repeated.
    if (created || created.error().kind() == base::ErrorKind::kAlreadyExists) {
      series.written = true;
      return {};
    }
    return std::unexpected(created.error());
  }

  SharedInformers& informers;
  const std::string component;
  std::list<std::shared_ptr<Series>> recent;  // least recently used last
  std::map<Identity, std::list<std::shared_ptr<Series>>::iterator> by_identity;
  std::deque<std::shared_ptr<Series>> unwritten;
  bool pumping = false;
  std::uint64_t dropped = 0;  // since all was written
};

EventRecorder::EventRecorder(SharedInformers& informers, std::string component)
    : impl_(std::make_shared<Impl>(informers, std::move(component))) {}

EventRecorder::~EventRecorder() = default;

void EventRecorder::Record(const Object& regarding, std::string_view type, std::string_view reason,
                           const std::string& message, std::string_view field_path) {
  impl_->Record(regarding, type, reason, message, field_path);
}

}  // namespace enclave::kube
