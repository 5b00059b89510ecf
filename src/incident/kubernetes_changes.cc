#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <set>
#include <tuple>
#include <utility>

#include "base/quote.h"
#include "incident/kubernetes_read.h"
#include "incident/object_change.h"

namespace enclave::incident {
namespace {

using kube::Json;
using kube::StringAt;

// A rollout's own scaling of sets goes on for so long.
constexpr std::int64_t kRolloutNs = 600 * kSecondNs;
constexpr std::int64_t kWriterNs = 5 * kSecondNs;
// Objects made within so long of each other were brought up together.
constexpr std::int64_t kTogetherNs = 60 * kSecondNs;
constexpr std::size_t kMostUsers = 20;  // services named for one ConfigMap

std::optional<trace::TraceId> TraceOf(const Json& object) {
  return trace::TraceId::Parse(
      MapText(kube::At(object, "metadata.annotations"), "enclave.dev/trace-id"));
}

// Who wrote it last within the stretch, other than Kubernetes itself.
struct Author {
  std::int64_t time_ns = 0;
  std::string who{};
};
std::optional<Author> AuthorOf(const Json& object, const Window& stretch) {
  std::optional<Author> last;
  for (const Json& entry : kube::At(object, "metadata.managedFields")) {
    const auto time = NanosAt(entry, "time");
    const std::string& who = StringAt(entry, "manager");
    if (!time || !IsInWindow(stretch, *time) || StringAt(entry, "subresource") == "status" ||
        who == "kube-controller-manager" || who == "kubelet" || who == "kube-scheduler")
      continue;
    if (!last || *time > last->time_ns) last = {*time, who};
  }
  return last;
}

std::int64_t RevisionOf(const Json& set) {
  const std::string text =
      MapText(kube::At(set, "metadata.annotations"), "deployment.kubernetes.io/revision");
  std::int64_t revision = 0;
  for (const char c : text) {
    if (c < '0' || c > '9' || revision > 1'000'000'000) return 0;
    revision = revision * 10 + (c - '0');
  }
  return revision;
}

// "Scaled up replica set web-1 from 0 to 3", "... to 3 from 0" and "... to 3".
struct Scaling {
  std::string set{};
  std::int64_t from = -1;
  std::int64_t to = -1;
};
Scaling ScalingOf(const std::string& message) {
  std::vector<std::string> words;
  std::size_t begin = 0;
  while (begin < message.size()) {
    const std::size_t end = std::min(message.find(' ', begin), message.size());
    if (end > begin) words.push_back(message.substr(begin, end - begin));
    begin = end + 1;
  }
  Scaling scaling;
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    const std::string& next = words[i + 1];
    if (words[i] == "set") scaling.set = next;
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(next.data(), next.data() + next.size(), number);
    if (error != std::errc() || end != next.data() + next.size()) continue;
    if (words[i] == "from") scaling.from = number;
    if (words[i] == "to") scaling.to = number;
  }
  return scaling;
}

class ChangeFinder {
 public:
  ChangeFinder(const KubernetesObjects& objects, const KubernetesIndex& index, const Window& window)
      : objects_(objects), index_(index), window_(window) {}

  std::vector<Change> Find() {
    for (const auto& deployment : objects_.deployments) Deployment(deployment->json());
    for (const auto& service : objects_.services)
      Written(service->json(), "Service", ChangeKind::kNetwork, {ServiceOfObject(service->json())});
    for (const auto& map : objects_.config_maps) Configuration(map->json(), "ConfigMap");
    for (const auto& secret : objects_.secrets) Configuration(secret->json(), "Secret");
    Deletions();
    std::ranges::sort(changes_, {}, [](const Change& change) {
      return std::tie(change.time_ns, change.object, change.service, change.to);
    });
    return std::move(changes_);
  }

 private:
  void Deployment(const Json& deployment) {
    const std::string& ns = StringAt(deployment, "metadata.namespace");
    const std::string& name = StringAt(deployment, "metadata.name");
    std::vector<const Json*> sets;
    for (const auto& set : objects_.replica_sets)
      if (set->ns() == ns && ControllerOf(set->json()) == name) sets.push_back(&set->json());
    std::ranges::sort(sets, {}, [](const Json* set) {
      return std::tuple(RevisionOf(*set), NanosAt(*set, "metadata.creationTimestamp").value_or(0),
                        std::string_view(StringAt(*set, "metadata.name")));
    });
    std::vector<std::int64_t> rollouts;
    for (std::size_t i = 0; i < sets.size(); ++i) {
      const bool current = i + 1 == sets.size();
      const auto made = NanosAt(*sets[i], "metadata.creationTimestamp");
      std::optional<std::int64_t> at;
      if (made && IsInWindow(window_, *made)) at = made;
      // An older template that is rolled back to has its set already: it grows from nothing.
      if (!at && current && i > 0)
        at = GrewFromNothing(ns, name, StringAt(*sets[i], "metadata.name"));
      if (!at) continue;
      rollouts.push_back(*at);
      const bool is_first = i == 0 && IsMadeAround(deployment, *at);
      if (is_first && BeganAt(ns, *at)) continue;
      Rollout(deployment, i == 0 ? nullptr : sets[i - 1], *sets[i], *at, current, is_first);
    }
    Scale(deployment, rollouts);
  }

  static bool IsMadeAround(const Json& object, std::int64_t at) {
    const auto made = NanosAt(object, "metadata.creationTimestamp");
    return made && std::abs(*made - at) <= kTogetherNs;
  }

  // Whether most of a namespace was made then: its beginning is no change of a service in it.
  bool BeganAt(const std::string& ns, std::int64_t at) const {
    std::size_t all = 0;
    std::size_t then = 0;
    for (const auto& deployment : objects_.deployments)
      if (deployment->ns() == ns) {
        ++all;
        then += IsMadeAround(deployment->json(), at) ? 1 : 0;
      }
    return 2 * then > all;
  }

  std::optional<std::int64_t> GrewFromNothing(const std::string& ns, const std::string& name,
                                              const std::string& set) const {
    bool fell = false;  // the set before it made room
    std::optional<std::int64_t> grew;
    for (const EventView& event : index_.events()) {
      if (event.reason != "ScalingReplicaSet" || event.ns != ns || event.name != name) continue;
      const Scaling scaling = ScalingOf(event.message);
      if (scaling.set != set)
        fell |= event.message.starts_with("Scaled down");
      else if (!grew && event.message.starts_with("Scaled up") && scaling.from <= 0)
        grew = event.time_ns;
    }
    return fell ? grew : std::nullopt;
  }

  void Rollout(const Json& deployment, const Json* before, const Json& after, std::int64_t at,
               bool current, bool is_first) {
    Change change{.time_ns = at,
                  .service = ServiceOfObject(deployment),
                  .kind = is_first ? ChangeKind::kOther : ChangeKind::kRollout,
                  .object = "Deployment " + NameOf(deployment),
                  .trace_id = TraceOf(after)};
    if (!change.trace_id && current) change.trace_id = TraceOf(deployment);
    if (before == nullptr) {
      change.from = is_first ? "nothing" : "a template that is not kept";
      change.to = "image " + ImagesOf(kube::At(after, "spec.template"));
    } else {
      ObjectChange words =
          CompareTemplates(kube::At(*before, "spec.template"), kube::At(after, "spec.template"));
      change.kind = words.kind;
      change.from = std::move(words.from);
      change.to = words.any() ? std::move(words.to) : "another pod template";
    }
    if (const auto writer = AuthorOf(deployment, {at - kWriterNs, at + kWriterNs}))
      change.who = writer->who;
    changes_.push_back(std::move(change));
  }

  // Replicas changed other than by a rollout.
  void Scale(const Json& deployment, const std::vector<std::int64_t>& rollouts) {
    const std::string& ns = StringAt(deployment, "metadata.namespace");
    const std::string& name = StringAt(deployment, "metadata.name");
    std::vector<const EventView*> scalings;
    for (const EventView& event : index_.events())
      if (event.reason == "ScalingReplicaSet" && event.kind == "Deployment" && event.ns == ns &&
          event.name == name)
        scalings.push_back(&event);
    const bool wants_none = kube::IntAt(deployment, "spec.replicas", 1) == 0;
    for (const EventView* one : scalings) {
      const EventView& event = *one;
      const Scaling scaling = ScalingOf(event.message);
      const bool of_rollout = std::ranges::any_of(rollouts, [&](std::int64_t at) {
        return event.time_ns >= at - kSecondNs && event.time_ns <= at + kRolloutNs;
      });
      // A set that falls to nothing while the Deployment wants pods is one that was replaced.
      const bool replaced = scaling.to == 0 && !wants_none;
      // No rollout leaves a Deployment that wants none.
      const bool emptied = one == scalings.back() && scaling.to == 0 && wants_none;
      if ((of_rollout && !emptied) || replaced || scaling.to < 0) continue;
      Change change{.time_ns = event.time_ns,
                    .service = ServiceOfObject(deployment),
                    .kind = ChangeKind::kScale,
                    .object = "Deployment " + NameOf(deployment),
                    .from = scaling.from < 0 ? "another number of replicas"
                                             : fmt::format("{} replicas", scaling.from),
                    .to = fmt::format("{} replicas", scaling.to),
                    .trace_id = TraceOf(deployment)};
      if (const auto writer =
              AuthorOf(deployment, {event.time_ns - kWriterNs, event.time_ns + kWriterNs}))
        change.who = writer->who;
      changes_.push_back(std::move(change));
    }
  }

  // An object whose earlier state nobody keeps: that it was written, and by whom.
  void Written(const Json& object, const char* kind, ChangeKind change_kind,
               const std::vector<std::string>& services) {
    const auto writer = AuthorOf(object, window_);
    const auto made = NanosAt(object, "metadata.creationTimestamp");
    const bool is_new = made && IsInWindow(window_, *made);
    if (!writer && !is_new) return;
    std::string keys;
    if (std::string_view(kind) == "ConfigMap")
      for (const auto& [key, value] : kube::At(object, "data").items())
        keys += (keys.empty() ? "" : ", ") + key;
    const bool only_made = is_new && (!writer || writer->time_ns - *made < kWriterNs);
    if (only_made && BeganAt(StringAt(object, "metadata.namespace"), *made)) return;
    for (const std::string& service : services)
      changes_.push_back({.time_ns = writer ? writer->time_ns : *made,
                          .service = service,
                          .kind = change_kind,
                          .object = fmt::format("{} {}", kind, NameOf(object)),
                          .from = only_made ? "nothing" : "an earlier state",
                          .to = Shortened(fmt::format("{}{}", only_made ? "a new object" : "edited",
                                                      keys.empty() ? "" : " with " + keys)),
                          .who = writer ? writer->who : "",
                          .trace_id = TraceOf(object)});
  }

  void Configuration(const Json& object, const char* kind) {
    const std::string& name = StringAt(object, "metadata.name");
    if (name == "kube-root-ca.crt") return;
    const std::string& ns = StringAt(object, "metadata.namespace");
    // Whoever names it in its template: a volume, an env, an envFrom.
    const std::string quoted = base::Quote(name);
    std::set<std::string> users;
    for (const auto& deployment : objects_.deployments) {
      if (deployment->ns() != ns || users.size() >= kMostUsers) continue;
      if (Uses(kube::At(deployment->json(), "spec.template.spec"), kind, quoted))
        users.insert(ServiceOfObject(deployment->json()));
    }
    if (users.empty()) users.insert(ServiceOfObject(object));
    Written(object, kind, ChangeKind::kConfiguration, {users.begin(), users.end()});
  }

  static bool Uses(const Json& pod_spec, std::string_view kind, const std::string& quoted) {
    const bool map = kind == "ConfigMap";
    const std::set<std::string_view> volumes =
        map ? std::set<std::string_view>{"configMap"} : std::set<std::string_view>{"secret"};
    const std::string_view reference = map ? "configMapKeyRef" : "secretKeyRef";
    const std::string_view whole = map ? "configMapRef" : "secretRef";
    const auto names = [&](const Json& value) {
      return value.is_object() && (base::Quote(StringAt(value, "name")) == quoted ||
                                   base::Quote(StringAt(value, "secretName")) == quoted);
    };
    for (const Json& volume : kube::At(pod_spec, "volumes")) {
      for (const std::string_view source : volumes)
        if (names(kube::At(volume, source))) return true;
      for (const Json& projected : kube::At(volume, "projected.sources"))
        for (const std::string_view source : volumes)
          if (names(kube::At(projected, source))) return true;
    }
    for (const char* list : {"initContainers", "containers"})
      for (const Json& container : kube::At(pod_spec, list)) {
        for (const Json& variable : kube::At(container, "env"))
          if (names(kube::At(kube::At(variable, "valueFrom"), reference))) return true;
        for (const Json& from : kube::At(container, "envFrom"))
          if (names(kube::At(from, whole))) return true;
      }
    return false;
  }

  // Pods that were told to stop, are gone, and whose workload neither rolled out nor shrank.
  void Deletions() {
    std::set<std::string> gone;
    std::vector<Change> found;
    for (const EventView& event : index_.events()) {
      if (event.reason != "Killing" || event.kind != "Pod" ||
          index_.Pod(event.ns, event.name) != nullptr ||
          !gone.insert(event.ns + "/" + event.name).second)
        continue;
      const std::string service = index_.ServiceOf(event.ns, event.kind, event.name);
      const bool explained = std::ranges::any_of(changes_, [&](const Change& change) {
        return change.service == service && change.object.starts_with("Deployment ") &&
               change.time_ns <= event.time_ns + kSecondNs;
      });
      if (explained) continue;
      found.push_back({.time_ns = event.time_ns,
                       .service = service,
                       .kind = ChangeKind::kDeletion,
                       .object = fmt::format("Pod {}/{}", event.ns, event.name),
                       .from = "running",
                       .to = "deleted"});
    }
    changes_.insert(changes_.end(), found.begin(), found.end());
  }

  const KubernetesObjects& objects_;
  const KubernetesIndex& index_;
  const Window window_;
  std::vector<Change> changes_;
};

}  // namespace

std::vector<Change> FindChanges(const KubernetesObjects& objects, const KubernetesIndex& index,
                                const Window& window) {
  return ChangeFinder(objects, index, window).Find();
}

}  // namespace enclave::incident
