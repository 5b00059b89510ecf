// The write port: what collectors hand to the store.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "telemetry/labels.h"
#include "telemetry/log_record.h"
#include "telemetry/metric.h"
#include "telemetry/span.h"

namespace enclave::telemetry {

struct SeriesWrite {
  std::vector<LabelView>
      labels;  // __name__ among them, in any order; memory: Batch::Keep, or whoever lives as long
  std::vector<Sample> samples{};
  std::vector<Exemplar> exemplars{};
};

struct StreamWrite {
  Labels labels;
  std::vector<LogRecord> records;
};

// What one request or one scrape brought. Written as a whole or, where items are refused, without
// just these; never in part by a crash.
struct Batch {
  std::vector<SeriesWrite> series{};
  std::vector<StreamWrite> streams{};
  std::vector<Span> spans{};
  std::map<std::string, MetricMetadata> metadata{};  // by metric name

  // Keeps a text as long as the batch lives, for labels that point into it.
  std::string_view Keep(std::string text) { return texts.emplace_back(std::move(text)); }
  std::deque<std::string> texts{};

  bool empty() const {
    return series.empty() && streams.empty() && spans.empty() && metadata.empty();
  }
};

// Items that were refused because of what they are (too old, label too long, over the limit of
// series): sending them again is of no use.
struct Refused {
  std::size_t samples = 0;
  std::size_t exemplars = 0;
  std::size_t records = 0;
  std::size_t spans = 0;
  std::string why{};  // of the first
  bool any() const { return samples + exemplars + records + spans > 0; }
};

class Sink {
 public:
  virtual ~Sink() = default;
  // Returns once everything that was not refused is durable. kResourceExhausted: overloaded,
  // nothing was written, try again later; kUnavailable: the disk is full or failed, nothing was
  // written. Blocks; any thread. A sample that is already there with the same value is accepted and
  // kept once.
  virtual base::Result<Refused> Write(Batch batch) = 0;
};

}  // namespace enclave::telemetry
