#include "observatory/store/log_streams.h"

#include <algorithm>

#include "base/check.h"

namespace enclave::observatory::store {

bool LogStream::HasData(telemetry::TimeRangeNs range) const {
  const auto overlaps = [&](std::int64_t first, std::int64_t last) {
    return first < range.to && last >= range.from;
  };
  for (const LogRowsPtr& part : head)
    if (!part->rows.empty() && overlaps(part->rows.front().time_ns, part->rows.back().time_ns))
      return true;
  for (const auto& [window, refs] : blocks)
    for (const LogBlockRef& block : refs)
      if (overlaps(block.first_ns, block.last_ns)) return true;
  return false;
}

LogStream& LogStreams::Add(std::uint32_t id, telemetry::Labels labels) {
  const auto [at, added] = by_id_.try_emplace(id);
  CHECK(added, "ids of streams are given once");
  LogStream& stream = at->second;
  stream.id = id;
  ids_.emplace(labels, id);
  for (const telemetry::Label& label : labels) {
    Ids& ids = by_label_[label.name][label.value];
    ids.insert(std::ranges::lower_bound(ids, id), id);
  }
  stream.labels = std::make_shared<const telemetry::Labels>(std::move(labels));
  return stream;
}

void LogStreams::Remove(std::uint32_t id) {
  const auto at = by_id_.find(id);
  if (at == by_id_.end()) return;
  for (const telemetry::Label& label : *at->second.labels) {
    const auto name = by_label_.find(label.name);
    const auto value = name->second.find(label.value);
    std::erase(value->second, id);
    if (value->second.empty()) name->second.erase(value);
    if (name->second.empty()) by_label_.erase(name);
  }
  ids_.erase(*at->second.labels);
  by_id_.erase(at);
}

LogStream* LogStreams::Find(const telemetry::Labels& labels) {
  const auto at = ids_.find(labels);
  return at == ids_.end() ? nullptr : &by_id_.at(at->second);
}

LogStream* LogStreams::Find(std::uint32_t id) {
  const auto at = by_id_.find(id);
  return at == by_id_.end() ? nullptr : &at->second;
}

bool LogStreams::Candidates(const telemetry::Matcher& matcher, Ids& ids) const {
  if (matcher.MatchesEmpty()) return false;
  const auto name = by_label_.find(matcher.name());
  if (name == by_label_.end()) return true;
  if (matcher.op() == telemetry::MatchOp::kEqual) {
    const auto value = name->second.find(matcher.value());
    if (value != name->second.end()) ids = value->second;
    return true;
  }
  for (const auto& [value, of_value] : name->second)
    if (matcher.Matches(value)) ids.insert(ids.end(), of_value.begin(), of_value.end());
  std::ranges::sort(ids);
  return true;
}

std::vector<const LogStream*> LogStreams::Select(const telemetry::Matchers& matchers) const {
  std::vector<const LogStream*> selected;
  bool narrowed = false;
  Ids best;
  // Equality is cheapest to look up, so it goes first.
  for (const bool equal : {true, false}) {
    for (const telemetry::Matcher& matcher : matchers) {
      if ((matcher.op() == telemetry::MatchOp::kEqual) != equal) continue;
      if (narrowed && !equal) break;
      Ids ids;
      if (!Candidates(matcher, ids)) continue;
      if (!narrowed || ids.size() < best.size()) best = std::move(ids);
      narrowed = true;
    }
  }
  const auto consider = [&](const LogStream& stream) {
    if (telemetry::Matches(matchers, *stream.labels)) selected.push_back(&stream);
  };
  if (narrowed) {
    for (const std::uint32_t id : best) consider(by_id_.at(id));
  } else {
    for (const auto& [id, stream] : by_id_) consider(stream);
  }
  return selected;
}

}  // namespace enclave::observatory::store
