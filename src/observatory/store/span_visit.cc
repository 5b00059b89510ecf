#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <unordered_map>

#include "observatory/store/log_keys.h"
#include "observatory/store/log_rows.h"
#include "observatory/store/span_codec.h"
#include "observatory/store/span_section.h"

namespace enclave::observatory::store {
namespace {

constexpr std::size_t kSpanKeySize = 36;   // window, trace id, start, span id
constexpr std::size_t kIndexKeySize = 44;  // window, operation, start, trace id, span id
constexpr std::size_t kReadAheadBytes = 2 << 20;
using SpanKey = std::array<char, kSpanKeySize>;

std::unexpected<base::Error> CorruptSpanKey() {
  return base::Fail(base::ErrorKind::kInternal, "visiting spans: the key of a kept one is corrupt");
}

}  // namespace

// One span after the other in the same memory: nearly nothing is allocated for each. The resource
// of a span is moved in and out as a whole; each is copied once.
class Spans::Reader {
 public:
  explicit Reader(const Spans& spans) : spans_(spans) {}

  // Valid until the next call. `key` has kSpanKeySize bytes.
  base::Result<const telemetry::Span*> Read(const char* key, std::string_view value) {
    const auto trace_id = TraceIdOf(GetBe64(key + 4), GetBe64(key + 12));
    const auto span_id = SpanIdOf(GetBe64(key + 28));
    if (!trace_id || !span_id) return CorruptSpanKey();
    span_.trace_id = *trace_id;
    span_.span_id = *span_id;
    span_.start_ns = static_cast<std::int64_t>(GetBe64(key + 20));
    ASSIGN_OR_RETURN(const std::optional<std::uint64_t> number,
                     DecodeSpanInto(value, span_, own_resource_));
    UseResource(number);
    return &span_;
  }

 private:
  void UseResource(std::optional<std::uint64_t> number) {
    if (holds_ && number == held_) {
      // Those that came with their span are each another one.
      if (!number) span_.resource.swap(own_resource_);
      return;
    }
    if (holds_) Slot(held_).swap(span_.resource);
    Slot(number).swap(span_.resource);
    held_ = number;
    holds_ = true;
  }
  telemetry::Attributes& Slot(std::optional<std::uint64_t> number) {
    if (!number) return own_resource_;
    const auto [slot, is_new] = resources_.try_emplace(*number);
    if (is_new) {
      const std::shared_lock lock(spans_.mutex_);
      const auto at = spans_.resources_.find(*number);
      // Gone with its window, while this read was under way.
      if (at != spans_.resources_.end()) slot->second = at->second->attributes;
    }
    return slot->second;
  }

  const Spans& spans_;
  telemetry::Span span_{.trace_id = *TraceIdOf(1, 1), .span_id = *SpanIdOf(1)};
  telemetry::Attributes own_resource_;
  bool holds_ = false;
  std::optional<std::uint64_t> held_;  // whose resource the span has
  std::unordered_map<std::uint64_t, telemetry::Attributes> resources_;
};

base::Result<> Spans::Visit(telemetry::TimeRangeNs range, const telemetry::SpanVisitor& visit) {
  range.from = std::max<std::int64_t>(range.from, 0);
  const auto windows = WindowsIn(range);
  if (windows.empty()) return {};
  rocksdb::ManagedSnapshot snapshot(db_);
  rocksdb::ReadOptions options;
  options.snapshot = snapshot.snapshot();
  options.fill_cache = false;
  rocksdb::ReadOptions in_order = options;
  in_order.readahead_size = kReadAheadBytes;
  const std::unique_ptr<rocksdb::Iterator> index(db_->NewIterator(options, index_));
  const std::unique_ptr<rocksdb::Iterator> entries(db_->NewIterator(in_order, spans_));
  const auto broken = [](const rocksdb::Iterator& iterator) {
    return base::Fail(FromRocks(iterator.status(), "visiting spans"));
  };
  Reader reader(*this);
  bool more = true;
  const auto show = [&](const char* key) -> base::Result<> {
    ASSIGN_OR_RETURN(const telemetry::Span* const span,
                     reader.Read(key, {entries->value().data(), entries->value().size()}));
    more = visit(*span);
    return {};
  };

  // The keys of a window's spans in the range, in order; nullopt when they are many.
  const auto few = [&](std::uint32_t number,
                       const Window& window) -> base::Result<std::optional<std::vector<SpanKey>>> {
    std::vector<SpanKey> keys;
    for (const auto& [id, operation] : window.operations) {
      std::string first = WindowPrefix(number);
      PutBe64(first, id);
      std::string last = first;
      PutBe64(first, static_cast<std::uint64_t>(range.from));
      PutBe64(last, static_cast<std::uint64_t>(range.to));
      for (index->Seek(first); index->Valid() && index->key().compare(last) < 0; index->Next()) {
        const char* const at = index->key().data();
        if (index->key().size() != kIndexKeySize) return CorruptSpanKey();
        if (keys.size() == kMostSpansByIndex) return std::nullopt;
        SpanKey& key = keys.emplace_back();
        std::memcpy(key.data(), at, 4);
        std::memcpy(key.data() + 4, at + 20, 16);
        std::memcpy(key.data() + 20, at + 12, 8);
        std::memcpy(key.data() + 28, at + 36, 8);
      }
      if (!index->status().ok()) return broken(*index);
    }
    std::ranges::sort(keys, [](const SpanKey& a, const SpanKey& b) {
      return std::memcmp(a.data(), b.data(), kSpanKeySize) < 0;
    });
    const auto again = std::ranges::unique(keys);  // filed under two names
    keys.erase(again.begin(), again.end());
    return keys;
  };

  for (const auto& [number, window] : windows) {
    const std::int64_t begins = number * kWindowNs;
    const bool whole = range.from <= begins && range.to >= begins + kWindowNs;
    std::optional<std::vector<SpanKey>> keys;
    if (!whole) {
      ASSIGN_OR_RETURN(keys, few(number, window));
    }
    if (keys) {
      for (const SpanKey& key : *keys) {
        const rocksdb::Slice wanted(key.data(), key.size());
        entries->Seek(wanted);
        if (!entries->status().ok()) return broken(*entries);
        if (!entries->Valid() || entries->key() != wanted) continue;
        RETURN_IF_ERROR(show(key.data()));
        if (!more) return {};
      }
      continue;
    }
    const std::string prefix = WindowPrefix(number);
    for (entries->Seek(prefix); entries->Valid() && entries->key().starts_with(prefix);
         entries->Next()) {
      const char* const key = entries->key().data();
      if (entries->key().size() != kSpanKeySize) return CorruptSpanKey();
      const auto start_ns = static_cast<std::int64_t>(GetBe64(key + 20));
      if (start_ns < range.from || start_ns >= range.to) continue;
      RETURN_IF_ERROR(show(key));
      if (!more) return {};
    }
    if (!entries->status().ok()) return broken(*entries);
  }
  return {};
}

}  // namespace enclave::observatory::store
