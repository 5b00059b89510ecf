// OTLP's messages as a telemetry::Batch: spans as they are, metrics as Prometheus' series, logs as
// Loki's streams (README.md says how names are made).
//
// Functions without state; any thread. The batch points into the message (and its arena), which has
// to outlive it. Errors are those of ByteBudget alone: an item that cannot be taken is refused by
// itself, and the first says why.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "observatory/ingest/any_value.h"
#include "observatory/ingest/byte_budget.h"
#include "opentelemetry/logs_service.pb.h"
#include "opentelemetry/metrics_service.pb.h"
#include "opentelemetry/trace_service.pb.h"
#include "telemetry/sink.h"

namespace enclave::observatory::ingest {

namespace collector = opentelemetry::proto::collector;
using TracesRequest = collector::trace::v1::ExportTraceServiceRequest;
using MetricsRequest = collector::metrics::v1::ExportMetricsServiceRequest;
using LogsRequest = collector::logs::v1::ExportLogsServiceRequest;

// What was refused before anything was written.
struct Refusals {
  std::size_t count = 0;
  std::string why{};  // of the first
  void Add(std::size_t items, std::string reason) {
    if (items > 0 && count == 0) why = std::move(reason);
    count += items;
  }
};

struct OtlpOptions {
  AttributeLimits attributes{};
  std::size_t max_events = 1024;  // of one span
  std::size_t max_links = 1024;
  std::size_t max_name_bytes = 4096;
  // otel_scope_name, otel_scope_version and the scope's attributes as labels of each series.
  bool scope_labels = false;
  // Resource attributes that name a log stream; the others are metadata of each record. Sorted by
  // nobody; the default is Loki's without service.instance.id, which makes a stream a process.
  std::vector<std::string> stream_attributes = {"service.name",
                                                "service.namespace",
                                                "deployment.environment",
                                                "cloud.region",
                                                "deployment.environment.name",
                                                "cloud.availability_zone",
                                                "k8s.cluster.name",
                                                "k8s.namespace.name",
                                                "k8s.pod.name",
                                                "k8s.container.name",
                                                "container.name",
                                                "k8s.replicaset.name",
                                                "k8s.deployment.name",
                                                "k8s.statefulset.name",
                                                "k8s.daemonset.name",
                                                "k8s.cronjob.name",
                                                "k8s.job.name"};
};

struct Translated {
  telemetry::Batch batch{};
  std::size_t items = 0;  // spans, data points or records that came, refused ones among them
  Refusals refused{};
  std::size_t cut = 0;  // attributes, events and texts that the limits took away
};

base::Result<Translated> TranslateTraces(const TracesRequest& request, const OtlpOptions& options,
                                         ByteBudget::Hold& hold);
base::Result<Translated> TranslateMetrics(const MetricsRequest& request, const OtlpOptions& options,
                                          ByteBudget::Hold& hold);
// `now_ns` is the time of records that bring none.
base::Result<Translated> TranslateLogs(const LogsRequest& request, const OtlpOptions& options,
                                       std::int64_t now_ns, ByteBudget::Hold& hold);

}  // namespace enclave::observatory::ingest
