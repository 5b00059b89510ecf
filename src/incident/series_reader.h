// One series: whether it moved, by how much, and when.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "incident/context.h"
#include "incident/freeze.h"
#include "incident/signal.h"
#include "telemetry/metric.h"

namespace enclave::incident {

// One series on its way from samples to what it says.
struct Reading {
  std::size_t number = 0;  // in the set
  SignalFacts facts{};
  std::vector<telemetry::Sample> samples{};  // of a counter, its rate once it is read
  SeriesShift shift{};
  bool is_golden = false;  // may tell how its service served
  bool moved = false;
};

// Reads single series; what is kept between them is memory. One thread; `question` and `bounds`
// outlive it.
class SeriesReader {
 public:
  SeriesReader(const Question& question, std::int64_t onset_ns, const Bounds& bounds)
      : question_(question), onset_ns_(onset_ns), bounds_(bounds) {}

  void Read(const telemetry::Labels& labels, Reading& reading);
  // What a series that was read was like before, whether it moved or not.
  Summary Before(const Reading& reading);

 private:
  // Parts the samples into before, during and normal. The level is that of the time just before,
  // as levels drift from day to day; without that, the normal one.
  void Part(const std::vector<telemetry::Sample>& samples);
  Summary SummaryBefore();
  double MedianOfNormal();

  const Question& question_;
  std::int64_t onset_ns_;
  const Bounds& bounds_;
  std::vector<double> before_;
  std::vector<double> normal_;
  std::vector<double> during_;
  std::optional<double> normal_median_;
};

}  // namespace enclave::incident
