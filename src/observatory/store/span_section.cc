#include "observatory/store/span_section.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <mutex>

#include "base/quote.h"
#include "observatory/store/log_keys.h"
#include "observatory/store/log_rows.h"
#include "observatory/store/span_codec.h"

namespace enclave::observatory::store {
namespace {

std::string SpanNameKey(std::uint32_t window, char kind, std::uint64_t number) {
  std::string key = WindowPrefix(window);
  key += kind;
  PutBe64(key, number);
  return key;
}

std::uint64_t NumberOf(std::string_view service, std::string_view name, char kind) {
  std::string bytes;
  PutText(bytes, service);
  PutText(bytes, name);
  bytes += kind;
  return XXH3_64bits(bytes.data(), bytes.size());
}

}  // namespace

std::vector<FamilyWish> Spans::Families() const {
  return {{.name = "spans.spans", .compression = rocksdb::kZSTD, .block_bytes = 32 << 10},
          {.name = "spans.index", .compression = rocksdb::kZSTD},
          {.name = "spans.names"}};
}

base::Result<> Spans::Recover(const Database& database) {
  db_ = database.db;
  spans_ = database.Family("spans.spans");
  index_ = database.Family("spans.index");
  names_ = database.Family("spans.names");
  const std::scoped_lock lock(mutex_);
  const std::unique_ptr<rocksdb::Iterator> entries(db_->NewIterator({}, names_));
  for (entries->SeekToFirst(); entries->Valid(); entries->Next()) {
    const std::string_view key(entries->key().data(), entries->key().size());
    const std::string_view value(entries->value().data(), entries->value().size());
    const auto corrupt = [] {
      return base::Fail(base::ErrorKind::kInternal, "opening the spans: a name is corrupt");
    };
    ByteReader reader(value);
    if (key == "w") {
      first_window_ = static_cast<std::uint32_t>(reader.Varint());
      continue;
    }
    if (key.size() != 13) return corrupt();
    Window& window = windows_[GetBe32(key.data())];
    const std::uint64_t number = GetBe64(key.data() + 5);
    if (key[4] == 'o') {
      Operation operation;
      operation.service = reader.Text();
      operation.name = reader.Text();
      operation.any_name = reader.Byte() != 0;
      operation.any_service = reader.Byte() != 0;
      if (!reader.ok()) return corrupt();
      window.operations[number] = std::make_shared<const Operation>(std::move(operation));
    } else {
      window.resources.insert(number);
      if (resources_.contains(number)) continue;
      auto attributes = ReadAttributes(reader);
      if (!attributes) return corrupt();
      resources_[number] =
          std::make_shared<const Resource>(Resource{std::string(value), std::move(*attributes)});
    }
  }
  if (!entries->status().ok()) return base::Fail(FromRocks(entries->status(), "opening the spans"));
  return {};
}

bool Spans::FileOperation(std::uint32_t window, std::uint64_t number, const Operation& operation,
                          rocksdb::WriteBatch& write, std::size_t most) {
  const auto known = windows_.find(window);
  const std::size_t before = known == windows_.end() ? 0 : known->second.operations.size();
  if (before > 0 && known->second.operations.contains(number)) return true;
  Window& pending = pending_.windows[window];
  if (pending.operations.contains(number)) return true;
  if (before + pending.operations.size() >= most) return false;
  std::string value;
  PutText(value, operation.service);
  PutText(value, operation.name);
  value += static_cast<char>(operation.any_name ? 1 : 0);
  value += static_cast<char>(operation.any_service ? 1 : 0);
  write.Put(names_, SpanNameKey(window, 'o', number), value);
  pending.operations[number] = std::make_shared<const Operation>(operation);
  return true;
}

std::uint64_t Spans::OperationOf(std::uint32_t window, const std::string& service,
                                 const std::string& name, rocksdb::WriteBatch& write) {
  std::uint64_t number = NumberOf(service, name, 'o');
  if (FileOperation(window, number, {.service = service, .name = name}, write, kMostOperations))
    return number;
  number = NumberOf(service, "", 's');
  if (FileOperation(window, number, {.service = service, .any_name = true}, write,
                    2 * kMostOperations))
    return number;
  number = NumberOf("", "", 'a');
  FileOperation(window, number, {.any_name = true, .any_service = true}, write, SIZE_MAX);
  return number;
}

std::optional<std::uint64_t> Spans::ResourceOf(std::uint32_t window,
                                               const telemetry::Attributes& resource,
                                               rocksdb::WriteBatch& write) {
  std::string bytes;
  PutAttributes(bytes, resource);
  const std::uint64_t number = XXH3_64bits(bytes.data(), bytes.size());
  const auto known = resources_.find(number);
  const auto pending = pending_.resources.find(number);
  const Resource* there = known != resources_.end()             ? known->second.get()
                          : pending != pending_.resources.end() ? pending->second.get()
                                                                : nullptr;
  if (there != nullptr && there->bytes != bytes) return std::nullopt;  // two with one number
  const auto at = windows_.find(window);
  if (at != windows_.end() && at->second.resources.contains(number)) return number;
  std::set<std::uint64_t>& in_window = pending_.windows[window].resources;
  if (in_window.contains(number)) return number;
  if (in_window.size() + (at == windows_.end() ? 0 : at->second.resources.size()) >= kMostResources)
    return std::nullopt;
  write.Put(names_, SpanNameKey(window, 'r', number), bytes);
  in_window.insert(number);
  if (there == nullptr)
    pending_.resources[number] =
        std::make_shared<const Resource>(Resource{std::move(bytes), resource});
  return number;
}

void Spans::Prepare(telemetry::Batch& batch, std::int64_t now_ms, rocksdb::WriteBatch& write,
                    telemetry::Refused& refused) {
  std::int64_t from = first_window_ * kWindowNs;
  std::int64_t to = INT64_MAX;
  const std::int64_t age_ns = options_.retention.age.count();
  if (age_ns > 0) from = std::max(from, now_ms * 1'000'000 - age_ns);
  if (options_.limits.future_ms < INT64_MAX / 1'000'000 - now_ms)
    to = (now_ms + options_.limits.future_ms) * 1'000'000 + 1;
  const auto refuse = [&](std::string why) {
    ++refused.spans;
    ++pending_.refused;
    if (refused.why.empty()) refused.why = std::move(why);
  };

  // Spans of one resource and one window mostly come one after the other.
  const telemetry::Attributes* last_resource = nullptr;
  std::uint32_t last_window = 0;
  std::optional<std::uint64_t> resource;
  std::string service;
  for (const telemetry::Span& span : batch.spans) {
    if (span.start_ns < from) {
      refuse(fmt::format("span {} began {} ns after 1970, which is older than what is kept, {} ns",
                         base::Quote(span.name.substr(0, 64)), span.start_ns, from));
      continue;
    }
    if (span.start_ns >= to) {
      refuse(fmt::format("span {} begins too far in the future, {} ns after 1970",
                         base::Quote(span.name.substr(0, 64)), span.start_ns));
      continue;
    }
    const std::uint32_t window = WindowNumber(span.start_ns);
    if (last_resource == nullptr || window != last_window || *last_resource != span.resource) {
      resource = ResourceOf(window, span.resource, write);
      service = telemetry::ServiceName(span.resource);
      last_resource = &span.resource;
      last_window = window;
    }
    const std::string bytes = EncodeSpan(span, resource);
    if (bytes.size() > options_.limits.span_bytes) {
      refuse(fmt::format("span {} has {} bytes, at most {} are allowed",
                         base::Quote(span.name.substr(0, 64)), bytes.size(),
                         options_.limits.span_bytes));
      continue;
    }
    std::string key = LogTracePrefix(window, span.trace_id);
    PutBe64(key, static_cast<std::uint64_t>(span.start_ns));
    PutBe64(key, span.span_id.value());
    write.Put(spans_, key, bytes);

    std::string entry = WindowPrefix(window);
    PutBe64(entry, OperationOf(window, service, span.name, write));
    PutBe64(entry, static_cast<std::uint64_t>(span.start_ns));
    entry.append(key, 4, 16);
    PutBe64(entry, span.span_id.value());
    std::string figures(1, static_cast<char>(span.status));
    PutVarint(figures, ZigZag(WrapSub(span.end_ns, span.start_ns)));
    write.Put(index_, entry, figures);
    ++pending_.spans;
  }
}

void Spans::Committed() {
  const std::scoped_lock lock(mutex_);
  for (auto& [number, window] : pending_.windows) {
    Window& into = windows_[number];
    into.operations.merge(window.operations);
    into.resources.merge(window.resources);
  }
  resources_.merge(pending_.resources);
  if (pending_.first_window) {
    first_window_ = *pending_.first_window;
    windows_.erase(windows_.begin(), windows_.lower_bound(first_window_));
    std::erase_if(resources_, [&](const auto& resource) {
      return std::ranges::none_of(windows_, [&](const auto& window) {
        return window.second.resources.contains(resource.first);
      });
    });
  }
  written_spans_ += pending_.spans;
  refused_spans_ += pending_.refused;
  pending_ = {};
}

base::Result<> Spans::DropBefore(std::int64_t time_ms, rocksdb::WriteBatch& write) {
  if (time_ms <= 0) return {};
  const auto window = static_cast<std::uint32_t>(time_ms / kWindowMs);
  if (window <= first_window_) return {};
  for (rocksdb::ColumnFamilyHandle* family : {spans_, index_, names_})
    write.DeleteRange(family, WindowPrefix(0), WindowPrefix(window));
  std::string first;
  PutVarint(first, window);
  write.Put(names_, "w", first);
  pending_.first_window = window;
  return {};
}

std::vector<Section::KeyRange> Spans::Dropped(std::int64_t time_ms) const {
  const auto window = static_cast<std::uint32_t>(std::max<std::int64_t>(0, time_ms) / kWindowMs);
  return {{spans_, WindowPrefix(0), WindowPrefix(window)},
          {index_, WindowPrefix(0), WindowPrefix(window)},
          {names_, WindowPrefix(0), WindowPrefix(window)}};
}

std::map<std::int64_t, std::uint64_t> Spans::BytesByWindow() const {
  std::vector<std::uint32_t> numbers;
  {
    const std::shared_lock lock(mutex_);
    for (const auto& [number, window] : windows_) numbers.push_back(number);
  }
  rocksdb::SizeApproximationOptions approximate;
  approximate.include_memtables = true;
  std::map<std::int64_t, std::uint64_t> bytes;
  for (const std::uint32_t number : numbers) {
    const std::string from = WindowPrefix(number);
    const std::string to = WindowPrefix(number + 1);
    const rocksdb::Range range(from, to);
    std::uint64_t total = 0;
    for (rocksdb::ColumnFamilyHandle* family : {spans_, index_, names_}) {
      std::uint64_t size = 0;
      if (db_->GetApproximateSizes(approximate, family, &range, 1, &size).ok()) total += size;
    }
    bytes[number * kWindowMs] = total;
  }
  return bytes;
}

void Spans::FillStats(Stats& stats) const {
  for (const auto& [window, bytes] : BytesByWindow()) stats.span_bytes += bytes;
  const std::shared_lock lock(mutex_);
  stats.spans = written_spans_;
  stats.refused_spans = refused_spans_;
}

std::unique_ptr<TraceSection> CreateTraceSection(const StoreOptions& options) {
  return std::make_unique<Spans>(options);
}

}  // namespace enclave::observatory::store
