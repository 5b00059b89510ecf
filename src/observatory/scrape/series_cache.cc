#include "observatory/scrape/series_cache.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <bit>

#include "base/check.h"
#include "base/quote.h"

namespace enclave::observatory::scrape {
namespace {

using telemetry::Label;
using telemetry::Labels;
using telemetry::LabelView;

constexpr std::size_t kMaxDescribed = 10'000;
constexpr std::size_t kMaxHelpBytes = 4 << 10;
// Prometheus' bound for the labels of one exemplar.
constexpr std::size_t kMaxExemplarBytes = 128;

double StaleMarker() {
  return std::bit_cast<double>(telemetry::kStaleBits);
}

constexpr std::string_view kReportNames[] = {
    "up", "scrape_duration_seconds", "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling", "scrape_series_added"};

// The target's labels onto those of a scraped series. Where both have a label, honor_labels says
// which stays; else the scraped one is renamed to exported_NAME.
void AddTargetLabels(const Labels& target, bool honor, Labels& labels) {
  for (const Label& label : target) {
    if (!labels.Has(label.name)) {
      labels.Set(label.name, label.value);
    } else if (!honor) {
      std::string renamed = "exported_" + label.name;
      while (labels.Has(renamed) || target.Has(renamed)) renamed.insert(0, "exported_");
      labels.Set(renamed, std::string(labels.Get(label.name)));
      labels.Set(label.name, label.value);
    }
  }
}

}  // namespace

std::size_t SeriesCache::TextHash::operator()(std::string_view text) const {
  return XXH3_64bits(text.data(), text.size());
}

SeriesCache::SeriesCache(std::shared_ptr<const ScrapeJob> job, Labels target_labels)
    : job_(std::move(job)), target_labels_(std::move(target_labels)) {}

void SeriesCache::Append(const Labels& labels, std::int64_t time_ms, double value,
                         telemetry::Batch& batch) {
  telemetry::SeriesWrite& write = batch.series.emplace_back();
  write.labels.reserve(labels.size());
  for (const Label& label : labels) write.labels.push_back({label.name, label.value});
  write.samples.push_back({time_ms, value});
}

base::Result<SeriesCache::Series*> SeriesCache::Find(const ExpositionParser& parser) {
  if (const auto found = series_.find(parser.series()); found != series_.end()) {
    return &found->second;
  }
  views_.clear();
  scratch_.texts.clear();
  RETURN_IF_ERROR(parser.ReadSeries(views_, scratch_));
  std::ranges::sort(views_, {}, &LabelView::name);
  const auto twice = std::ranges::adjacent_find(views_, {}, &LabelView::name);
  if (twice != views_.end()) {
    return base::Fail(
        base::ErrorKind::kInvalidArgument,
        fmt::format("line {}: the label {} stands twice", parser.line(), base::Quote(twice->name)));
  }
  std::vector<Label> owned;
  owned.reserve(views_.size() + target_labels_.size());
  for (const LabelView& view : views_) {
    owned.push_back({std::string(view.name), std::string(view.value)});
  }
  Series series{.labels = Labels::From(std::move(owned))};
  AddTargetLabels(target_labels_, job_->honor_labels, series.labels);
  if (!Relabel(job_->metric_relabel, series.labels) || !series.labels.Has(telemetry::kMetricName)) {
    series.labels = {};
  }
  return &series_.emplace(std::string(parser.series()), std::move(series)).first->second;
}

base::Result<> SeriesCache::AddSample(const ExpositionParser& parser, std::int64_t time_ms,
                                      ScrapeCounts& counts, telemetry::Batch& batch) {
  ++counts.scraped;
  ASSIGN_OR_RETURN(Series* const series, Find(parser));
  const auto own_time = job_->honor_timestamps ? parser.time_ms() : std::nullopt;
  // The same series once more at the same time: the first counts.
  if (series->turn == turn_ && !own_time) return {};
  const bool fresh = series->turn == 0;
  series->turn = turn_;
  if (series->labels.empty()) return {};
  ++counts.kept;
  if (job_->sample_limit != 0 && counts.kept > job_->sample_limit) {
    return base::Fail(base::ErrorKind::kResourceExhausted,
                      fmt::format("more samples than sample_limit ({})", job_->sample_limit));
  }
  series->tracked = !own_time || job_->track_timestamps_staleness;
  if (fresh) ++counts.added;
  Append(series->labels, own_time.value_or(time_ms), parser.value(), batch);
  if (parser.has_exemplar()) {
    ASSIGN_OR_RETURN(telemetry::Exemplar exemplar, parser.ReadExemplar(own_time.value_or(time_ms)));
    std::size_t bytes = 0;
    for (const Label& label : exemplar.labels) bytes += label.name.size() + label.value.size();
    // One without a time of its own is the same as long as it says the same.
    const auto same = [&](const telemetry::Exemplar& last) {
      return last.value == exemplar.value && last.trace_id == exemplar.trace_id &&
             last.span_id == exemplar.span_id && last.labels == exemplar.labels;
    };
    if (bytes <= kMaxExemplarBytes && !(series->exemplar && same(*series->exemplar))) {
      series->exemplar = std::make_unique<telemetry::Exemplar>(exemplar);
      batch.series.back().exemplars.push_back(std::move(exemplar));
    }
  }
  return {};
}

void SeriesCache::AddMetadata(ExpositionParser::Entry entry, const ExpositionParser& parser) {
  if (described_.size() >= kMaxDescribed && !described_.contains(parser.metric())) return;
  telemetry::MetricMetadata& metadata = described_[std::string(parser.metric())];
  switch (entry) {
    case ExpositionParser::Entry::kType:
      metadata.type = parser.type();
      break;
    case ExpositionParser::Entry::kHelp:
      metadata.help = parser.description().substr(0, kMaxHelpBytes);
      break;
    case ExpositionParser::Entry::kUnit:
      metadata.unit = parser.description();
      break;
    case ExpositionParser::Entry::kSample:
    case ExpositionParser::Entry::kEnd:
      break;
  }
}

base::Result<ScrapeCounts> SeriesCache::Fill(std::string_view text, ExpositionFormat format,
                                             std::int64_t time_ms, telemetry::Batch& batch) {
  ++turn_;
  state_ = Turn::kFilled;
  described_.clear();
  new_metadata_.clear();
  ScrapeCounts counts;
  batch.series.reserve(series_.size() + std::size(kReportNames));
  ExpositionParser parser(text, format);
  while (true) {
    auto entry = parser.Next();
    base::Result<> done;
    if (!entry) {
      done = std::unexpected(std::move(entry).error());
    } else if (*entry == ExpositionParser::Entry::kEnd) {
      break;
    } else if (*entry == ExpositionParser::Entry::kSample) {
      done = AddSample(parser, time_ms, counts, batch);
    } else {
      AddMetadata(*entry, parser);
    }
    if (!done) {
      batch = {};
      return std::unexpected(std::move(done).error());
    }
  }
  for (const auto& [key, series] : series_) {
    if (series.live && series.turn != turn_) Append(series.labels, time_ms, StaleMarker(), batch);
  }
  for (auto& [family, metadata] : described_) {
    // In OpenMetrics the family of a counter lacks the suffix that its series has.
    std::string name = family;
    if (format == ExpositionFormat::kOpenMetrics) {
      if (metadata.type == telemetry::MetricType::kCounter) name += "_total";
      if (metadata.type == telemetry::MetricType::kInfo) name += "_info";
    }
    const auto written = written_metadata_.find(name);
    if (written == written_metadata_.end() || written->second != metadata) {
      new_metadata_[name] = std::move(metadata);
    }
  }
  batch.metadata = new_metadata_;
  return counts;
}

void SeriesCache::MarkStale(std::int64_t time_ms, telemetry::Batch& batch) {
  for (const auto& [key, series] : series_) {
    if (series.live) Append(series.labels, time_ms, StaleMarker(), batch);
  }
}

void SeriesCache::Fail(std::int64_t time_ms, telemetry::Batch& batch) {
  state_ = Turn::kFailed;
  new_metadata_.clear();
  MarkStale(time_ms, batch);
}

void SeriesCache::End(std::int64_t time_ms, telemetry::Batch& batch) {
  Fail(time_ms, batch);
  for (const std::string_view name : kReportNames) {
    AppendReport(name, StaleMarker(), time_ms, batch);
  }
}

void SeriesCache::AppendReport(std::string_view name, double value, std::int64_t time_ms,
                               telemetry::Batch& batch) const {
  Append(target_labels_, time_ms, value, batch);
  batch.series.back().labels.push_back({telemetry::kMetricName, name});
}

void SeriesCache::Report(bool up, double duration_seconds, const ScrapeCounts& counts,
                         std::int64_t time_ms, telemetry::Batch& batch) const {
  const double values[] = {up ? 1.0 : 0.0, duration_seconds, static_cast<double>(counts.scraped),
                           static_cast<double>(counts.kept), static_cast<double>(counts.added)};
  static_assert(std::size(values) == std::size(kReportNames));
  for (std::size_t i = 0; i < std::size(values); ++i) {
    AppendReport(kReportNames[i], values[i], time_ms, batch);
  }
}

void SeriesCache::Commit(bool written) {
  CHECK(state_ != Turn::kNone, "a commit ends a turn");
  const Turn state = std::exchange(state_, Turn::kNone);
  if (!written) return;
  if (state == Turn::kFailed) {
    series_.clear();
    return;
  }
  std::erase_if(series_, [this](const auto& entry) { return entry.second.turn != turn_; });
  for (auto& [key, series] : series_) series.live = series.tracked && !series.labels.empty();
  for (auto& [name, metadata] : new_metadata_) {
    if (written_metadata_.size() < kMaxDescribed || written_metadata_.contains(name)) {
      written_metadata_[name] = std::move(metadata);
    }
  }
  new_metadata_.clear();
}

}  // namespace enclave::observatory::scrape
