#include "kube/informer.h"

#include <deque>
#include <limits>
#include <optional>
#include <utility>

#include "base/log.h"
#include "base/retry.h"
#include "kube/object_cache.h"

namespace enclave::kube {
namespace {

constexpr base::RetryPolicy kReflectorRetry{
    .base_delay = std::chrono::milliseconds(200),
    .factor = 2.0,
    .max_delay = std::chrono::seconds(30),
    .jitter = 0.5,
    .max_attempts = std::numeric_limits<int>::max(),
};
// A watch that lived this long ended in peace: the next one starts at once.
constexpr base::Duration kHealthyWatch = std::chrono::seconds(5);

// One cache and the reflector that feeds it.
//
//   state     | list ok        | list failed     | event  | watch over        | kExpired
//   listing   | -> watching    | -> back-off     |        |                   |
//   watching  |                |                 | apply  | -> back-off       | -> listing
//   back-off  | what was to be done is done after the delay
class Reflector final : public Informer, public std::enable_shared_from_this<Reflector> {
 public:
  Reflector(Api& api, base::Executor& executor, base::Random& random, const Kind& kind,
            ListOptions options, std::function<void()> on_synced)
      : api_(api),
        executor_(executor),
        random_(random),
        kind_(kind),
        options_(std::move(options)),
        on_synced_(std::move(on_synced)) {}

  void Start() { Soon(&Reflector::ListAll); }

  const Kind& kind() const { return kind_; }

  void OnChange(Handler handler) override {
    const Handler& kept = handlers_.emplace_back(std::move(handler));
    for (const ObjectPtr& object : cache_.List("")) kept(nullptr, object);
  }
  bool synced() const override { return synced_; }
  ObjectPtr Get(const std::string& ns, const std::string& name) const override {
    return cache_.Get(ns, name);
  }
  std::vector<ObjectPtr> List(const std::string& ns) const override { return cache_.List(ns); }
  std::vector<ObjectPtr> OwnedBy(const std::string& uid) const override {
    return cache_.OwnedBy(uid);
  }

  // What a write or a fresh read gave.
  void Learn(const ObjectPtr& object, bool gone) {
    if (!options_.ns.empty() && options_.ns != object->ns()) return;
    const bool selected = options_.labels.Matches(At(object->json(), "metadata.labels")) &&
                          options_.fields.Matches(object->json());
    Notify(gone || !selected ? cache_.Remove(*object, object->revision()) : cache_.Put(object));
  }

 private:
  void Soon(void (Reflector::*step)()) {
    executor_.Post([weak = weak_from_this(), step] {
      if (const auto self = weak.lock()) ((*self).*step)();
    });
  }

  void Later(void (Reflector::*step)()) {
    ++attempt_;
    const auto delay = base::RetryDelay(kReflectorRetry, attempt_, random_);
    executor_.After(delay.value_or(kReflectorRetry.max_delay), [weak = weak_from_this(), step] {
      if (const auto self = weak.lock()) ((*self).*step)();
    });
  }

  void ListAll() {
    const auto list = api_.List(kind_, options_);
    if (!list) {
      LogTrouble("list failed", list.error());
      Later(&Reflector::ListAll);
      return;
    }
    revision_ = list->revision;
    Notify(cache_.Replace(*list));
    if (!std::exchange(synced_, true)) on_synced_();
    Watch();
  }

  void Watch() {
    const std::uint64_t generation = ++generation_;
    watch_started_ = executor_.Now();
    auto handle = api_.Watch(kind_, options_, revision_, executor_,
                             [weak = weak_from_this(), generation](const WatchEvent& event) {
                               const auto self = weak.lock();
                               if (self && self->generation_ == generation) self->OnEvent(event);
                             });
    if (handle) {
      handle_ = std::move(*handle);
    } else {
      WatchEnded(handle.error());
    }
  }

  void OnEvent(const WatchEvent& event) {
    if (event.type == EventType::kError) {
      const base::Error unknown(base::ErrorKind::kUnavailable, "the watch ended without a reason");
      WatchEnded(event.error.value_or(unknown));
      return;
    }
    Revision revision = event.revision;
    if (revision == Revision::kNone && event.object != nullptr) {
      revision = event.object->revision();
    }
    revision_ = std::max(revision_, revision);
    attempt_ = 0;
    if (event.object == nullptr || event.type == EventType::kBookmark) return;
    Notify(event.type == EventType::kDeleted ? cache_.Remove(*event.object, revision)
                                             : cache_.Put(event.object));
  }

  void WatchEnded(const base::Error& error) {
    ++generation_;  // nothing more from this watch
    if (handle_ != nullptr) {
      // The handle owns the callback that may be running now.
      executor_.Post([handle = std::shared_ptr<WatchHandle>(std::move(handle_))] {});
    }
    const bool healthy = executor_.Now() - watch_started_ >= kHealthyWatch;
    if (healthy) attempt_ = 0;
    const auto next =
        error.kind() == base::ErrorKind::kExpired ? &Reflector::ListAll : &Reflector::Watch;
    if (!healthy && error.kind() != base::ErrorKind::kExpired) LogTrouble("watch ended", error);
    if (healthy || (error.kind() == base::ErrorKind::kExpired && attempt_ == 0)) {
      attempt_ = healthy ? 0 : 1;
      Soon(next);
    } else {
      Later(next);
    }
  }

  void LogTrouble(std::string_view what, const base::Error& error) {
    base::LogWarning("informer", what,
                     {{"kind", kind_.GroupResource()}, {"error", error.ToString()}});
  }

  // A handler may write and so cause further changes: they wait until it is done, so that every
  // handler sees all changes in order.
  void Notify(std::vector<ObjectCache::Change> changes) {
    for (ObjectCache::Change& change : changes) {
      pending_.push_back({std::move(change), handlers_.size()});
    }
    if (std::exchange(notifying_, true)) return;
    while (!pending_.empty()) {
      const auto [change, handlers] = std::move(pending_.front());
      pending_.pop_front();
      for (std::size_t i = 0; i < handlers; ++i) {
        handlers_[i](change.before, change.after);
      }
    }
    notifying_ = false;
  }

  struct Pending {
    ObjectCache::Change change;
    std::size_t handlers;  // those added later saw it in the cache
  };

  Api& api_;
  base::Executor& executor_;
  base::Random& random_;
  const Kind kind_;
  const ListOptions options_;
  const std::function<void()> on_synced_;
  ObjectCache cache_;
  std::deque<Handler> handlers_;  // called where they are: a handler may add one, and has a state
  std::deque<Pending> pending_;
  bool notifying_ = false;
  bool synced_ = false;
  Revision revision_ = Revision::kNone;
  int attempt_ = 0;  // failures in a row
  std::uint64_t generation_ = 0;
  base::MonoTime watch_started_{};
  std::unique_ptr<WatchHandle> handle_;
};

}  // namespace

struct SharedInformers::Impl final : Api {
  Impl(Api& api, base::Executor& executor, base::Random& random)
      : api(api), executor(executor), random(random) {}

  bool AllSynced() const {
    for (const auto& [key, reflector] : reflectors) {
      if (!reflector->synced()) return false;
    }
    return true;
  }

  void Synced() {
    if (!AllSynced()) return;
    for (std::size_t i = 0; i < on_all_synced.size(); ++i) {
      const auto handler = on_all_synced[i];
      handler();
    }
  }

  void Learn(const Kind& kind, const ObjectPtr& object, bool gone) {
    for (const auto& [key, reflector] : reflectors) {
      if (reflector->kind().GroupResource() == kind.GroupResource()) {
        reflector->Learn(object, gone);
      }
    }
  }

  base::Result<ObjectPtr> Learned(const Kind& kind, const std::string& ns, const std::string& name,
                                  base::Result<ObjectPtr> written) {
    if (written) {
      Learn(kind, *written, false);
    } else if ((written.error().kind() == base::ErrorKind::kConflict ||
                written.error().kind() == base::ErrorKind::kAlreadyExists) &&
               !name.empty()) {
      if (const auto present = api.Get(kind, ns, name)) Learn(kind, *present, false);
    }
    return written;
  }

  base::Result<ObjectPtr> Get(const Kind& kind, const std::string& ns,
                              const std::string& name) override {
    return api.Get(kind, ns, name);
  }
  base::Result<ObjectList> List(const Kind& kind, const ListOptions& options) override {
    return api.List(kind, options);
  }
  base::Result<ObjectPtr> Create(const Kind& kind, const std::string& ns, Json object) override {
    const std::string name = StringAt(object, "metadata.name");
    return Learned(kind, ns, name, api.Create(kind, ns, std::move(object)));
  }
  base::Result<ObjectPtr> Update(const Kind& kind, Json object,
                                 const std::string& subresource) override {
    const std::string ns = StringAt(object, "metadata.namespace");
    const std::string name = StringAt(object, "metadata.name");
    return Learned(kind, ns, name, api.Update(kind, std::move(object), subresource));
  }
  base::Result<ObjectPtr> Patch(const Kind& kind, const std::string& ns, const std::string& name,
                                PatchType type, const Json& patch,
                                const std::string& subresource) override {
    return Learned(kind, ns, name, api.Patch(kind, ns, name, type, patch, subresource));
  }
  base::Result<ObjectPtr> Delete(const Kind& kind, const std::string& ns, const std::string& name,
                                 const DeleteOptions& options) override {
    auto deleted = api.Delete(kind, ns, name, options);
    // What survives a delete is marked. What is marked may be gone all the same: the watch tells.
    if (deleted && !(*deleted)->deleting()) {
      Learn(kind, *deleted, true);
      return deleted;
    }
    return Learned(kind, ns, name, std::move(deleted));
  }
  base::Result<std::unique_ptr<WatchHandle>> Watch(
      const Kind& kind, const ListOptions& options, Revision from, base::Executor& on,
      std::function<void(const WatchEvent&)> on_event) override {
    return api.Watch(kind, options, from, on, std::move(on_event));
  }

  Api& api;
  base::Executor& executor;
  base::Random& random;
  std::map<std::string, std::shared_ptr<Reflector>> reflectors;
  std::vector<std::function<void()>> on_all_synced;
};

SharedInformers::SharedInformers(Api& api, base::Executor& executor, base::Random& random)
    : impl_(std::make_unique<Impl>(api, executor, random)) {}

SharedInformers::~SharedInformers() = default;

Informer& SharedInformers::For(const Kind& kind, const ListOptions& options) {
  std::string key = kind.ApiVersion();
  for (const std::string& part :
       {kind.plural, options.ns, options.labels.ToString(), options.fields.ToString()}) {
    key += '\n';
    key += part;
  }
  auto& reflector = impl_->reflectors[key];
  if (reflector == nullptr) {
    Impl* impl = impl_.get();  // outlives the reflector
    reflector = std::make_shared<Reflector>(impl->api, impl->executor, impl->random, kind, options,
                                            [impl] { impl->Synced(); });
    reflector->Start();
  }
  return *reflector;
}

bool SharedInformers::AllSynced() const {
  return impl_->AllSynced();
}

void SharedInformers::OnAllSynced(std::function<void()> handler) {
  impl_->on_all_synced.push_back(std::move(handler));
}

Api& SharedInformers::api() {
  return *impl_;
}

base::Executor& SharedInformers::executor() {
  return impl_->executor;
}

base::Random& SharedInformers::random() {
  return impl_->random;
}

}  // namespace enclave::kube
