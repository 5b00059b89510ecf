// The observatory's own metrics that its rooms count: store, receivers, scraper.
#pragma once

#include <string>

#include "observatory/ingest/receiver.h"
#include "observatory/store/stats.h"

namespace enclave::cli {

// In Prometheus' text format.
void AppendStoreMetrics(std::string* page, const observatory::store::Stats& stats);
void AppendIngestMetrics(std::string* page, const observatory::ingest::Receiver& receiver);

}  // namespace enclave::cli
