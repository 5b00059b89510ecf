#include "cli/telling_metrics.h"

#include <algorithm>

#include "incident/signal.h"

namespace enclave::cli {

using base::Result;
using telemetry::MatchOp;

namespace {

constexpr std::size_t kMostNames = 500;

// As literal parts of a regular expression.
std::string Escaped(const std::string& name) {
  std::string text;
  for (const char c : name) {
    if (std::string_view(R"(\.+*?()|[]{}^$)").find(c) != std::string_view::npos) text += '\\';
    text += c;
  }
  return text;
}

class NoSeries final : public telemetry::SeriesSet {
 public:
  std::size_t size() const override { return 0; }
  const telemetry::Labels& labels(std::size_t) const override { return none_; }
  Result<> Read(std::size_t, std::vector<telemetry::Sample>& samples) override {
    samples.clear();
    return {};
  }

 private:
  telemetry::Labels none_;
};

}  // namespace

bool IsTelling(const std::string& metric) {
  if (metric.ends_with("_bucket")) return false;
  const incident::SignalFacts facts = incident::SignalOf(metric);
  return facts.signal != incident::Signal::kOther && !facts.of_node;
}

Result<std::unique_ptr<telemetry::SeriesSet>> TellingMetrics::Select(
    const telemetry::Matchers& matchers, telemetry::TimeRangeMs range) {
  range.from = std::max(range.from, from_ms_);
  if (range.to < range.from) return std::make_unique<NoSeries>();
  const bool all = std::ranges::all_of(matchers, [](const telemetry::Matcher& matcher) {
    return matcher.name() == telemetry::kMetricName && matcher.op() == MatchOp::kNotEqual &&
           matcher.value().empty();
  });
  if (!all) return source_.Select(matchers, range);
  ASSIGN_OR_RETURN(const std::vector<std::string> names,
                   source_.LabelValues(std::string(telemetry::kMetricName), {}, range));
  std::string pattern;
  std::size_t kept = 0;
  for (const std::string& name : names)
    if (IsTelling(name) && kept++ < kMostNames)
      pattern += (pattern.empty() ? "" : "|") + Escaped(name);
  if (pattern.empty()) return std::make_unique<NoSeries>();
  ASSIGN_OR_RETURN(
      telemetry::Matcher any,
      telemetry::Matcher::Create(MatchOp::kRegex, std::string(telemetry::kMetricName), pattern));
  return source_.Select({std::move(any)}, range);
}

}  // namespace enclave::cli
