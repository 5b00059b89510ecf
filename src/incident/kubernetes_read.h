// What kubernetes.cc and kubernetes_changes.cc share: readers of single objects.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "incident/kubernetes.h"

namespace enclave::incident {

inline constexpr std::int64_t kSecondNs = 1'000'000'000;

inline bool IsInWindow(const Window& window, std::int64_t time_ns) {
  return time_ns >= window.from_ns && time_ns < window.to_ns;
}
// Since 1970; nullopt when absent or malformed.
std::optional<std::int64_t> NanosAt(const kube::Json& object, std::string_view path);
// A value of a map of texts whose key may hold dots.
std::string MapText(const kube::Json& map, const std::string& key);
std::string NameOf(const kube::Json& object);        // namespace/name, or the name
std::string ControllerOf(const kube::Json& object);  // the name of its controlling owner
std::string Shortened(std::string text);             // to what a person reads at a glance
std::int64_t LastTimeOf(const kube::Json& event);    // 0 without one

// One event, of both APIs of events.
struct EventView {
  const kube::Json* json;
  std::int64_t time_ns;
  std::string ns;
  std::string kind;  // of the object it is about
  std::string name;
  std::string reason;
  std::string message;
};

// The objects by name, and the events of the window by time.
class KubernetesIndex {
 public:
  KubernetesIndex(const KubernetesObjects& objects, const Window& window);

  // The service of the object that an event is about, also when it is gone already.
  std::string ServiceOf(const std::string& ns, const std::string& kind,
                        const std::string& name) const;
  const kube::Json* Pod(const std::string& ns, const std::string& name) const;
  const std::vector<EventView>& events() const { return events_; }

 private:
  const kube::Json* Find(const std::string& kind, const std::string& ns,
                         const std::string& name) const;

  std::map<std::string, const kube::Json*> by_name_;  // "Kind namespace/name"
  std::map<std::string, std::string> workloads_;      // "namespace/name" to service
  std::vector<EventView> events_;
};

std::vector<Change> FindChanges(const KubernetesObjects& objects, const KubernetesIndex& index,
                                const Window& window);

}  // namespace enclave::incident
