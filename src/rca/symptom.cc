#include "rca/symptom.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "incident/signal.h"

namespace enclave::rca {
namespace {

using incident::GoldenSignals;
using incident::Point;

// What a symptom has to exceed, in floors.
constexpr double kLeastSymptom = 2;
// Where the alert says what broke, less will do: somebody has looked.
constexpr double kLeastNamedSymptom = 0.2;
constexpr double kNamedFloor = 0.2;
constexpr double kErrorFloor = 0.005;
constexpr double kLatencyFloorMs = 2;
constexpr double kLatencyFloorShare = 0.1;
// Who is said to fail most of its requests while users are well is not measured by that.
constexpr double kMostUsualErrors = 0.5;

double LikenessOf(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() < 3) return 0;
  const double n = static_cast<double>(a.size());
  double mean_a = 0;
  double mean_b = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    mean_a += a[i] / n;
    mean_b += b[i] / n;
  }
  double ab = 0;
  double aa = 0;
  double bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - mean_a) * (b[i] - mean_b);
    aa += (a[i] - mean_a) * (a[i] - mean_a);
    bb += (b[i] - mean_b) * (b[i] - mean_b);
  }
  return aa <= 0 || bb <= 0 ? 0 : ab / std::sqrt(aa * bb);
}

class Accounting {
 public:
  Accounting(const incident::Context& context, const CallGraph& graph)
      : context_(context), graph_(graph), signals_(graph.size(), nullptr) {
    for (const GoldenSignals& golden : context.golden)
      if (const auto service = graph.Find(golden.service)) signals_[*service] = &golden;
  }

  std::vector<Account> Take() {
    const auto symptom = graph_.Find(context_.alert.service);
    if (!symptom || signals_[*symptom] == nullptr) return {};
    const incident::Signal named = incident::SignalOf(context_.alert.name).signal;
    Worst latency = WorstOf(*symptom, false);
    Worst errors = WorstOf(*symptom, true);
    is_named_ = named == incident::Signal::kLatency || named == incident::Signal::kErrors;
    // Else what broke more plainly is what there is to explain.
    const bool of_errors =
        is_named_ ? named == incident::Signal::kErrors : errors.floors >= latency.floors;
    if ((of_errors ? errors : latency).floors < (is_named_ ? kLeastNamedSymptom : kLeastSymptom))
      return {};
    return Below(*symptom, of_errors, of_errors ? errors.time_ns : latency.time_ns);
  }

 private:
  struct Worst {
    double floors = 0;
    std::int64_t time_ns = 0;
  };

  const std::vector<Point>& Course(std::uint32_t service, bool of_errors) const {
    return of_errors ? signals_[service]->error_share : signals_[service]->latency_ms;
  }
  double Before(std::uint32_t service, bool of_errors) const {
    return of_errors ? signals_[service]->error_before : signals_[service]->latency_before_ms;
  }
  double Floor(std::uint32_t service, bool of_errors) const {
    const GoldenSignals& golden = *signals_[service];
    return of_errors ? std::max(kErrorFloor, golden.error_spread)
                     : std::max({kLatencyFloorMs, golden.latency_spread_ms,
                                 kLatencyFloorShare * golden.latency_before_ms});
  }

  Worst WorstOf(std::uint32_t service, bool of_errors) const {
    Worst worst;
    for (const Point& point : Course(service, of_errors)) {
      if (point.time_ns < context_.during.from_ns) continue;
      const double floors = (point.value - Before(service, of_errors)) / Floor(service, of_errors);
      if (floors > worst.floors) worst = {floors, point.time_ns};
    }
    return worst;
  }

  // What the requests at that time lost beyond what was usual: milliseconds, or requests.
  double Lost(std::uint32_t service, bool of_errors, std::int64_t time_ns) const {
    if (signals_[service] == nullptr) return 0;
    const auto value = ValueAt(Course(service, of_errors), time_ns);
    if (!value) return 0;
    const double excess = *value - Before(service, of_errors);
    if (excess < Floor(service, of_errors) * (is_named_ ? kNamedFloor : 1.0)) return 0;
    const auto traffic = ValueAt(signals_[service]->traffic, time_ns);
    return excess * (signals_[service]->traffic.empty() ? 1.0 : traffic.value_or(0));
  }

  std::vector<Account> Below(std::uint32_t symptom, bool of_errors, std::int64_t time_ns) const {
    const double all = Lost(symptom, of_errors, time_ns);
    if (all <= 0) return {};
    // From the symptom down, the most of it that can come through each service.
    std::vector<double> through(graph_.size(), 0);
    through[symptom] = all;
    const std::vector<std::uint32_t>& order = graph_.CalleesFirst();
    for (auto at = order.rbegin(); at != order.rend(); ++at)
      for (const std::uint32_t callee : graph_.Callees(*at))
        through[callee] =
            std::max(through[callee], std::min(through[*at], Lost(callee, of_errors, time_ns)));
    std::vector<Account> accounts;
    for (std::uint32_t service = 0; service < graph_.size(); ++service) {
      if (through[service] <= 0 || signals_[service] == nullptr) continue;
      double callees = 0;
      for (const std::uint32_t callee : graph_.Callees(service))
        callees += through[callee] * std::clamp(Likeness(callee, symptom, of_errors), 0.0, 1.0);
      const double own = std::max(through[service] - callees, 0.0);
      accounts.push_back({.service = service,
                          .id = signals_[service]->id,
                          .of_errors = of_errors,
                          .blind = of_errors && IsBlind(service),
                          .share = std::min(own / all, 1.0),
                          .likeness = Likeness(service, symptom, of_errors),
                          .floors = WorstOf(service, of_errors).floors,
                          .before = Before(service, of_errors),
                          .worst = ValueAt(Course(service, of_errors), time_ns).value_or(0)});
    }
    return accounts;
  }

  bool IsBlind(std::uint32_t service) const {
    return !graph_.Callees(service).empty() &&
           std::ranges::none_of(graph_.Callees(service), [&](std::uint32_t callee) {
             return signals_[callee] != nullptr && !signals_[callee]->error_share.empty() &&
                    signals_[callee]->error_before < kMostUsualErrors;
           });
  }

  double Likeness(std::uint32_t service, std::uint32_t symptom, bool of_errors) const {
    if (signals_[service] == nullptr) return 0;
    std::vector<double> a;
    std::vector<double> b;
    for (const Point& point : Course(symptom, of_errors))
      if (const auto value = ValueAt(Course(service, of_errors), point.time_ns)) {
        a.push_back(point.value);
        b.push_back(*value);
      }
    return LikenessOf(a, b);
  }

  const incident::Context& context_;
  const CallGraph& graph_;
  std::vector<const GoldenSignals*> signals_;
  bool is_named_ = false;  // the alert says what broke
};

}  // namespace

std::optional<double> ValueAt(const std::vector<Point>& points, std::int64_t time_ns) {
  if (points.empty()) return std::nullopt;
  std::int64_t step = 60'000'000'000;
  for (std::size_t i = 1; i < points.size(); ++i)
    step = std::max(step, (points[i].time_ns - points[i - 1].time_ns) / 2);
  const Point* nearest = &points.front();
  for (const Point& point : points)
    if (std::abs(point.time_ns - time_ns) < std::abs(nearest->time_ns - time_ns)) nearest = &point;
  if (std::abs(nearest->time_ns - time_ns) > step) return std::nullopt;
  return nearest->value;
}

std::vector<Account> AccountFor(const incident::Context& context, const CallGraph& graph) {
  return Accounting(context, graph).Take();
}

}  // namespace enclave::rca
