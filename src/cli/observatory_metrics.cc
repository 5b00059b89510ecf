#include "cli/observatory_metrics.h"

#include <fmt/format.h>

#include "observatory/api/request_metrics.h"

namespace enclave::cli {
namespace {

using observatory::api::AppendMetric;

struct StoreMetric {
  const char* name;
  const char* type;
  const char* help;
  std::uint64_t observatory::store::Stats::* value;
};

constexpr StoreMetric kStoreMetrics[] = {
    {"observatory_store_batches_total", "counter", "Batches acknowledged.",
     &observatory::store::Stats::batches},
    {"observatory_store_commits_total", "counter", "Durable writes; each serves several batches.",
     &observatory::store::Stats::commits},
    {"observatory_store_failed_writes_total", "counter", "Batches refused because of the disk.",
     &observatory::store::Stats::failed_writes},
    {"observatory_store_overloads_total", "counter", "Batches refused because too many waited.",
     &observatory::store::Stats::overloads},
    {"observatory_store_queued_batches", "gauge", "Batches that wait.",
     &observatory::store::Stats::queued_batches},
    {"observatory_store_checkpoints_total", "counter", "Checkpoints taken.",
     &observatory::store::Stats::checkpoints},
    {"observatory_store_pending_bytes", "gauge", "What a restart would replay.",
     &observatory::store::Stats::pending_bytes},
    {"observatory_store_disk_bytes", "gauge", "Size of all files.",
     &observatory::store::Stats::disk_bytes},
    {"observatory_store_disk_free_bytes", "gauge", "Free space of the file system.",
     &observatory::store::Stats::free_bytes},
    {"observatory_store_dropped_windows_total", "counter", "Windows dropped by retention.",
     &observatory::store::Stats::dropped_windows},
    {"observatory_store_series", "gauge", "Series known.", &observatory::store::Stats::series},
    {"observatory_store_samples_total", "counter", "Samples written.",
     &observatory::store::Stats::samples},
    {"observatory_store_duplicate_samples_total", "counter", "Samples that were there already.",
     &observatory::store::Stats::duplicate_samples},
    {"observatory_store_out_of_order_samples_total", "counter", "Samples older than their newest.",
     &observatory::store::Stats::out_of_order_samples},
    {"observatory_store_refused_samples_total", "counter", "Samples refused by a limit.",
     &observatory::store::Stats::refused_samples},
    {"observatory_store_exemplars_total", "counter", "Exemplars written.",
     &observatory::store::Stats::exemplars},
    {"observatory_store_refused_exemplars_total", "counter", "Exemplars refused by a limit.",
     &observatory::store::Stats::refused_exemplars},
    {"observatory_store_chunks_total", "counter", "Chunks sealed.",
     &observatory::store::Stats::chunks},
    {"observatory_store_chunk_bytes_total", "counter", "Bytes of sealed chunks.",
     &observatory::store::Stats::chunk_bytes},
    {"observatory_store_head_bytes", "gauge", "Bytes of open chunks.",
     &observatory::store::Stats::head_bytes},
    {"observatory_store_symbols", "gauge", "Distinct label names and values.",
     &observatory::store::Stats::symbols},
    {"observatory_store_streams", "gauge", "Streams of logs.", &observatory::store::Stats::streams},
    {"observatory_store_log_records_total", "counter", "Log records written.",
     &observatory::store::Stats::records},
    {"observatory_store_refused_log_records_total", "counter", "Log records refused by a limit.",
     &observatory::store::Stats::refused_records},
    {"observatory_store_log_line_bytes_total", "counter", "Bytes of log lines as they came.",
     &observatory::store::Stats::record_bytes},
    {"observatory_store_log_bytes", "gauge", "Bytes of logs as they are kept.",
     &observatory::store::Stats::log_bytes},
    {"observatory_store_spans_total", "counter", "Spans written.",
     &observatory::store::Stats::spans},
    {"observatory_store_refused_spans_total", "counter", "Spans refused by a limit.",
     &observatory::store::Stats::refused_spans},
    {"observatory_store_span_bytes", "gauge", "Bytes of spans as they are kept.",
     &observatory::store::Stats::span_bytes},
};

struct IngestMetric {
  const char* name;
  const char* help;
  observatory::ingest::ProtocolStats::Counter observatory::ingest::ProtocolStats::* value;
};

using observatory::ingest::ProtocolStats;
constexpr IngestMetric kIngestMetrics[] = {
    {"observatory_ingest_requests_total", "Requests answered.", &ProtocolStats::requests},
    {"observatory_ingest_invalid_total", "Requests refused as wrong.",
     &ProtocolStats::failed_invalid},
    {"observatory_ingest_exhausted_total", "Requests told to come later.",
     &ProtocolStats::failed_exhausted},
    {"observatory_ingest_unavailable_total", "Requests that failed here.",
     &ProtocolStats::failed_unavailable},
    {"observatory_ingest_wire_bytes_total", "Bodies as they came.", &ProtocolStats::wire_bytes},
    {"observatory_ingest_body_bytes_total", "Bodies after decompression.",
     &ProtocolStats::body_bytes},
    {"observatory_ingest_samples_total", "Samples written.", &ProtocolStats::samples},
    {"observatory_ingest_exemplars_total", "Exemplars written.", &ProtocolStats::exemplars},
    {"observatory_ingest_log_records_total", "Log records written.", &ProtocolStats::records},
    {"observatory_ingest_spans_total", "Spans written.", &ProtocolStats::spans},
    {"observatory_ingest_refused_items_total", "Items refused, each for what it is.",
     &ProtocolStats::refused_items},
    {"observatory_ingest_cut_items_total", "Attributes, events and texts cut by a limit.",
     &ProtocolStats::cut_items},
};

}  // namespace

void AppendStoreMetrics(std::string* page, const observatory::store::Stats& stats) {
  for (const StoreMetric& metric : kStoreMetrics)
    AppendMetric(page, metric.name, metric.type, metric.help,
                 static_cast<double>(stats.*metric.value));
  AppendMetric(page, "observatory_store_commit_seconds_total", "counter",
               "Time spent in durable writes.", static_cast<double>(stats.commit_ns) / 1e9);
  AppendMetric(page, "observatory_store_writable", "gauge",
               "0 while the disk is full or failed, and writes are refused.",
               stats.writable ? 1 : 0);
}

void AppendIngestMetrics(std::string* page, const observatory::ingest::Receiver& receiver) {
  for (const IngestMetric& metric : kIngestMetrics) {
    page->append(fmt::format("# HELP {0} {1}\n# TYPE {0} counter\n", metric.name, metric.help));
    for (std::size_t i = 0; i < observatory::ingest::kProtocols; ++i) {
      const auto protocol = static_cast<observatory::ingest::Protocol>(i);
      page->append(fmt::format("{}{{protocol=\"{}\"}} {}\n", metric.name,
                               observatory::ingest::ToString(protocol),
                               (receiver.stats().of(protocol).*metric.value).load()));
    }
  }
  AppendMetric(page, "observatory_ingest_in_flight_bytes", "gauge",
               "Memory held for requests that are being taken in.",
               static_cast<double>(receiver.in_flight_bytes()));
}

}  // namespace enclave::cli
