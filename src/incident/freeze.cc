#include "incident/freeze.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "incident/inferred_spans.h"
#include "incident/log_evidence.h"
#include "incident/log_lines.h"
#include "incident/metric_evidence.h"
#include "incident/parallel.h"
#include "incident/rate_change.h"
#include "incident/signal.h"
#include "incident/span_evidence.h"
#include "incident/span_table.h"

namespace enclave::incident {
namespace {

// The stretches to read, none twice.
std::vector<Window> Merge(std::vector<Window> windows) {
  std::ranges::sort(windows, {}, &Window::from_ns);
  std::vector<Window> merged;
  for (const Window& window : windows)
    if (!merged.empty() && window.from_ns <= merged.back().to_ns)
      merged.back().to_ns = std::max(merged.back().to_ns, window.to_ns);
    else
      merged.push_back(window);
  return merged;
}

void ReadSpans(telemetry::TraceSource* traces, const std::vector<Window>& windows,
               const Timeline& timeline, SpanTable& table, std::vector<std::string>& missing) {
  if (traces == nullptr) {
    missing.emplace_back("traces: no source");
    return;
  }
  for (const Window& window : windows) {
    const auto read =
        traces->Visit({window.from_ns, window.to_ns}, [&](const telemetry::Span& span) {
          const std::uint32_t bin = timeline.BinOf(span.start_ns);
          if (bin != Timeline::kOutside) table.Add(span, bin);
          return true;
        });
    if (!read) missing.push_back("traces: " + read.error().message());
  }
  if (table.rows().empty()) missing.emplace_back("traces: no span in the window");
}

void ReadLogs(telemetry::LogSource* logs, const std::vector<Window>& windows, LogLines& lines,
              std::vector<std::string>& missing) {
  if (logs == nullptr) {
    missing.emplace_back("logs: no source");
    return;
  }
  for (const Window& window : windows) {
    const auto read =
        logs->Query({.matchers = {}, .range = {window.from_ns, window.to_ns}},
                    [&](const telemetry::Labels& stream, const telemetry::LogRecord& record) {
                      lines.Add(stream, record);
                      return true;
                    });
    if (!read) missing.push_back("logs: " + read.error().message());
  }
  if (lines.seen() == 0) missing.emplace_back("logs: no line in the window");
}

template <typename Item>
void Number(std::vector<Item>& items, char letter) {
  for (std::size_t i = 0; i < items.size(); ++i) items[i].id = fmt::format("{}{}", letter, i + 1);
}

// What Kubernetes says, as given; by time, then by object.
void TakeFacts(const Sources& sources, const Bounds& bounds, Interner& services, Context& context) {
  context.facts = sources.facts;
  std::ranges::sort(context.facts, [](const KubernetesFact& a, const KubernetesFact& b) {
    return std::tuple(!a.warning, a.time_ns, std::string_view(a.object),
                      std::string_view(a.reason)) < std::tuple(!b.warning, b.time_ns,
                                                               std::string_view(b.object),
                                                               std::string_view(b.reason));
  });
  context.changes = sources.changes;
  std::ranges::sort(context.changes, [](const Change& a, const Change& b) {
    return std::tuple(-a.time_ns, std::string_view(a.object)) <
           std::tuple(-b.time_ns, std::string_view(b.object));
  });
  if (context.facts.size() > bounds.items) {
    context.left_out["facts"] = context.facts.size() - bounds.items;
    context.facts.resize(bounds.items);
  }
  if (context.changes.size() > bounds.items) {
    context.left_out["changes"] = context.changes.size() - bounds.items;
    context.changes.resize(bounds.items);
  }
  for (const KubernetesFact& fact : context.facts)
    if (!fact.service.empty()) services.Intern(fact.service);
  for (const Change& change : context.changes)
    if (!change.service.empty()) services.Intern(change.service);
}

void ListServices(const Interner& services, const Bounds& bounds, Context& context) {
  for (std::uint32_t service = 0; service < services.size(); ++service)
    context.services.push_back({.name = services.Name(service)});
  std::ranges::sort(context.services, {}, &ServiceFacts::name);
  if (context.services.size() > bounds.services) {
    context.left_out["services"] = context.services.size() - bounds.services;
    context.services.resize(bounds.services);
  }
}

void TidyTopology(const Sources& sources, const Bounds& bounds, Context& context) {
  context.topology.insert(context.topology.end(), sources.topology.begin(), sources.topology.end());
  for (const SeriesShift& shift : context.series)
    if (!shift.caller.empty()) context.topology.push_back({shift.caller, shift.service});
  std::erase_if(context.topology, [](const Call& call) { return call.caller == call.callee; });
  std::ranges::sort(context.topology);
  const auto repeated = std::ranges::unique(context.topology);
  context.topology.erase(repeated.begin(), repeated.end());
  if (context.topology.size() > bounds.calls) {
    context.left_out["calls"] = context.topology.size() - bounds.calls;
    context.topology.resize(bounds.calls);
  }
}

}  // namespace

base::Result<Context> Freeze(const Sources& sources, const Question& question, const Bounds& bounds,
                             telemetry::Workers* workers) {
  if (question.available.to_ns <= question.available.from_ns)
    return base::Fail(base::ErrorKind::kInvalidArgument,
                      "freezing an incident: the window ends before it begins; give one that "
                      "holds the alert");
  Context context{.alert = question.alert};
  // After a repair there is one possible onset, the first.
  const Timeline timeline(question.normal, question.available,
                          question.after_repair() ? 0 : question.alert.time_ns);
  std::vector<Window> windows = question.normal;
  windows.push_back(question.available);
  windows = Merge(std::move(windows));

  Interner services;
  Interner names;
  if (!question.alert.service.empty()) services.Intern(question.alert.service);
  SpanTable table(services, names);
  LogLines lines(timeline);
  SeriesEvidence series(sources.metrics, question);
  std::vector<std::string> missing_lines;
  // Side by side: they share nothing. The longer one first: a helper comes a little later.
  ForEach(workers, 3, [&](std::size_t item) {
    if (item == 1) return ReadLogs(sources.logs, windows, lines, missing_lines);
    if (item == 2) return series.Gather();
    ReadSpans(sources.traces, windows, timeline, table, context.missing);
    table.Link(workers);
  });
  context.missing.insert(context.missing.end(), missing_lines.begin(), missing_lines.end());
  if (table.rows().empty()) {
    InferSpans(lines, table);
    table.Link(workers);
  }
  LogEvidence logs(lines, table, services, timeline);
  std::optional<SpanEvidence> gathered;
  ForEach(workers, 2, [&](std::size_t item) {
    if (item == 1) return logs.TakeLines();
    gathered.emplace(table, services, names, timeline, workers);
  });
  const SpanEvidence& spans = *gathered;
  logs.Finish(spans);

  OnsetVote votes(timeline);
  spans.Vote(votes);
  logs.Vote(votes);
  const Onsets onsets = votes.Best();
  context.onset_score = votes.score();
  context.before = question.after_repair() && !question.normal.empty()
                       ? question.normal.back()
                       : Window{question.available.from_ns, timeline.StartOf(onsets.agreed)};
  context.during = {timeline.StartOf(onsets.agreed), question.available.to_ns};

  // Side by side too: what the series say is put to the rest when both are done.
  Context measured;
  ForEach(workers, 2, [&](std::size_t item) {
    if (item == 0) return spans.Fill(context, onsets, bounds);
    series.Fill(context.during.from_ns, bounds, workers, measured);
  });
  for (std::uint32_t service = 0; service < series.services().size(); ++service)
    services.Intern(series.services().Name(service));
  context.series = std::move(measured.series);
  context.golden = std::move(measured.golden);
  context.left_out.merge(measured.left_out);
  std::ranges::move(measured.missing, std::back_inserter(context.missing));
  TakeFacts(sources, bounds, services, context);
  for (const Call& call : sources.topology) {
    services.Intern(call.caller);
    services.Intern(call.callee);
  }
  ListServices(services, bounds, context);
  spans.FillServices(context, onsets.agreed);
  logs.Fill(context, onsets, bounds);
  TidyTopology(sources, bounds, context);
  std::erase_if(context.left_out, [](const auto& kind) { return kind.second == 0; });

  Number(context.series, 'm');
  Number(context.golden, 'g');
  Number(context.operations, 'o');
  Number(context.edges, 'e');
  Number(context.flows, 'f');
  Number(context.logs, 'l');
  Number(context.traces, 't');
  Number(context.facts, 'k');
  Number(context.changes, 'c');
  return context;
}

}  // namespace enclave::incident
