#include "observatory/store/metric_section.h"

#include <algorithm>
#include <mutex>

#include <fmt/format.h>
#include <simdjson.h>

#include "base/quote.h"
#include "observatory/store/coding.h"
#include "observatory/store/metric_keys.h"

namespace enclave::observatory::store {
namespace {

using base::ErrorKind;
using base::Fail;
using telemetry::LabelView;
using telemetry::Sample;

// Shown in a message: not more of it than anyone reads.
std::string Shown(std::string_view text) {
  constexpr std::size_t kMostShown = 100;
  return base::Quote(text.substr(0, kMostShown)) + (text.size() > kMostShown ? "..." : "");
}

// "" when the labels may name a series. They are sorted.
std::string WhyNotLabels(std::span<const LabelView> labels, const Limits& limits) {
  if (labels.size() > limits.labels)
    return fmt::format("a series has {} labels, at most {} are taken", labels.size(),
                       limits.labels);
  bool named = false;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto& [name, value] = labels[i];
    if (name.empty()) return "a label has no name";
    if (i > 0 && labels[i - 1].name == name)
      return fmt::format("the label {} is there twice", Shown(name));
    if (name.size() > limits.label_name_bytes)
      return fmt::format("the label name {} has {} bytes, at most {} are taken", Shown(name),
                         name.size(), limits.label_name_bytes);
    if (value.size() > limits.label_value_bytes)
      return fmt::format("the value of the label {} has {} bytes, at most {} are taken",
                         Shown(name), value.size(), limits.label_value_bytes);
    if (!simdjson::validate_utf8(name.data(), name.size()) ||
        !simdjson::validate_utf8(value.data(), value.size()))
      return fmt::format("the label {}={} is not UTF-8", Shown(name), Shown(value));
    named = named || name == telemetry::kMetricName;
  }
  return named ? "" : "a series has no metric name, the label __name__";
}

}  // namespace

std::unique_ptr<MetricSection> CreateMetricSection(const StoreOptions& options) {
  return std::make_unique<MetricStore>(options);
}

MetricStore::MetricStore(const StoreOptions& options)
    : options_(options), exemplars_(options.limits.exemplars_per_series) {}

std::vector<FamilyWish> MetricStore::Families() const {
  return {{.name = std::string(kIndexFamily), .compression = rocksdb::kZSTD},
          {.name = std::string(kJournalFamily)},
          {.name = std::string(kOpenFamily)},
          {.name = std::string(kChunkFamily)},
          {.name = std::string(kExemplarFamily), .compression = rocksdb::kZSTD}};
}

std::string MetricStore::WhyNot(const Sample& sample, std::int64_t now_ms) const {
  const std::int64_t age_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(options_.retention.age).count();
  if (sample.time_ms < kEarliestMs || sample.time_ms > kLatestMs)
    return fmt::format("the time {} ms is none that is kept", sample.time_ms);
  if (age_ms > 0 && sample.time_ms < now_ms - age_ms)
    return fmt::format("a sample is {} s old, samples are kept for {} s",
                       (now_ms - sample.time_ms) / 1000, age_ms / 1000);
  return fmt::format("a sample lies {} s in the future, at most {} s are taken: compare the clocks",
                     (sample.time_ms - now_ms) / 1000, options_.limits.future_ms / 1000);
}

void MetricStore::Prepare(telemetry::Batch& batch, std::int64_t now_ms, rocksdb::WriteBatch& write,
                          telemetry::Refused& refused) {
  stage_ = Stage::kIngest;
  const std::int64_t age_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(options_.retention.age).count();
  taken_.from = age_ms > 0 ? std::max(now_ms - age_ms, kEarliestMs) : kEarliestMs;
  taken_.to = std::min(now_ms + std::min(options_.limits.future_ms, kLatestMs), kLatestMs);
  journal_.Clear();
  // Hashes first: by the time a series is looked for, its slot has come into the cache.
  hashes_.clear();
  for (const telemetry::SeriesWrite& series : batch.series) {
    hashes_.push_back(HashLabels(series.labels, scratch_));
    refs_.Prefetch(hashes_.back());
  }
  telemetry::Refused ours;
  for (std::size_t i = 0; i < batch.series.size(); ++i)
    PrepareSeries(batch.series[i], hashes_[i], now_ms, write, ours);
  PrepareMetadata(batch, write);
  if (!journal_.empty()) {
    const std::string_view bytes = journal_.bytes();
    write.Put(journal_family_, JournalKey(next_journal_++),
              rocksdb::Slice(bytes.data(), bytes.size()));
    pending_.journal_bytes += bytes.size();
  }
  refused.samples += ours.samples;
  refused.exemplars += ours.exemplars;
  if (refused.why.empty()) refused.why = ours.why;
  pending_.refused.samples += ours.samples;
  pending_.refused.exemplars += ours.exemplars;
}

void MetricStore::PrepareSeries(telemetry::SeriesWrite& series, LabelHash hash, std::int64_t now_ms,
                                rocksdb::WriteBatch& write, telemetry::Refused& refused) {
  const auto refuse = [&](std::size_t& count, std::size_t items, std::string why) {
    count += items;
    if (refused.why.empty()) refused.why = std::move(why);
  };
  std::erase_if(series.samples, [&](const Sample& sample) {
    if (sample.time_ms >= taken_.from && sample.time_ms <= taken_.to) [[likely]]
      return false;
    std::string why = WhyNot(sample, now_ms);
    refuse(refused.samples, 1, std::move(why));
    return true;
  });
  std::erase_if(series.exemplars, [&](const telemetry::Exemplar& exemplar) {
    std::size_t bytes = 0;
    for (const auto& label : exemplar.labels) bytes += label.name.size() + label.value.size();
    const bool timely = exemplar.time_ms >= taken_.from && exemplar.time_ms <= taken_.to;
    std::string why = timely ? "" : WhyNot({exemplar.time_ms, 0}, now_ms);
    if (why.empty() && bytes > options_.limits.exemplar_bytes)
      why = fmt::format("the labels of an exemplar have {} bytes, at most {} are taken", bytes,
                        options_.limits.exemplar_bytes);
    if (why.empty()) return false;
    refuse(refused.exemplars, 1, std::move(why));
    return true;
  });
  if (series.samples.empty() && series.exemplars.empty()) return;

  SeriesRef ref = 0;
  if (const auto known = refs_.Find(hash)) {
    ref = *known;
  } else if (auto resolved = Resolve(hash, series.labels, write)) {
    ref = *resolved;
  } else {
    refuse(refused.samples, series.samples.size(), resolved.error().message());
    refuse(refused.exemplars, series.exemplars.size(), resolved.error().message());
    return;
  }
  if (options_.limits.out_of_order_ms != INT64_MAX && head_.table().Alive(ref)) {
    const std::int64_t newest = head_.table().At(ref).newest_ms;
    std::erase_if(series.samples, [&](const Sample& sample) {
      if (newest == INT64_MIN || sample.time_ms >= newest - options_.limits.out_of_order_ms)
        return false;
      refuse(refused.samples, 1,
             fmt::format("a sample lies {} s before the newest of its series, at most {} s are "
                         "taken",
                         (newest - sample.time_ms) / 1000, options_.limits.out_of_order_ms / 1000));
      return true;
    });
  }
  if (!series.samples.empty()) {
    journal_.Run(ref, series.samples.size());
    for (const Sample& sample : series.samples) {
      journal_.Add(sample);
      pending_.samples.push_back({ref, sample});
    }
  }
  for (const telemetry::Exemplar& exemplar : series.exemplars)
    if (exemplars_.Add(ref, exemplar, write)) ++pending_.exemplars;
}

base::Result<SeriesRef> MetricStore::Resolve(LabelHash hash, const std::vector<LabelView>& labels,
                                             rocksdb::WriteBatch& write) {
  std::vector<LabelView> sorted = labels;
  std::erase_if(sorted, [](const LabelView& label) { return label.value.empty(); });
  std::ranges::sort(sorted, {}, &LabelView::name);
  const LabelHash canonical = HashLabels(sorted, scratch_);
  // Senders that shuffle labels anew each time must not fill the memory.
  const bool alias = canonical != hash && refs_.size() < 4 * head_.table().size() + 4096;
  if (const auto known = refs_.Find(canonical)) {
    if (alias) refs_.Insert(hash, *known);
    return *known;
  }
  if (std::string why = WhyNotLabels(sorted, options_.limits); !why.empty())
    return Fail(ErrorKind::kInvalidArgument, std::move(why));
  if (head_.table().size() + pending_.series.size() >= options_.limits.series)
    return Fail(ErrorKind::kResourceExhausted,
                fmt::format("{} series are known and no more are taken: find the label with too "
                            "many values, or raise the limit",
                            options_.limits.series));
  SeriesRef ref = next_ref_;
  if (free_refs_.empty()) {
    ++next_ref_;
  } else {
    ref = free_refs_.back();
    free_refs_.pop_back();
  }
  std::string bytes;
  std::vector<telemetry::Label> owned;
  owned.reserve(sorted.size());
  PutVarint(bytes, sorted.size());
  for (const LabelView& label : sorted) {
    PutText(bytes, label.name);
    PutText(bytes, label.value);
    owned.push_back({std::string(label.name), std::string(label.value)});
  }
  write.Put(index_family_, SeriesKey(ref), bytes);
  refs_.Insert(canonical, ref);
  if (alias) refs_.Insert(hash, ref);
  pending_.series.push_back({ref, telemetry::Labels::From(std::move(owned))});
  return ref;
}

void MetricStore::PrepareMetadata(telemetry::Batch& batch, rocksdb::WriteBatch& write) {
  for (auto& [name, metadata] : batch.metadata) {
    const std::size_t most = options_.limits.metadata_bytes;
    if (name.empty() || name.size() > options_.limits.label_value_bytes) continue;
    if (metadata.help.size() > most) metadata.help.resize(most);
    if (metadata.unit.size() > most) metadata.unit.resize(most);
    const auto known = metadata_.find(name);
    if (known != metadata_.end()
            ? known->second == metadata
            : metadata_.size() + pending_.metadata.size() >= options_.limits.metadata_names)
      continue;
    std::string bytes;
    bytes += static_cast<char>(metadata.type);
    PutText(bytes, metadata.unit);
    PutText(bytes, metadata.help);
    write.Put(index_family_, "m" + name, bytes);
    pending_.metadata.emplace_back(name, std::move(metadata));
  }
}

void MetricStore::Begin(const NewSeries& series) {
  std::vector<LabelView> views;
  views.reserve(series.labels.size());
  for (const telemetry::Label& label : series.labels) views.push_back({label.name, label.value});
  head_.table().Create(series.ref, views);
}

void MetricStore::Committed() {
  {
    const std::unique_lock lock(mutex_);
    switch (stage_) {
      case Stage::kIngest: {
        for (const NewSeries& series : pending_.series) Begin(series);
        constexpr std::size_t kAhead = 8;
        const std::vector<SampleOf>& samples = pending_.samples;
        for (std::size_t i = 0; i < samples.size(); ++i) {
          if (i + kAhead < samples.size())
            __builtin_prefetch(&head_.table().At(samples[i + kAhead].ref));
          head_.Apply(samples[i].ref, samples[i].sample);
        }
        for (auto& [name, metadata] : pending_.metadata) metadata_[name] = std::move(metadata);
        journal_bytes_ += pending_.journal_bytes;
        refused_samples_ += pending_.refused.samples;
        refused_exemplars_ += pending_.refused.exemplars;
        exemplars_added_ += pending_.exemplars;
        break;
      }
      case Stage::kCheckpoint:
        FinishCheckpoint();
        break;
      case Stage::kDrop:
        FinishDrop();
        break;
    }
  }
  exemplars_.Committed();
  constexpr std::size_t kKeptSamples = 1 << 16;  // room that stays for the next write
  std::vector<SampleOf> room = std::move(pending_.samples);
  room.clear();
  if (room.capacity() > kKeptSamples) room.shrink_to_fit();
  pending_ = Pending();
  pending_.samples = std::move(room);
  stage_ = Stage::kIngest;
}

void MetricStore::Aborted() {
  if (!pending_.series.empty()) {
    std::vector<SeriesRef> gone;
    for (const NewSeries& series : pending_.series) gone.push_back(series.ref);
    std::ranges::sort(gone);
    refs_.Remove([&](SeriesRef ref) { return std::ranges::binary_search(gone, ref); });
    free_refs_.insert(free_refs_.end(), gone.begin(), gone.end());
  }
  exemplars_.Aborted();
  pending_ = Pending();
  stage_ = Stage::kIngest;
}

}  // namespace enclave::observatory::store
