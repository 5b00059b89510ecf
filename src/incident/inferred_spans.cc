#include "incident/inferred_spans.h"

#include <algorithm>
#include <tuple>
#include <vector>

#include "incident/pair_index.h"

namespace enclave::incident {
namespace {

constexpr std::uint32_t kNobody = UINT32_MAX;

struct Heard {
  trace::TraceId trace_id;
  std::uint64_t span = 0;
  std::uint32_t voice = 0;  // its first
  std::uint32_t bin = 0;
  std::int64_t first_ns = 0;
  std::int64_t last_ns = 0;
  std::vector<std::int64_t> times_ns{};  // of its lines
};

std::vector<Heard> Listen(const LogLines& lines) {
  std::vector<Heard> heard;
  PairIndex numbers;
  for (const LogLines::Line& line : lines.lines()) {
    if (!line.trace_id || line.span == 0) continue;
    // Span ids are random: that two requests share one is the rarest of accidents.
    const auto [number, is_new] = numbers.Take(line.span, line.trace_id->low());
    if (is_new)
      heard.push_back({.trace_id = *line.trace_id,
                       .span = line.span,
                       .voice = line.voice,
                       .bin = line.bin,
                       .first_ns = line.time_ns,
                       .last_ns = line.time_ns});
    Heard& span = heard[number];
    span.times_ns.push_back(line.time_ns);
    span.last_ns = std::max(span.last_ns, line.time_ns);
  }
  return heard;
}

// The caller's own lines around a stretch of another span; the stretch's ends where it has none.
std::pair<std::int64_t, std::int64_t> Around(const Heard& caller, std::int64_t from_ns,
                                             std::int64_t to_ns) {
  const auto after_from = std::ranges::upper_bound(caller.times_ns, from_ns);
  if (after_from != caller.times_ns.begin()) from_ns = *(after_from - 1);
  const auto at_to = std::ranges::lower_bound(caller.times_ns, to_ns);
  if (at_to != caller.times_ns.end()) to_ns = *at_to;
  return {from_ns, to_ns};
}

}  // namespace

void InferSpans(const LogLines& lines, SpanTable& table) {
  std::vector<Heard> heard = Listen(lines);
  std::ranges::sort(heard, [](const Heard& a, const Heard& b) {
    return std::tuple(a.trace_id, a.first_ns, -a.last_ns, a.span) <
           std::tuple(b.trace_id, b.first_ns, -b.last_ns, b.span);
  });
  const auto service_of = [&](const Heard& span) { return lines.voices()[span.voice].service; };
  const auto text_of = [&](const Heard& span) -> const std::string& {
    return lines.Text(lines.voices()[span.voice].text);
  };
  std::vector<std::uint32_t> open;  // those that the next may lie in, the innermost last
  for (std::uint32_t number = 0; number < heard.size(); ++number) {
    const Heard& span = heard[number];
    while (!open.empty() && (heard[open.back()].trace_id != span.trace_id ||
                             heard[open.back()].last_ns < span.last_ns))
      open.pop_back();
    const std::uint32_t caller = open.empty() ? kNobody : open.back();
    open.push_back(number);
    SpanTable::Inferred row{.trace_id = span.trace_id,
                            .id = span.span,
                            .service = lines.services().Name(service_of(span)),
                            .operation = text_of(span),
                            .start_ns = span.first_ns,
                            .end_ns = span.last_ns,
                            .bin = span.bin};
    if (caller != kNobody) {
      row.parent_id = heard[caller].span;
      if (service_of(heard[caller]) != service_of(span)) {
        const auto [from_ns, to_ns] = Around(heard[caller], span.first_ns, span.last_ns);
        table.Add({.trace_id = span.trace_id,
                   .id = ~span.span,
                   .parent_id = heard[caller].span,
                   .service = lines.services().Name(service_of(heard[caller])),
                   .operation = text_of(span),
                   .start_ns = from_ns,
                   .end_ns = to_ns,
                   .bin = span.bin,
                   .is_call = true});
        row.parent_id = ~span.span;
      }
    }
    table.Add(row);
  }
}

}  // namespace enclave::incident
