#include "bench/rca/evaluate.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "base/random.h"
#include "bench/rca/csv.h"

namespace enclave::bench::rca {
namespace {

using enclave::rca::CauseKind;
using enclave::rca::Hypothesis;
using telemetry::Span;

constexpr double kDropped = 0.2;
constexpr std::uint64_t kSeed = 20;

// A source that lost some of its spans, the same ones each time it is asked.
class ThinnedTraces final : public telemetry::TraceSource {
 public:
  explicit ThinnedTraces(telemetry::TraceSource& all) : all_(all) {}

  base::Result<> Visit(telemetry::TimeRangeNs range, const telemetry::SpanVisitor& visit) override {
    return all_.Visit(range, [&](const Span& span) { return IsLost(span) || visit(span); });
  }
  base::Result<std::vector<Span>> Trace(trace::TraceId trace_id) override {
    return Thin(all_.Trace(trace_id));
  }
  base::Result<std::vector<Span>> FindSpans(const telemetry::SpanQuery& query) override {
    return Thin(all_.FindSpans(query));
  }
  base::Result<std::vector<std::string>> Services(telemetry::TimeRangeNs range) override {
    return all_.Services(range);
  }
  base::Result<std::vector<std::string>> Operations(const std::string& service,
                                                    telemetry::TimeRangeNs range) override {
    return all_.Operations(service, range);
  }

 private:
  static bool IsLost(const Span& span) {
    return base::SeededRandom(kSeed ^ span.span_id.value()).Unit() < kDropped;
  }
  static base::Result<std::vector<Span>> Thin(base::Result<std::vector<Span>> spans) {
    if (spans) std::erase_if(*spans, IsLost);
    return spans;
  }

  telemetry::TraceSource& all_;
};

template <typename Item>
const Item* ById(const std::vector<Item>& items, const incident::EvidenceId& id) {
  const auto at = std::ranges::find(items, id, &Item::id);
  return at == items.end() ? nullptr : &*at;
}

// "c.s.ContactsServiceImpl#31": where, and which line.
struct Statement {
  std::string_view where;
  std::int64_t line;
};
std::optional<Statement> StatementOf(std::string_view text) {
  const std::size_t hash = text.rfind('#');
  if (hash == std::string_view::npos) return std::nullopt;
  const auto line = ParseInteger(text.substr(hash + 1));
  if (!line) return std::nullopt;
  return Statement{text.substr(0, hash), *line};
}

bool NamesStatement(std::string_view place, const std::vector<std::string>& inner) {
  const auto named = StatementOf(place);
  if (!named) return false;
  std::optional<std::int64_t> first;
  std::optional<std::int64_t> last;
  for (const std::string& label : inner) {
    const auto statement = StatementOf(label);
    if (!statement || statement->where != named->where) continue;
    first = std::min(first.value_or(statement->line), statement->line);
    last = std::max(last.value_or(statement->line), statement->line);
  }
  return first && named->line >= *first && named->line <= *last;
}

}  // namespace

std::string_view ToString(Perturbation perturbation) {
  switch (perturbation) {
    case Perturbation::kNone:
      return "as it is";
    case Perturbation::kAlertEarly:
      return "alert 60 s early";
    case Perturbation::kAlertLate:
      return "alert 60 s late";
    case Perturbation::kNoMetrics:
      return "without metrics";
    case Perturbation::kNoLogs:
      return "without logs";
    case Perturbation::kNoTraces:
      return "without traces";
    case Perturbation::kSpansDropped:
      return "20 % of spans lost";
  }
  return "unknown";
}

incident::Question QuestionOf(const LoadedCase& loaded) {
  return {.alert = {.time_ns = loaded.alert_time_ns,
                    .name = loaded.alert_name,
                    .service = loaded.alert_service},
          .normal = loaded.normal,
          .available = loaded.available};
}

base::Result<Answer> Ask(LoadedCase& loaded, Perturbation perturbation,
                         const enclave::rca::Options& options, base::Clock& clock,
                         telemetry::Workers* workers) {
  ThinnedTraces thinned(loaded.traces);
  incident::Sources sources{.metrics = &loaded.metrics,
                            .logs = loaded.logs.size() == 0 ? nullptr : &loaded.logs,
                            .traces = loaded.traces.size() == 0 ? nullptr : &loaded.traces,
                            .topology = loaded.topology};
  incident::Question question = QuestionOf(loaded);
  switch (perturbation) {
    case Perturbation::kNone:
      break;
    case Perturbation::kAlertEarly:
      question.alert.time_ns -= kMinuteNs;
      break;
    case Perturbation::kAlertLate:
      question.alert.time_ns += kMinuteNs;
      break;
    case Perturbation::kNoMetrics:
      sources.metrics = nullptr;
      break;
    case Perturbation::kNoLogs:
      sources.logs = nullptr;
      break;
    case Perturbation::kNoTraces:
      sources.traces = nullptr;
      break;
    case Perturbation::kSpansDropped:
      if (sources.traces != nullptr) sources.traces = &thinned;
      break;
  }
  const base::MonoTime begin = clock.Now();
  auto context = incident::Freeze(sources, question, {}, workers);
  if (!context) return base::Fail(context.error().While("case " + loaded.id));
  Answer answer{.context = *std::move(context)};
  answer.diagnosis = enclave::rca::Diagnose(answer.context, options);
  answer.ms = std::chrono::duration<double, std::milli>(clock.Now() - begin).count();
  return answer;
}

std::string KindWord(const Hypothesis& hypothesis, bool labels_are_symptoms) {
  switch (hypothesis.kind) {
    case CauseKind::kCodeError:
      return labels_are_symptoms ? "availability" : "exception";
    case CauseKind::kWrongResult:
      return labels_are_symptoms ? "availability" : "return";
    case CauseKind::kCpu:
      return labels_are_symptoms ? "latency" : "cpu";
    case CauseKind::kNetworkDelay:
      return labels_are_symptoms ? "latency" : "network_delay";
    case CauseKind::kSlowDependency:
    case CauseKind::kTrafficSurge:
    case CauseKind::kMemory:
    case CauseKind::kDisk:
      if (labels_are_symptoms) return "latency";
      break;
    case CauseKind::kNetworkLoss:
    case CauseKind::kDependencyDown:
    case CauseKind::kCrash:
    case CauseKind::kConfiguration:
    case CauseKind::kBadRelease:
    case CauseKind::kCertificate:
      if (labels_are_symptoms) return "availability";
      break;
  }
  return std::string(enclave::rca::ToString(hypothesis.kind));
}

std::string_view CoarseKind(std::string_view word) {
  if (word.starts_with("cpu")) return "cpu";
  if (word.starts_with("network_delay")) return "network";
  if (word == "return" || word == "exception") return "code";
  return word;
}

bool NamesInner(const Hypothesis& hypothesis, const incident::Context& context,
                const std::vector<std::string>& inner) {
  const incident::EvidenceId& id = hypothesis.component_evidence;
  const auto* series = ById(context.series, id);
  const auto* edge = ById(context.edges, id);
  const auto* log = ById(context.logs, id);
  const std::string_view place = log != nullptr && !log->location.empty()
                                     ? std::string_view(log->location)
                                     : std::string_view(hypothesis.component);
  if (NamesStatement(place, inner)) return true;
  for (const std::string& label : inner) {
    if (label.starts_with("CpuUsage")) {
      if (series != nullptr && series->signal == incident::Signal::kCpu) return true;
    } else if (label.starts_with("Network")) {
      if (edge != nullptr) return true;
      if (series != nullptr && !series->caller.empty() &&
          series->signal == incident::Signal::kLatency)
        return true;
    } else if (!StatementOf(label)) {
      if (log != nullptr && log->text.find(label) != std::string::npos) return true;
      // "PriceController.query start" is the begin of the operation of that name.
      std::string_view operation = label;
      for (const std::string_view suffix : {" start", " end"})
        if (operation.ends_with(suffix)) operation.remove_suffix(suffix.size());
      if (operation.size() < label.size() &&
          hypothesis.component.find(operation) != std::string::npos)
        return true;
    }
  }
  return false;
}

Outcome Compare(const Answer& answer, const CaseEntry& entry, const Truth& truth,
                bool labels_are_symptoms) {
  Outcome outcome{
      .id = entry.id, .fault_type = truth.fault_type, .truth = truth.service, .ms = answer.ms};
  const auto& ranking = answer.diagnosis.ranking;
  const auto at = std::ranges::find(ranking, truth.service, &Hypothesis::service);
  if (at != ranking.end()) outcome.rank = static_cast<std::size_t>(at - ranking.begin()) + 1;
  if (!truth.inner.empty()) outcome.inner_right = false;
  if (ranking.empty()) return outcome;
  const Hypothesis& first = ranking.front();
  outcome.first = first.service;
  outcome.confidence = first.confidence;
  outcome.component = first.component;
  outcome.kind = KindWord(first, labels_are_symptoms);
  outcome.kind_right = CoarseKind(outcome.kind) == CoarseKind(truth.fault_type);
  if (!truth.inner.empty())
    outcome.inner_right = outcome.rank == 1 && NamesInner(first, answer.context, truth.inner);
  return outcome;
}

std::string PredictionLine(const Answer& answer, const Outcome& outcome) {
  nlohmann::json ranking = nlohmann::json::array();
  for (const Hypothesis& hypothesis : answer.diagnosis.ranking)
    ranking.push_back(hypothesis.service);
  const nlohmann::json line{
      {"case", outcome.id},         {"ranking", std::move(ranking)},    {"kind", outcome.kind},
      {"inner", outcome.component}, {"confidence", outcome.confidence}, {"ms", outcome.ms}};
  return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace enclave::bench::rca
