// What the tests of this folder share: incidents of a made-up shop, and a directory that goes.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <unistd.h>

#include "base/random.h"
#include "incident/context.h"
#include "memory/memory.h"

namespace enclave::memory::testing {

class TempDir {
 public:
  TempDir() {
    std::string pattern = (std::filesystem::temp_directory_path() / "memory-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TempDir() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline constexpr std::int64_t kDayNs = 86'400'000'000'000;

// A fault of one of four sorts in a shop whose `frontend` calls all services, on day `day`: other
// pods, times, loads and bystanders each day.
struct Fault {
  std::string service;
  std::string kind;  // "cpu", "code error", "network delay", "crash"
};

inline incident::Context ContextOf(const Fault& fault, std::uint64_t day) {
  base::SeededRandom random(day * 7919 + 13);
  const auto about = [&](double value) { return value * (0.6 + 0.8 * random.Unit()); };
  incident::Context context;
  context.id = fmt::format("{}-{}-{}", fault.service, fault.kind, day);
  context.alert = {.time_ns = static_cast<std::int64_t>(day) * kDayNs,
                   .name = fmt::format("Alert{}", day),
                   .service = "frontend"};
  for (const char* service : {"cart", "payment", "shipping", "catalogue"})
    context.topology.push_back({"frontend", service});
  const auto pod = [&](const std::string& service) {
    return fmt::format("{}-{}", service, random.Text("0123456789abcdef", 9));
  };
  const auto series = [&](const std::string& service, incident::Signal signal, const char* metric,
                          double score) {
    context.series.push_back({.id = fmt::format("m{}", context.series.size()),
                              .service = service,
                              .instance = pod(service),
                              .signal = signal,
                              .metric = metric,
                              .score = score});
  };
  const auto slow = [&](const std::string& service, double score) {
    incident::OperationShift shift{.service = service, .operation = "GET /", .score = score};
    shift.self_before.median = 5;
    shift.self_during.median = about(50);
    context.operations.push_back(shift);
  };
  series("frontend", incident::Signal::kLatency, "http_server_duration", about(12));
  series(random.Below(2) == 0 ? "catalogue" : "cart", incident::Signal::kMemory,
         "container_memory_bytes", about(2));
  if (fault.kind == "cpu") {
    series(fault.service, incident::Signal::kCpu, "container_cpu_seconds", about(40));
    slow(fault.service, about(20));
  } else if (fault.kind == "code error") {
    context.logs.push_back(
        {.service = fault.service,
         .change = incident::LogChange::kNew,
         .level = "ERROR",
         .text = fmt::format("could not serve order {} of user <*>: null reference", day * 31),
         .count_during = static_cast<std::uint64_t>(about(100)),
         .score = about(30)});
    incident::FailingTrace trace{.service = fault.service, .operation = "Serve"};
    trace.message = "null reference";
    trace.exception = "NullReferenceException";
    trace.like_it = static_cast<std::uint64_t>(about(60));
    context.traces.push_back(trace);
  } else if (fault.kind == "network delay") {
    incident::EdgeShift edge{.caller = "frontend", .callee = fault.service, .score = about(35)};
    edge.gap_before.median = 1;
    edge.gap_during.median = about(200);
    context.edges.push_back(edge);
  } else {
    context.facts.push_back({.service = fault.service,
                             .kind = "Pod",
                             .object = "shop/" + pod(fault.service),
                             .reason = "BackOff",
                             .count = 3 + random.Below(9),
                             .warning = true});
    series(fault.service, incident::Signal::kRestarts, "kube_pod_restarts", about(15));
  }
  return context;
}

inline Outcome Confirmed(const std::string& service, const std::string& kind,
                         std::int64_t time_ns = 0) {
  return {.about = About::kCause,
          .cause = {service, kind},
          .good = true,
          .sayer = Sayer::kHuman,
          .said_by = "alice",
          .time_ns = time_ns};
}

inline Incident IncidentOf(const Fault& fault, std::uint64_t day) {
  const incident::Context context = ContextOf(fault, day);
  Incident incident;
  incident.id = context.id;
  incident.time_ns = context.alert.time_ns;
  incident.fingerprint = FingerprintOf(context);
  incident.summary = SummaryOf(context);
  incident.cause = {fault.service, fault.kind};
  incident.confidence = 0.8;
  return incident;
}

// A clock that stands still.
class FixedClock final : public base::Clock {
 public:
  explicit FixedClock(std::int64_t now_ns) : now_ns_(now_ns) {}
  base::WallTime WallNow() const override {
    return base::WallTime(std::chrono::nanoseconds(now_ns_));
  }
  base::MonoTime Now() const override { return base::MonoTime(std::chrono::nanoseconds(now_ns_)); }

 private:
  std::int64_t now_ns_;
};

// Random vectors of length 1 around `clusters` centres, as fingerprints of recurring faults lie.
inline std::vector<std::vector<float>> ClusteredVectors(std::size_t count, std::size_t clusters,
                                                        double spread, std::uint64_t seed,
                                                        std::size_t dimensions) {
  base::SeededRandom random(seed);
  const auto normal = [&] {
    // Twelve uniform numbers: close enough to normal, and the same everywhere.
    double sum = -6;
    for (int i = 0; i < 12; ++i) sum += random.Unit();
    return sum;
  };
  const auto unit = [](std::vector<double>& vector) {
    double square = 0;
    for (const double value : vector) square += value * value;
    for (double& value : vector) value /= std::sqrt(square);
  };
  std::vector<std::vector<double>> centres(clusters, std::vector<double>(dimensions));
  for (auto& centre : centres) {
    for (double& value : centre) value = normal();
    unit(centre);
  }
  std::vector<std::vector<float>> vectors(count);
  for (auto& vector : vectors) {
    std::vector<double> values = centres[random.Below(clusters)];
    for (double& value : values)
      value += spread * normal() / std::sqrt(static_cast<double>(dimensions));
    unit(values);
    vector.assign(values.begin(), values.end());
  }
  return vectors;
}

}  // namespace enclave::memory::testing
