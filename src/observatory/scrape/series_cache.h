// What one target's scrapes have shown so far: turns expositions into batches, knows each series
// from the raw text it had last time, and marks as stale what vanished.
//
// A turn is Fill (or Fail, or End), then the write of the batch, then Commit: the cache changes
// only once the batch is durable. Labels in the batch are views into the cache, so the batch ends
// before Commit.
//
// Thread safety: one turn at a time, by any thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/result.h"
#include "observatory/scrape/exposition.h"
#include "observatory/scrape/scrape_config.h"
#include "telemetry/labels.h"
#include "telemetry/sink.h"

namespace enclave::observatory::scrape {

struct ScrapeCounts {
  std::size_t scraped = 0;  // samples in the exposition
  std::size_t kept = 0;     // after relabelling
  std::size_t added = 0;    // series that were not there last time
};

class SeriesCache {
 public:
  SeriesCache(std::shared_ptr<const ScrapeJob> job, telemetry::Labels target_labels);

  // Adds the samples of an exposition, staleness markers for what is no longer there, exemplars and
  // metadata that are new. After an error (malformed, over sample_limit) `batch` is empty and the
  // caller goes on with Fail.
  base::Result<ScrapeCounts> Fill(std::string_view text, ExpositionFormat format,
                                  std::int64_t time_ms, telemetry::Batch& batch);
  // The scrape failed: staleness markers for everything that is there.
  void Fail(std::int64_t time_ms, telemetry::Batch& batch);
  // The series about the scrape itself: up, scrape_duration_seconds, ...
  void Report(bool up, double duration_seconds, const ScrapeCounts& counts, std::int64_t time_ms,
              telemetry::Batch& batch) const;
  // The target has gone: staleness markers for everything and for the series about the scrape.
  void End(std::int64_t time_ms, telemetry::Batch& batch);
  void Commit(bool written);

  std::size_t size() const { return series_.size(); }

 private:
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const;
  };
  struct Series {
    telemetry::Labels labels;  // empty: metric_relabel_configs dropped it
    std::uint64_t turn = 0;    // in which it was last seen
    bool live = false;         // in the store, without a staleness marker
    bool tracked = true;       // gets one: it comes without timestamps of its own
    std::unique_ptr<telemetry::Exemplar> exemplar{};  // the last one written
  };
  enum class Turn : std::uint8_t { kNone, kFilled, kFailed };

  base::Result<Series*> Find(const ExpositionParser& parser);
  base::Result<> AddSample(const ExpositionParser& parser, std::int64_t time_ms,
                           ScrapeCounts& counts, telemetry::Batch& batch);
  void AddMetadata(ExpositionParser::Entry entry, const ExpositionParser& parser);
  static void Append(const telemetry::Labels& labels, std::int64_t time_ms, double value,
                     telemetry::Batch& batch);
  void AppendReport(std::string_view name, double value, std::int64_t time_ms,
                    telemetry::Batch& batch) const;
  void MarkStale(std::int64_t time_ms, telemetry::Batch& batch);

  const std::shared_ptr<const ScrapeJob> job_;
  const telemetry::Labels target_labels_;
  std::unordered_map<std::string, Series, TextHash, std::equal_to<>> series_;
  std::uint64_t turn_ = 0;
  Turn state_ = Turn::kNone;
  telemetry::Batch scratch_;  // unescaped texts while a series is taken apart
  std::vector<telemetry::LabelView> views_;
  std::map<std::string, telemetry::MetricMetadata, std::less<>> described_;  // by family, this turn
  std::map<std::string, telemetry::MetricMetadata> written_metadata_;
  std::map<std::string, telemetry::MetricMetadata> new_metadata_;
};

}  // namespace enclave::observatory::scrape
