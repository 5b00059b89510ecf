#include "cli/story_render.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "cli/story_order.h"
#include "cli/story_span.h"
#include "kube/time.h"

namespace enclave::cli {
namespace {

using telemetry::Span;
using telemetry::SpanKind;
using telemetry::SpanStatus;

constexpr int kDeepest = 24;  // of the indentation, in calls
constexpr std::size_t kLongestLine = 300;
constexpr const char* kTerminal = "terminal";  // the service of `enclave run`

// One step of the story. `rank` orders what happened at one time: causes first.
struct Step {
  std::int64_t time_ns = 0;
  int rank = 0;
  std::string layer{};
  std::string text{};
  std::vector<std::string> more{};  // lines below
  std::string bar{};                // as wide as all of them; "" for what is no span
};

std::string OneLine(std::string_view text) {
  std::string line(text.substr(0, std::min(text.size(), text.find('\n'))));
  for (char& c : line)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  if (line.size() > kLongestLine) {
    std::size_t end = kLongestLine;
    while (end > 0 && (static_cast<unsigned char>(line[end]) & 0xc0U) == 0x80U) --end;
    line = line.substr(0, end) + "...";
  }
  return line;
}

// "850 us", "12.3 ms", "4.21 s", "2m03s"
std::string TimeSpan(std::int64_t ns) {
  const double ms = static_cast<double>(ns) / 1e6;
  if (ns == 0) return "0 ms";
  if (ms < 1) return fmt::format("{:.0f} us", ms * 1e3);
  if (ms < 1'000) return fmt::format("{:.1f} ms", ms);
  if (ms < 60'000) return fmt::format("{:.2f} s", ms / 1e3);
  const auto seconds = static_cast<std::int64_t>(ms / 1e3);
  if (seconds < 3600) return fmt::format("{}m{:02}s", seconds / 60, seconds % 60);
  return fmt::format("{}h{:02}m", seconds / 3600, seconds / 60 % 60);
}

std::string LayerOf(const Span& span) {
  if (telemetry::ServiceName(span.resource) == kTerminal) return kTerminal;
  switch (span.kind) {
    case SpanKind::kServer:
    case SpanKind::kConsumer:
      return "request";
    case SpanKind::kClient:
    case SpanKind::kProducer:
      return "call";
    case SpanKind::kInternal:
    case SpanKind::kUnspecified:
      break;
  }
  return "code";
}

// How many calls deep each span stands. A parent that is not there, or a circle, is depth 0.
std::map<trace::SpanId, int> Depths(const std::vector<Span>& spans) {
  std::map<trace::SpanId, const Span*> by_id;
  for (const Span& span : spans) by_id.emplace(span.span_id, &span);
  std::map<trace::SpanId, int> depths;
  for (const Span& span : spans) {
    std::vector<const Span*> above;
    const Span* at = &span;
    std::set<trace::SpanId> seen;
    int depth = 0;
    while (at != nullptr && seen.insert(at->span_id).second) {
      if (const auto known = depths.find(at->span_id); known != depths.end()) {
        depth = known->second + 1;
        break;
      }
      above.push_back(at);
      const auto parent = at->parent_id ? by_id.find(*at->parent_id) : by_id.end();
      at = parent == by_id.end() ? nullptr : parent->second;
    }
    for (auto one = above.rbegin(); one != above.rend(); ++one) depths[(*one)->span_id] = depth++;
  }
  return depths;
}

// Where each span lies in the whole that its topmost caller spans, as a bar; none for a span that
// is alone.
class Bars {
 public:
  static constexpr std::size_t kWidth = 12;  // columns

  explicit Bars(const std::vector<Span>& spans) {
    std::map<trace::SpanId, const Span*> by_id;
    for (const Span& span : spans) by_id.emplace(span.span_id, &span);
    for (const Span& span : spans) {
      const Span* top = &span;
      for (int step = 0; step < kDeepest && top->parent_id; ++step) {
        const auto parent = by_id.find(*top->parent_id);
        if (parent == by_id.end()) break;
        top = parent->second;
      }
      tops_.insert_or_assign(span.span_id, top->span_id);
      Whole& whole = wholes_[top->span_id];
      whole.from = std::min(whole.from, span.start_ns);
      whole.to = std::max(whole.to, span.end_ns);
      any_ |= ++whole.spans > 1;
    }
  }

  bool any() const { return any_; }
  std::string Of(const Span& span) const {
    const Whole& whole = wholes_.at(tops_.at(span.span_id));
    if (whole.spans < 2 || whole.to <= whole.from) return std::string(kWidth, ' ');
    const auto column = [&](std::int64_t time_ns) {
      const double share =
          static_cast<double>(time_ns - whole.from) / static_cast<double>(whole.to - whole.from);
      return static_cast<std::size_t>(std::clamp(share, 0.0, 1.0) * kWidth);
    };
    const std::size_t first = std::min(column(span.start_ns), kWidth - 1);
    const std::size_t last = std::clamp(column(span.end_ns), first + 1, kWidth);
    std::string bar(first, ' ');
    for (std::size_t i = first; i < last; ++i) bar += "━";
    return bar + std::string(kWidth - last, ' ');
  }

 private:
  struct Whole {
    std::int64_t from = INT64_MAX;
    std::int64_t to = INT64_MIN;
    int spans = 0;
  };
  std::map<trace::SpanId, trace::SpanId> tops_;
  std::map<trace::SpanId, Whole> wholes_;
  bool any_ = false;
};

std::string Indent(int depth) {
  return std::string(static_cast<std::size_t>(std::min(depth, kDeepest)) * 2, ' ');
}

Step StepOf(const Span& span, int depth, const Bars& bars, const StoryColours& colours) {
  const bool failed = span.status == SpanStatus::kError;
  const std::string service = telemetry::ServiceName(span.resource);
  const std::string layer = LayerOf(span);
  std::string what = OneLine(span.name);
  if (layer == kTerminal) {
    const std::string line = AttributeText(span.attributes, "process.command_line");
    if (!line.empty()) what = line.starts_with(what) ? line : what + ": " + line;
    what = OneLine(what);
    if (const std::string who = AttributeText(span.attributes, "user.name"); !who.empty())
      what += colours.dim("  by " + OneLine(who));
  } else {
    what = OneLine(service) + "  " + what;
  }
  Step step{.time_ns = span.start_ns, .rank = depth, .layer = layer};
  if (bars.any()) step.bar = failed ? colours.bad(bars.Of(span)) : colours.dim(bars.Of(span));
  step.text = Indent(depth) + what + "  " + colours.dim(TimeSpan(span.end_ns - span.start_ns));
  if (failed) step.text += "  " + colours.bad("error");
  const std::string place = OneLine(PlaceOfSpan(span));
  if (failed) {
    if (const std::string message = OneLine(MessageOfSpan(span)); !message.empty())
      step.more.push_back(Indent(depth + 1) + colours.bad(message));
    if (!place.empty()) step.more.push_back(Indent(depth + 1) + "at " + colours.mark(place));
  } else if (!place.empty()) {
    step.text += "  " + colours.dim(place);
  }
  return step;
}

// Loki's stream labels and what OpenTelemetry calls a service.
std::string SourceOf(const telemetry::Labels& stream) {
  for (const char* label : {"service_name", "app", "pod", "job"})
    if (stream.Has(label)) return std::string(stream.Get(label));
  return stream.ToString();
}

// What a structured line says, and the line itself where it is not one.
std::string Said(const std::string& line) {
  const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return line;
  for (const char* key : {"message", "msg", "body"}) {
    const auto found = json.find(key);
    if (found != json.end() && found->is_string()) return found->get<std::string>();
  }
  return line;
}

bool IsGrave(const telemetry::LogRecord& record) {
  std::string level(record.metadata.Get("level"));
  std::ranges::transform(level, level.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
  return level == "error" || level == "fatal" || level == "critical";
}

Step StepOf(const StoryLine& line, int depth, const StoryColours& colours) {
  const std::string said = OneLine(Said(line.record.line));
  return {.time_ns = line.record.time_ns,
          .rank = 1'000,
          .layer = "log",
          .text = Indent(depth) + OneLine(SourceOf(line.stream)) + "  " +
                  (IsGrave(line.record) ? colours.bad(said) : said),
          .more = {}};
}

std::string NameIn(const std::string& ns, const std::string& name) {
  return ns.empty() ? name : ns + "/" + name;
}

Step StepOf(const StoryChange& change, const StoryColours& colours) {
  std::string resource = change.resource;
  if (!change.subresource.empty()) resource += "/" + change.subresource;
  std::string text = fmt::format("{} {} {}", change.verb, resource, NameIn(change.ns, change.name));
  text = OneLine(text) + colours.dim("  by " + OneLine(change.user));
  if (change.code >= 400) text += "  " + colours.bad(fmt::format("refused: {}", change.code));
  return {.time_ns = change.time_ns,
          .rank = 500,
          .layer = "change",
          .text = Indent(change.by_cluster ? 1 : 0) + text,
          .more = {}};
}

// Events tell their second alone: told at its end, none comes before its cause.
constexpr std::int64_t kEndOfSecondNs = 999'000'000;

Step StepOf(const ClusterEvent& event, const StoryColours& colours) {
  std::string said = OneLine(event.reason + ": " + event.message);
  if (event.count > 1) said += fmt::format(" ({} times)", event.count);
  return {
      .time_ns = event.time_ns + kEndOfSecondNs,
      .rank = 600,
      .layer = "event",
      .text = fmt::format("  {} {}  {}", OneLine(event.kind), OneLine(NameIn(event.ns, event.name)),
                          event.warning ? colours.bad(said) : said),
      .more = {}};
}

// Of the agent's kinds of event, what touches the cluster is an action.
std::string LayerOf(const StoryEvent& event) {
  return event.kind.contains("action") || event.kind.contains("undo") ? "action" : "incident";
}

std::vector<Step> StepsOf(const Story& story, const Bars& bars, const StoryColours& colours) {
  std::vector<Step> steps;
  const auto depths = Depths(story.spans);
  for (const Span& span : story.spans)
    steps.push_back(StepOf(span, depths.at(span.span_id), bars, colours));
  for (const StoryLine& line : story.lines) {
    const auto span = line.record.span_id ? depths.find(*line.record.span_id) : depths.end();
    steps.push_back(StepOf(line, span == depths.end() ? 0 : span->second + 1, colours));
  }
  for (const StoryChange& change : story.changes) steps.push_back(StepOf(change, colours));
  for (const ClusterEvent& event : story.events) steps.push_back(StepOf(event, colours));
  for (const StoryIncident& incident : story.incidents) {
    for (const StoryEvent& event : incident.events) {
      steps.push_back({.time_ns = event.time_ns,
                       .rank = 2'000,
                       .layer = LayerOf(event),
                       .text = incident.id + "  " + OneLine(event.sentence),
                       .more = {}});
    }
  }
  OrderBy(steps, [](const Step& step) { return std::pair(step.time_ns, step.rank); });
  return steps;
}

std::string Count(std::size_t number, const char* one, const char* many) {
  return fmt::format("{} {}", number, number == 1 ? one : many);
}

std::string Head(const Story& story, const std::vector<Step>& steps) {
  std::set<std::string> services;
  for (const Span& span : story.spans) services.insert(telemetry::ServiceName(span.resource));
  std::string head = "trace " + story.id.ToString();
  if (!steps.empty())
    head += "  " + kube::FormatTime(base::WallTime(base::Duration(steps.front().time_ns)));
  head += fmt::format("\n{} in {}, {}, {}", Count(story.spans.size(), "span", "spans"),
                      Count(services.size(), "service", "services"),
                      Count(story.lines.size(), "log line", "log lines"),
                      Count(story.changes.size(), "change", "changes"));
  if (!story.incidents.empty())
    head += ", " + Count(story.incidents.size(), "incident", "incidents");
  head += "\n";
  for (const StoryLink& link : story.links)
    head += fmt::format("with {}: {}\n", link.id.ToString(), OneLine(link.what));
  return head;
}

std::int64_t TimeIn(const nlohmann::json& json, const char* key) {
  const auto time = kube::TimeAt(json, key);
  return time ? time->time_since_epoch().count() : 0;
}

// The failed span that knows most of why: the deepest that recorded an exception with its place,
// else an exception, else a place.
const Span* DeepestFailure(const Story& story) {
  const auto depths = Depths(story.spans);
  const Span* deepest = nullptr;
  const auto rank = [&](const Span& span) {
    const bool exception = std::ranges::find(span.events, "exception",
                                             &telemetry::SpanEvent::name) != span.events.end();
    return std::tuple(exception, !PlaceOfSpan(span).empty(), depths.at(span.span_id));
  };
  for (const Span& span : story.spans) {
    if (span.status != SpanStatus::kError || LayerOf(span) == kTerminal) continue;
    if (deepest == nullptr || rank(span) > rank(*deepest)) deepest = &span;
  }
  return deepest;
}

// The outermost span around it that is no command.
const Span& RequestOf(const Story& story, const Span& failure) {
  const Span* request = &failure;
  for (std::size_t depth = 0; request->parent_id && depth < story.spans.size(); ++depth) {
    const auto parent = std::ranges::find_if(story.spans, [&](const Span& span) {
      return span.trace_id == failure.trace_id && span.span_id == *request->parent_id;
    });
    if (parent == story.spans.end() || LayerOf(*parent) == kTerminal) break;
    request = &*parent;
  }
  return *request;
}

// The way from the command to the end, a line each: what a person wants to know first.
std::vector<Step> WayOf(const Story& story, const StoryColours& colours) {
  std::vector<Step> way;
  for (const Span& span : story.spans) {
    if (LayerOf(span) != kTerminal) continue;
    std::string line = AttributeText(span.attributes, "process.command_line");
    if (line.empty()) line = span.name;
    way.push_back({.time_ns = span.start_ns, .layer = "command", .text = OneLine(line)});
  }
  for (const StoryChange& change : story.changes) {
    if (change.by_cluster || change.code >= 400) continue;
    way.push_back({.time_ns = change.time_ns,
                   .layer = "change",
                   .text = OneLine(fmt::format("{} {} {}  by {}", change.verb, change.resource,
                                               NameIn(change.ns, change.name), change.user))});
  }
  if (const Span* failure = DeepestFailure(story)) {
    const Span& request = RequestOf(story, *failure);
    way.push_back({.time_ns = request.start_ns,
                   .layer = "request",
                   .text = OneLine(fmt::format("{}  {}", telemetry::ServiceName(request.resource),
                                               request.name)) +
                           "  " + colours.dim(TimeSpan(request.end_ns - request.start_ns))});
    const std::string place = OneLine(PlaceOfSpan(*failure));
    Step code{.time_ns = failure->start_ns,
              .rank = 1,
              .layer = "code",
              .text = fmt::format("{}  {}", OneLine(telemetry::ServiceName(failure->resource)),
                                  colours.bad(OneLine(MessageOfSpan(*failure))))};
    if (!place.empty()) code.more.push_back("at " + colours.mark(place));
    way.push_back(std::move(code));
  }
  for (const StoryIncident& incident : story.incidents) {
    const nlohmann::json& whole = incident.whole;
    if (TimeIn(whole, "opened") == 0) continue;
    const std::string& service = kube::StringAt(whole, "cause.service");
    const nlohmann::json& confidence = kube::At(whole, "cause.confidence");
    Step opened{.time_ns = TimeIn(whole, "opened"), .rank = 2, .layer = "incident"};
    opened.text = incident.id;
    if (!service.empty())
      opened.text += fmt::format("  {}: {} ({:.0f} %)", OneLine(service),
                                 OneLine(kube::StringAt(whole, "cause.kind")),
                                 confidence.is_number() ? 100 * confidence.get<double>() : 0);
    way.push_back(std::move(opened));
    for (const nlohmann::json& action : kube::At(whole, "actions")) {
      Step step{.time_ns = TimeIn(action, "started"), .rank = 3, .layer = "action"};
      step.text = OneLine(kube::StringAt(action, "action.reason"));
      const std::string& verdict = kube::StringAt(action, "verdict");
      if (!verdict.empty())
        step.more.push_back(OneLine("it " + verdict + ": " + kube::StringAt(action, "seen")));
      way.push_back(std::move(step));
    }
    if (const std::int64_t closed_ns = TimeIn(whole, "closed"); closed_ns != 0) {
      const std::string& outcome = kube::StringAt(whole, "outcome");
      way.push_back(
          {.time_ns = closed_ns,
           .rank = 4,
           .layer = "end",
           .text = (outcome == "resolved" ? colours.good(outcome) : colours.bad(outcome)) +
                   OneLine(": " + kube::StringAt(whole, "why"))});
    }
  }
  OrderBy(way, [](const Step& step) { return std::pair(step.time_ns, step.rank); });
  return way;
}

std::string Lines(const std::vector<Step>& steps, std::int64_t zero_ns, std::size_t bar_width) {
  std::string text;
  const std::string gap = bar_width == 0 ? "" : std::string(bar_width + 2, ' ');
  for (const Step& step : steps) {
    text += fmt::format("{:>10}  {:<8}  {}{}\n", "+" + TimeSpan(step.time_ns - zero_ns), step.layer,
                        step.bar.empty() ? gap : step.bar + "  ", step.text);
    for (const std::string& more : step.more) text += fmt::format("{:22}{}{}\n", "", gap, more);
  }
  return text;
}

}  // namespace

std::string RenderStory(const Story& story, const StoryColours& colours) {
  const Bars bars(story.spans);
  const std::vector<Step> steps = StepsOf(story, bars, colours);
  std::string text = Head(story, steps);
  const std::int64_t zero_ns = steps.empty() ? 0 : steps.front().time_ns;
  if (!story.incidents.empty())
    text += "\n" + Lines(WayOf(story, colours), zero_ns, 0) + "\nin full\n";
  if (!steps.empty()) text += '\n';
  text += Lines(steps, zero_ns, bars.any() ? Bars::kWidth : 0);
  if (!story.objects.empty()) {
    text += "\ncarried by\n";
    for (const StoryObject& object : story.objects) {
      text += fmt::format("  {:<14} {}", object.kind, OneLine(NameIn(object.ns, object.name)));
      if (!object.action.empty()) text += "  action " + OneLine(object.action);
      if (!object.incident.empty()) text += colours.dim("  of " + OneLine(object.incident));
      text += '\n';
    }
  }
  if (!story.missing.empty()) text += '\n';
  for (const MissingSource& missing : story.missing)
    text += colours.dim(fmt::format("without {}: {}", missing.source, OneLine(missing.why))) + "\n";
  return text;
}

}  // namespace enclave::cli
