#include "agent/core.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace enclave::agent {

using base::Result;
using kube::At;
using kube::StringAt;

Result<> AgentCore::Load() {
  RETURN_IF_ERROR(deps_.ledger.Read("", [this](const Event& event) -> Result<> {
    RETURN_IF_ERROR(Take(event));
    Forget();
    return {};
  }));
  Publish();
  return {};
}

Result<> AgentCore::Append(EventKind kind, const std::string& incident, Json body) {
  Event event{.time_ns = NowNs(), .incident = incident, .kind = kind, .body = std::move(body)};
  const auto written = deps_.ledger.Append(event);
  if (!written) {
    if (writable_)
      base::LogError("agent", "the ledger cannot be written, so nothing is done",
                     {{"error", written.error().message()}});
    writable_ = false;
    Publish();
    return base::Fail(written.error());
  }
  writable_ = true;
  event.sequence = *written;
  RETURN_IF_ERROR(Take(event));
  Forget();
  Publish();
  return {};
}

Result<> AgentCore::Take(const Event& event) {
  if (event.kind == EventKind::kModeSet) {
    mode_ = ModeFromString(StringAt(event.body, "mode")).value_or(mode_);
    mode_by_ = StringAt(event.body, "by");
    mode_why_ = StringAt(event.body, "why");
    return {};
  }
  const auto known = records_.find(event.incident);
  // Late news of an incident that is forgotten.
  if (known == records_.end() && event.kind != EventKind::kOpened) return {};
  auto record = known == records_.end() ? std::make_shared<Record>()
                                        : std::make_shared<Record>(*known->second);
  RETURN_IF_ERROR(Apply(event, record.get()));
  if (event.kind == EventKind::kClosed) ++closed_[std::string(ToString(record->outcome))];
  if (event.kind == EventKind::kUndoStarted) ++undos_;
  if (event.kind == EventKind::kActionStarted || event.kind == EventKind::kUndoStarted) {
    if (event.kind == EventKind::kActionStarted) ++actions_;
    // What an earlier process began counts as begun when it is read: the wall clock may have been
    // set meanwhile, and a cooldown too long is safer than one too short.
    begun_.push_back({record->taken.back().action.Subject(), event.incident, Now()});
    if (begun_.size() > kMostBegun) begun_.erase(begun_.begin());
  }
  records_[event.incident] = std::move(record);
  return {};
}

void AgentCore::Forget() {
  std::size_t over = 0;
  const Record* oldest = nullptr;
  for (const auto& [id, record] : records_) {
    if (record->stage != Stage::kLearned) continue;
    ++over;
    if (oldest == nullptr || record->closed_ns < oldest->closed_ns) oldest = record.get();
  }
  if (over > kMostOver) records_.erase(std::string(oldest->id));
}

RecordPtr AgentCore::Find(const std::string& incident) const {
  const auto found = records_.find(incident);
  return found == records_.end() ? nullptr : found->second;
}

std::vector<const Record*> AgentCore::ByTime() const {
  std::vector<const Record*> records;
  for (const auto& [id, record] : records_) records.push_back(record.get());
  std::ranges::sort(records, [](const Record* a, const Record* b) {
    return std::pair(a->opened_ns, a->id) < std::pair(b->opened_ns, b->id);
  });
  return records;
}

std::vector<PastAction> AgentCore::PastActions() const {
  std::vector<PastAction> past;
  const std::int64_t now_ns = NowNs();
  for (const Begun& begun : begun_)
    past.push_back({.subject = begun.subject,
                    .incident = begun.incident,
                    .started_ns = now_ns - (Now() - begun.started).count()});
  for (const auto& [id, record] : records_)
    if (record->stage == Stage::kActing || record->stage == Stage::kVerifying ||
        record->stage == Stage::kUndoing)
      for (auto one = past.rbegin(); one != past.rend(); ++one)
        if (one->incident == id) {
          one->under_way = true;
          break;
        }
  return past;
}

void AgentCore::Publish() {
  auto next = std::make_shared<Snapshot>();
  next->mode = mode_;
  next->mode_by = mode_by_;
  next->mode_why = mode_why_;
  next->ledger_writable = writable_;
  next->closed = closed_;
  next->actions = actions_;
  next->undos = undos_;
  next->alerts_ignored = ignored_;
  for (const auto& [id, record] : records_) next->records.push_back(record);
  std::ranges::sort(next->records, {}, [](const RecordPtr& record) {
    return std::pair(record->opened_ns, record->id);
  });
  const std::lock_guard lock(snapshot_mutex_);
  snapshot_ = std::move(next);
}

std::shared_ptr<const Snapshot> AgentCore::snapshot() const {
  const std::lock_guard lock(snapshot_mutex_);
  return snapshot_;
}

}  // namespace enclave::agent
