#include "kube/fake_api.h"

#include <algorithm>
#include <utility>

#include "kube/names.h"
#include "kube/patch.h"
#include "kube/status.h"
#include "kube/time.h"

namespace enclave::kube {
namespace {

using base::Error;
using base::ErrorKind;
using base::Fail;

bool Selects(const ListOptions& options, const Object& object) {
  return (options.ns.empty() || options.ns == object.ns()) &&
         options.labels.Matches(At(object.json(), "metadata.labels")) &&
         options.fields.Matches(object.json());
}

void CopyField(Json& to, const Json& from, const char* field) {
  if (from.contains(field)) {
    to[field] = from[field];
  } else {
    to.erase(field);
  }
}

bool WaitsForNothing(const Json& object) {
  const Json& finalizers = At(object, "metadata.finalizers");
  const Json& spec_finalizers = At(object, "spec.finalizers");
  return At(object, "metadata.deletionTimestamp").is_string() &&
         IntAt(object, "metadata.deletionGracePeriodSeconds") == 0 &&
         (!finalizers.is_array() || finalizers.empty()) &&
         (!spec_finalizers.is_array() || spec_finalizers.empty());
}

}  // namespace

struct FakeApi::Watcher {
  std::string resource;
  ListOptions options;
  base::Executor& executor;
  std::function<void(const WatchEvent&)> on_event;
  bool over = false;
};

struct FakeApi::Handle final : WatchHandle {
  explicit Handle(std::shared_ptr<Watcher> watcher) : watcher(std::move(watcher)) {}
  ~Handle() override { watcher->over = true; }
  std::shared_ptr<Watcher> watcher;
};

FakeApi::FakeApi(base::Executor& executor, base::Random& random)
    : executor_(executor), random_(random) {}

FakeApi::~FakeApi() = default;

std::optional<Error> FakeApi::Ask(const Call& call) {
  if (!call.done) calls_.push_back(call);
  return fault_ ? fault_(call) : std::nullopt;
}

base::Result<ObjectPtr> FakeApi::Answer(Call call, base::Result<ObjectPtr> result) {
  call.done = true;
  if (result) {
    if (auto error = Ask(call)) return Fail(*error);
  }
  return result;
}

base::Result<ObjectPtr> FakeApi::Get(const Kind& kind, const std::string& ns,
                                     const std::string& name) {
  if (auto error = Ask({"get", kind.GroupResource(), ns, name, false})) return Fail(*error);
  const auto found = objects_.find({kind.GroupResource(), ns, name});
  if (found == objects_.end()) return Fail(NotFoundError(kind, name));
  return found->second;
}

base::Result<ObjectList> FakeApi::List(const Kind& kind, const ListOptions& options) {
  const std::string resource = kind.GroupResource();
  if (auto error = Ask({"list", resource, options.ns, "", false})) return Fail(*error);
  ObjectList list;
  list.revision = revision();
  for (auto at = objects_.lower_bound({resource, "", ""});
       at != objects_.end() && std::get<0>(at->first) == resource; ++at) {
    if (Selects(options, *at->second)) list.items.push_back(at->second);
  }
  return list;
}

base::Result<ObjectPtr> FakeApi::Create(const Kind& kind, const std::string& ns, Json object) {
  if (!object.is_object() || !object["metadata"].is_object()) {
    return Fail(ErrorKind::kInvalidArgument, "an object needs metadata");
  }
  Json& metadata = object["metadata"];
  if (StringAt(metadata, "name").empty()) {
    metadata["name"] = GenerateName(StringAt(metadata, "generateName"), random_);
  }
  const std::string name = StringAt(metadata, "name");
  Call call{"create", kind.GroupResource(), ns, name, false};
  if (auto error = Ask(call)) return Fail(*error);
  const Key key{kind.GroupResource(), kind.namespaced ? ns : "", name};
  if (objects_.contains(key)) return Fail(AlreadyExistsError(kind, name));
  object["kind"] = kind.kind;
  object["apiVersion"] = kind.ApiVersion();
  if (kind.namespaced) metadata["namespace"] = ns;
  metadata["uid"] = random_.Uuid();
  metadata["creationTimestamp"] = FormatTime(executor_.WallNow());
  if (object.contains("spec")) metadata["generation"] = 1;
  return Answer(std::move(call), Commit(key, std::move(object)));
}

base::Result<ObjectPtr> FakeApi::Write(const Kind& kind, const ObjectPtr& old, Json object,
                                       const std::string& subresource) {
  if (!object.is_object() || !object["metadata"].is_object()) {
    return Fail(ErrorKind::kInvalidArgument, "an object needs metadata");
  }
  const std::string& version = StringAt(object, "metadata.resourceVersion");
  if (!version.empty() && version != StringAt(old->json(), "metadata.resourceVersion")) {
    return Fail(ConflictError(kind, old->name()));
  }
  const std::string& uid = StringAt(object, "metadata.uid");
  if (!uid.empty() && uid != old->uid()) return Fail(ConflictError(kind, old->name()));
  Json next = std::move(object);
  if (subresource == "status") {
    Json whole = old->json();
    CopyField(whole, next, "status");
    next = std::move(whole);
  } else {
    CopyField(next, old->json(), "status");
  }
  Json& metadata = next["metadata"];
  const Json& old_metadata = old->json()["metadata"];
  for (const char* kept : {"name", "namespace", "uid", "creationTimestamp", "resourceVersion",
                           "generation", "deletionTimestamp", "deletionGracePeriodSeconds"}) {
    CopyField(metadata, old_metadata, kept);
  }
  next["kind"] = kind.kind;
  next["apiVersion"] = kind.ApiVersion();
  const Key key{kind.GroupResource(), old->ns(), old->name()};
  if (WaitsForNothing(next)) return Erase(key, std::move(next));
  if (next == old->json()) return old;
  if (At(next, "spec") != At(old->json(), "spec")) {
    metadata["generation"] = IntAt(old->json(), "metadata.generation") + 1;
  }
  return Commit(key, std::move(next));
}

base::Result<ObjectPtr> FakeApi::Update(const Kind& kind, Json object,
                                        const std::string& subresource) {
  const std::string ns = kind.namespaced ? StringAt(object, "metadata.namespace") : "";
  const std::string name = StringAt(object, "metadata.name");
  Call call{"update", kind.GroupResource(), ns, name, false};
  if (auto error = Ask(call)) return Fail(*error);
  const auto found = objects_.find({kind.GroupResource(), ns, name});
  if (found == objects_.end()) return Fail(NotFoundError(kind, name));
  const ObjectPtr old = found->second;
  return Answer(std::move(call), Write(kind, old, std::move(object), subresource));
}

base::Result<ObjectPtr> FakeApi::Patch(const Kind& kind, const std::string& ns,
                                       const std::string& name, PatchType type, const Json& patch,
                                       const std::string& subresource) {
  Call call{"patch", kind.GroupResource(), ns, name, false};
  if (auto error = Ask(call)) return Fail(*error);
  const auto found = objects_.find({kind.GroupResource(), kind.namespaced ? ns : "", name});
  if (found == objects_.end()) return Fail(NotFoundError(kind, name));
  const ObjectPtr old = found->second;
  auto patched = type == PatchType::kMerge  ? ApplyMergePatch(old->json(), patch)
                 : type == PatchType::kJson ? ApplyJsonPatch(old->json(), patch)
                                            : ApplyStrategicMergePatch(old->json(), patch);
  if (!patched) return Fail(patched.error());
  return Answer(std::move(call), Write(kind, old, std::move(*patched), subresource));
}

base::Result<ObjectPtr> FakeApi::Delete(const Kind& kind, const std::string& ns,
                                        const std::string& name, const DeleteOptions& options) {
  Call call{"delete", kind.GroupResource(), ns, name, false};
  if (auto error = Ask(call)) return Fail(*error);
  const Key key{kind.GroupResource(), kind.namespaced ? ns : "", name};
  const auto found = objects_.find(key);
  if (found == objects_.end()) return Fail(NotFoundError(kind, name));
  const ObjectPtr old = found->second;
  if ((!options.uid.empty() && options.uid != old->uid()) ||
      (options.revision != Revision::kNone && options.revision != old->revision())) {
    return Fail(ConflictError(kind, name));
  }
  Json next = old->json();
  Json& metadata = next["metadata"];
  const std::int64_t grace = options.grace_period_seconds.value_or(
      kind.kind == kPod.kind && !StringAt(next, "spec.nodeName").empty()
          ? IntAt(next, "spec.terminationGracePeriodSeconds", 30)
          : 0);
  if (!old->deleting()) {
    metadata["deletionTimestamp"] = FormatTime(executor_.WallNow() + std::chrono::seconds(grace));
    metadata["deletionGracePeriodSeconds"] = grace;
    const std::string finalizer = options.propagation == "Foreground" ? "foregroundDeletion"
                                  : options.propagation == "Orphan"   ? "orphan"
                                                                      : "";
    if (!finalizer.empty()) metadata["finalizers"].push_back(finalizer);
  } else if (grace < IntAt(metadata, "deletionGracePeriodSeconds")) {
    metadata["deletionGracePeriodSeconds"] = grace;
  }
  if (WaitsForNothing(next)) return Answer(std::move(call), Erase(key, std::move(next)));
  if (next == old->json()) return Answer(std::move(call), old);
  return Answer(std::move(call), Commit(key, std::move(next)));
}

base::Result<std::unique_ptr<WatchHandle>> FakeApi::Watch(
    const Kind& kind, const ListOptions& options, Revision from, base::Executor& executor,
    std::function<void(const WatchEvent&)> on_event) {
  const std::string resource = kind.GroupResource();
  if (auto error = Ask({"watch", resource, options.ns, "", false})) return Fail(*error);
  if (static_cast<std::uint64_t>(from) < forgotten_) {
    return Fail(ErrorKind::kExpired, "too old resource version");
  }
  auto watcher =
      std::make_shared<Watcher>(Watcher{resource, options, executor, std::move(on_event)});
  for (const Happening& happening : history_) {
    if (happening.revision <= from) continue;
    if (auto event = Seen(*watcher, happening)) Send(watcher, std::move(*event));
  }
  std::erase_if(watchers_, [](const auto& weak) { return weak.expired(); });
  watchers_.push_back(watcher);
  return std::make_unique<Handle>(std::move(watcher));
}

ObjectPtr FakeApi::Commit(const Key& key, Json object) {
  object["metadata"]["resourceVersion"] = std::to_string(++revision_);
  const auto after = std::make_shared<const Object>(std::move(object));
  ObjectPtr before = std::exchange(objects_[key], after);
  const EventType type = before == nullptr ? EventType::kAdded : EventType::kModified;
  Publish({std::get<0>(key), type, std::move(before), after, revision()});
  return after;
}

ObjectPtr FakeApi::Erase(const Key& key, Json last) {
  last["metadata"]["resourceVersion"] = std::to_string(++revision_);
  const auto after = std::make_shared<const Object>(std::move(last));
  ObjectPtr before = objects_.extract(key).mapped();
  Publish({std::get<0>(key), EventType::kDeleted, std::move(before), after, revision()});
  return after;
}

void FakeApi::Publish(Happening happening) {
  for (const auto& weak : watchers_) {
    const auto watcher = weak.lock();
    if (watcher == nullptr || watcher->over) continue;
    if (auto event = Seen(*watcher, happening)) Send(watcher, std::move(*event));
  }
  history_.push_back(std::move(happening));
}

// What a watcher with a selector sees of a happening: an object that enters its selection is added,
// one that leaves it is deleted.
std::optional<WatchEvent> FakeApi::Seen(const Watcher& watcher, const Happening& happening) {
  if (watcher.resource != happening.resource) return std::nullopt;
  const bool before = happening.before != nullptr && Selects(watcher.options, *happening.before);
  const bool after =
      happening.type != EventType::kDeleted && Selects(watcher.options, *happening.after);
  if (!before && !after) return std::nullopt;
  const EventType type = !before  ? EventType::kAdded
                         : !after ? EventType::kDeleted
                                  : EventType::kModified;
  return WatchEvent{type, happening.after, happening.revision, std::nullopt};
}

void FakeApi::Send(const std::shared_ptr<Watcher>& watcher, WatchEvent event) {
  watcher->executor.After(watch_delay_, [watcher, event = std::move(event)] {
    if (watcher->over) return;
    if (event.type == EventType::kError) watcher->over = true;
    watcher->on_event(event);
  });
}

void FakeApi::BreakWatches(const Error& error) {
  for (const auto& weak : watchers_) {
    if (const auto watcher = weak.lock()) {
      Send(watcher, {EventType::kError, nullptr, Revision::kNone, error});
    }
  }
  watchers_.clear();
}

void FakeApi::ForgetHistory() {
  history_.clear();
  forgotten_ = revision_;
}

std::size_t FakeApi::watches() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(watchers_, [](const auto& weak) { return !weak.expired(); }));
}

}  // namespace enclave::kube
