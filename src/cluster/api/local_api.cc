#include "cluster/api/local_api.h"

#include <fmt/format.h>

#include <atomic>
#include <future>

#include "cluster/api/trace_note.h"

namespace enclave::cluster {
namespace {

using base::ErrorKind;
using base::Fail;
using kube::ObjectPtr;
using kube::WatchEvent;

// Between the store's thread, which delivers, and the executor, which consumes.
struct Stream {
  std::atomic<bool> alive = true;
  std::atomic<std::size_t> pending = 0;
  bool cut = false;  // of the store's thread
  std::function<void(const WatchEvent&)> on_event;
};

class LocalWatch final : public kube::WatchHandle {
 public:
  LocalWatch(std::shared_ptr<Stream> stream, std::unique_ptr<Subscription> subscription)
      : stream_(std::move(stream)), subscription_(std::move(subscription)) {}
  ~LocalWatch() override {
    stream_->alive = false;
    subscription_.reset();
  }

 private:
  std::shared_ptr<Stream> stream_;
  std::unique_ptr<Subscription> subscription_;
};

void Deliver(const std::shared_ptr<Stream>& stream, base::Executor& executor, WatchEvent event) {
  if (stream->cut) return;
  if (stream->pending.fetch_add(1) >= LocalApi::kMaxPending) {
    stream->cut = true;
    event = {.type = kube::EventType::kError,
             .error = base::Error(ErrorKind::kExpired, "the watcher fell too far behind")};
  }
  executor.Post([stream, event = std::move(event)] {
    stream->pending.fetch_sub(1);
    if (stream->alive) stream->on_event(event);
  });
}

}  // namespace

LocalApi::LocalApi(Machinery& machinery, std::string user, AuditLog* audit)
    : machinery_(machinery),
      user_{.name = std::move(user), .groups = {"system:masters"}},
      audit_(audit) {}

base::Result<ObjectPtr> LocalApi::Write(const char* verb, const kube::Kind& kind, std::string ns,
                                        std::string name, std::string subresource,
                                        const std::function<void(WriteCallback)>& start) {
  const base::WallTime received_at = machinery_.clock().WallNow();
  const base::MonoTime began = machinery_.clock().Now();
  auto promise = std::make_shared<std::promise<WriteResult>>();
  auto future = promise->get_future();
  start([promise](WriteResult written) { promise->set_value(std::move(written)); });
  WriteResult written = future.get();
  base::Result<ObjectPtr>& result = written.object;
  if (audit_ == nullptr || written.unchanged) return std::move(result);
  const int success = std::string_view(verb) == "create" ? 201 : 200;
  if (result) name = (*result)->name();
  AuditEntry entry;
  entry.received_at = received_at;
  entry.latency = machinery_.clock().Now() - began;
  entry.verb = verb;
  entry.resource = kind.GroupResource();
  entry.ns = std::move(ns);
  entry.name = std::move(name);
  entry.subresource = std::move(subresource);
  entry.who = user_;
  entry.source = "in-process";
  entry.code = result ? success : kube::HttpStatusOf(result.error().kind());
  if (result) {
    entry.uid = (*result)->uid();
    entry.trace_id = TraceAnnotationOf((*result)->json());
  }
  audit_->Record(entry);
  return std::move(result);
}

base::Result<ResourcePtr> LocalApi::Find(const kube::Kind& kind) const {
  ResourcePtr resource = machinery_.registry().Find(kind);
  if (resource == nullptr) {
    return Fail(ErrorKind::kNotFound,
                fmt::format("the server does not serve {}", kind.GroupResource()));
  }
  return resource;
}

WriteOptions LocalApi::Options() const {
  return {.who = user_, .field_validation = FieldValidation::kIgnore};
}

base::Result<ObjectPtr> LocalApi::Get(const kube::Kind& kind, const std::string& ns,
                                      const std::string& name) {
  ASSIGN_OR_RETURN(const ResourcePtr resource, Find(kind));
  return machinery_.Get(*resource, ns, name);
}

base::Result<kube::ObjectList> LocalApi::List(const kube::Kind& kind,
                                              const kube::ListOptions& options) {
  ASSIGN_OR_RETURN(const ResourcePtr resource, Find(kind));
  ASSIGN_OR_RETURN(Page page,
                   machinery_.List(*resource, {options.ns, options.labels, options.fields}));
  return kube::ObjectList{std::move(page.items), page.revision};
}

base::Result<ObjectPtr> LocalApi::Create(const kube::Kind& kind, const std::string& ns,
                                         kube::Json object) {
  ASSIGN_OR_RETURN(const ResourcePtr resource, Find(kind));
  std::string name = kube::StringAt(object, "metadata.name");
  if (name.empty()) name = kube::StringAt(object, "metadata.generateName");
  return Write("create", kind, ns, name, "", [&](WriteCallback done) {
    machinery_.Create(resource, ns, std::move(object), Options(), std::move(done));
  });
}

base::Result<ObjectPtr> LocalApi::Update(const kube::Kind& kind, kube::Json object,
                                         const std::string& subresource) {
  ASSIGN_OR_RETURN(const ResourcePtr resource, Find(kind));
  const std::string ns = kube::StringAt(object, "metadata.namespace");
  const std::string name = kube::StringAt(object, "metadata.name");
  return Write("update", kind, ns, name, subresource, [&](WriteCallback done) {
    machinery_.Update(resource, ns, name, subresource, std::move(object), Options(),
                      std::move(done));
  });
}

base::Result<ObjectPtr> LocalApi::Patch(const kube::Kind& kind, const std::string& ns,
                                        const std::string& name, kube::PatchType type,
                                        const kube::Json& patch, const std::string& subresource) {
  ASSIGN_OR_RETURN(const ResourcePtr resource, Find(kind));
  return Write("patch", kind, ns, name, subresource, [&](WriteCallback done) {
    machinery_.Patch(resource, ns, name, subresource, type, patch, Options(), std::move(done));
  });
}

base::Result<ObjectPtr> LocalApi::Delete(const kube::Kind& kind, const std::string& ns,
                                         const std::string& name,
                                         const kube::DeleteOptions& options) {
  ASSIGN_OR_RETURN(const ResourcePtr resource, Find(kind));
  return Write("delete", kind, ns, name, "", [&](WriteCallback done) {
    machinery_.Delete(resource, ns, name, options, Options(), std::move(done));
  });
}

base::Result<std::unique_ptr<kube::WatchHandle>> LocalApi::Watch(
    const kube::Kind& kind, const kube::ListOptions& options, kube::Revision from,
    base::Executor& executor, std::function<void(const WatchEvent&)> on_event) {
  ASSIGN_OR_RETURN(const ResourcePtr resource, Find(kind));
  auto stream = std::make_shared<Stream>();
  stream->on_event = std::move(on_event);
  ASSIGN_OR_RETURN(auto subscription,
                   machinery_.Watch(*resource, {options.ns, options.labels, options.fields}, from,
                                    [stream, &executor](const WatchEvent& event) {
                                      Deliver(stream, executor, event);
                                    }));
  return std::make_unique<LocalWatch>(std::move(stream), std::move(subscription));
}

}  // namespace enclave::cluster
