#include "cluster/kubelet/status_writer.h"

#include <algorithm>

#include "base/log.h"
#include "cluster/kubelet/pod_fields.h"
#include "kube/patch.h"

namespace enclave::cluster {

using base::ErrorKind;
using kube::Json;

namespace {

constexpr base::Duration kStatusFirstRetry = std::chrono::milliseconds(100);
constexpr base::Duration kStatusMostRetry = std::chrono::seconds(10);

// Somebody waits for this change: controllers, endpoints, a person at a terminal.
bool IsUrgent(const Json& before, const Json& after) {
  for (const char* field : {"phase", "podIP", "reason"})
    if (kube::StringAt(before, field) != kube::StringAt(after, field)) return true;
  if (ListAt(before, "conditions") != ListAt(after, "conditions")) return true;
  const Json& old_entries = ListAt(before, "containerStatuses");
  const Json& new_entries = ListAt(after, "containerStatuses");
  if (old_entries.size() != new_entries.size()) return true;
  for (std::size_t i = 0; i < new_entries.size(); ++i) {
    if (kube::StringAt(old_entries[i], "state.waiting.reason") !=
        kube::StringAt(new_entries[i], "state.waiting.reason"))
      return true;
    if (kube::BoolAt(old_entries[i], "ready") != kube::BoolAt(new_entries[i], "ready") ||
        kube::BoolAt(old_entries[i], "started") != kube::BoolAt(new_entries[i], "started"))
      return true;
  }
  return false;
}

// Fields that the kubelet's status may have to take away.
void AddRemovals(const Json& before, const Json& after, Json& patch) {
  for (const char* field : {"reason", "message", "podIP", "podIPs", "initContainerStatuses"})
    if (before.is_object() && before.contains(field) && !after.contains(field))
      patch[field] = nullptr;
}

}  // namespace

StatusWriter::StatusWriter(const KubeletContext& context, std::function<void()> again)
    : context_(context), again_(std::move(again)), timer_(context.executor()) {}

bool StatusWriter::Offer(kube::ObjectPtr& pod, const Json& status, bool urgent) {
  const Json& before = kube::At(pod->json(), "status");
  Json patch = Json::object();
  for (const auto& [field, value] : status.items())
    if (kube::At(before, field) != value) patch[field] = value;
  AddRemovals(before, status, patch);
  if (patch.empty()) {
    timer_.Cancel();
    retry_delay_ = {};
    return true;
  }
  const base::MonoTime now = context_.Now();
  const bool retrying = retry_delay_ != base::Duration::zero();
  if (retrying && timer_.armed()) return false;
  if (!retrying && !urgent && !IsUrgent(before, status) && last_write_ != base::MonoTime::min() &&
      now - last_write_ < kBetweenWrites) {
    if (!timer_.armed()) timer_.Set(last_write_ + kBetweenWrites - now, again_);
    return false;
  }
  timer_.Cancel();
  // The uid makes it a conflict when the name belongs to another pod by now.
  const Json body = {{"metadata", {{"uid", pod->uid()}}}, {"status", std::move(patch)}};
  const auto written = context_.ports.informers.api().Patch(
      kube::kPod, pod->ns(), pod->name(), kube::PatchType::kMerge, body, "status");
  last_write_ = now;
  if (written && (*written)->uid() == pod->uid()) {
    retry_delay_ = {};
    pod = *written;
    return true;
  }
  // A pod that is gone is tried again too: the watch is about to say so, and then nobody asks.
  retry_delay_ = retrying ? std::min(2 * retry_delay_, kStatusMostRetry) : kStatusFirstRetry;
  if (!written && written.error().kind() != ErrorKind::kNotFound) {
    base::LogWarning(
        "kubelet", "pod status not written",
        {{"namespace", pod->ns()}, {"pod", pod->name()}, {"error", written.error().ToString()}});
  }
  timer_.Set(retry_delay_, again_);
  return false;
}

}  // namespace enclave::cluster
