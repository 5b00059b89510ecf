#include "cluster/api/machinery.h"

#include <fmt/format.h>

#include <utility>

#include "base/check.h"
#include "cluster/api/decode.h"
#include "cluster/api/trace_note.h"
#include "kube/names.h"
#include "kube/patch.h"

namespace enclave::cluster {
namespace {

using base::ErrorKind;
using kube::Json;
using kube::ObjectPtr;
using kube::StringAt;

// A generated name that is taken is drawn again this often.
constexpr int kNameTries = 8;
// Deletes of one collection that are under way at a time.
constexpr std::size_t kDeleteWindow = 64;

std::string Warning(const std::string& field) {
  return fmt::format("unknown field \"{}\"", field);
}

}  // namespace

bool Filter::Matches(const kube::Object& object) const {
  if (!ns.empty() && object.ns() != ns) return false;
  if (!labels.empty() && !labels.Matches(kube::At(object.json(), "metadata.labels"))) return false;
  return fields.empty() || fields.Matches(object.json());
}

Machinery::Machinery(Store& store, const Registry& registry, base::Clock& clock,
                     base::Random& random)
    : store_(store), registry_(registry), clock_(clock), random_(random) {
  FollowNamespaces();
  for (const ResourcePtr& resource : registry_.All()) {
    if (resource->claims != nullptr) FollowClaims(resource);
  }
}

Machinery::~Machinery() = default;

void Machinery::FollowNamespaces() {
  const auto note = [this](const kube::Object& ns) {
    namespaces_[ns.name()] = ns.deleting() ? NamespaceState::kTerminating : NamespaceState::kActive;
  };
  const kube::ObjectList list = store_.List(kube::kNamespace.GroupResource(), "");
  {
    std::lock_guard lock(namespaces_mutex_);
    for (const ObjectPtr& ns : list.items) note(*ns);
  }
  auto subscription = store_.Subscribe(kube::kNamespace.GroupResource(), list.revision,
                                       [this, note](const cluster::Change& change) {
                                         std::lock_guard lock(namespaces_mutex_);
                                         if (change.type == kube::EventType::kDeleted) {
                                           namespaces_.erase(change.object->name());
                                         } else {
                                           note(*change.object);
                                         }
                                       });
  CHECK(subscription.has_value(), "a store has the history after a list just taken");
  subscriptions_.push_back(std::move(*subscription));
}

void Machinery::FollowClaims(const ResourcePtr& resource) {
  const kube::ObjectList list = store_.List(resource->kind.GroupResource(), "");
  for (const ObjectPtr& object : list.items) resource->claims->Changed(nullptr, object.get());
  auto subscription =
      store_.Subscribe(resource->kind.GroupResource(), list.revision,
                       [claims = resource->claims](const cluster::Change& change) {
                         const bool gone = change.type == kube::EventType::kDeleted;
                         claims->Changed(gone ? change.object.get() : change.previous.get(),
                                         gone ? nullptr : change.object.get());
                       });
  CHECK(subscription.has_value(), "a store has the history after a list just taken");
  subscriptions_.push_back(std::move(*subscription));
}

void Machinery::Run(const ResourcePtr& resource, Key key, Compute compute, bool dry_run,
                    std::vector<std::string> warnings, WriteCallback done) {
  struct State {
    ResourcePtr resource;
    ObjectPtr seen;
    Compute compute;
    Attempt attempt;
    std::vector<std::string> warnings;
    std::optional<Json> claimed;
    bool unchanged = false;
    WriteCallback done;
  };
  auto state = std::make_shared<State>();
  state->resource = resource;
  state->seen = store_.Get(key);
  state->compute = std::move(compute);
  state->warnings = std::move(warnings);
  state->done = std::move(done);
  state->attempt = state->compute(state->seen);
  Attempt& attempt = state->attempt;
  const auto answer = [](State& ended, base::Result<ObjectPtr> object) {
    Attempt& final = ended.attempt;
    ended.done({std::move(object), std::move(final.details), std::move(ended.warnings),
                final.removes, ended.unchanged});
  };
  if (!attempt.write) return answer(*state, std::unexpected(attempt.write.error()));
  if (std::holds_alternative<Keep>(*attempt.write)) {
    state->unchanged = true;
    return answer(*state, state->seen);
  }
  if (dry_run) {
    Json& json = std::holds_alternative<Put>(*attempt.write)
                     ? std::get<Put>(*attempt.write).object
                     : std::get<Remove>(*attempt.write).last_state;
    if (resource->claims != nullptr && std::holds_alternative<Put>(*attempt.write)) {
      const auto claimed = resource->claims->Claim(json, state->seen.get());
      resource->claims->Abandon(json);
      if (!claimed) {
        attempt.details = {};  // kubectl shows the message only without them
        return answer(*state, std::unexpected(claimed.error()));
      }
    }
    return answer(*state, std::make_shared<const kube::Object>(std::move(json)));
  }
  store_.Apply(
      std::move(key),
      [this, state](const ObjectPtr& current) -> base::Result<Write> {
        if (current != state->seen) state->attempt = state->compute(current);
        Attempt& attempt = state->attempt;
        Put* put = attempt.write ? std::get_if<Put>(&*attempt.write) : nullptr;
        // The namespace may be going since this was computed. On this thread its end is known
        // before anybody can list what it holds, so nothing comes into it after its last list.
        if (put != nullptr && current == nullptr) {
          if (auto refused = RefuseNamespace(*state->resource, put->object)) {
            attempt = *std::move(refused);
            put = nullptr;
          }
        }
        if (put != nullptr && state->resource->claims != nullptr) {
          auto claimed = state->resource->claims->Claim(put->object, current.get());
          if (!claimed) {
            attempt.details = {};  // kubectl shows the message only without them
            return std::unexpected(std::move(claimed.error()));
          }
          state->claimed = put->object;
        }
        state->unchanged = attempt.write && std::holds_alternative<Keep>(*attempt.write);
        return std::move(attempt.write);
      },
      [state, answer](base::Result<ObjectPtr> object) {
        if (!object && state->claimed) state->resource->claims->Abandon(*state->claimed);
        answer(*state, std::move(object));
      });
}

void Machinery::Create(const ResourcePtr& resource, const std::string& ns, Json object,
                       const WriteOptions& options, WriteCallback done) {
  const auto fail = [&](base::Error error) {
    done({std::unexpected(std::move(error)),
          kube::DetailsOf(resource->kind, StringAt(object, "metadata.name"))});
  };
  auto unknown = Decode(*resource, ns, "", object);
  if (!unknown) return fail(unknown.error());
  if (!StringAt(object, "metadata.resourceVersion").empty()) {
    return fail({ErrorKind::kInvalidArgument,
                 "resourceVersion should not be set on objects to be created"});
  }
  if (!unknown->empty() && options.field_validation == FieldValidation::kStrict) {
    return fail(StrictError(*resource, *unknown));
  }
  if (resource->admit_create) {
    if (auto refused = RefuseNamespace(*resource, object)) {
      return done({std::unexpected(refused->write.error()), refused->details});
    }
    AdmissionContext context;
    context.find = [this](const kube::Kind& kind, const std::string& in, const std::string& name) {
      return store_.Get(Key{kind.GroupResource(), in, name});
    };
    {
      std::lock_guard lock(random_mutex_);
      context.suffix = kube::GenerateName("", random_);
    }
    if (auto admitted = resource->admit_create(object, context); !admitted) {
      return fail(admitted.error());
    }
  }
  std::vector<std::string> warnings;
  if (options.field_validation == FieldValidation::kWarn) {
    for (const std::string& field : *unknown) warnings.push_back(Warning(field));
  }
  CreateNamed(resource, ns, std::move(object), options, std::move(warnings), kNameTries,
              std::move(done));
}

void Machinery::CreateNamed(const ResourcePtr& resource, const std::string& ns, Json object,
                            const WriteOptions& options, std::vector<std::string> warnings,
                            int tries, WriteCallback done) {
  const std::string& generate = StringAt(object, "metadata.generateName");
  const bool generated = StringAt(object, "metadata.name").empty() && !generate.empty();
  Json named = object;
  {
    std::lock_guard lock(random_mutex_);
    if (generated) named["metadata"]["name"] = kube::GenerateName(generate, random_);
    named["metadata"]["uid"] = random_.Uuid();
  }
  Key key{resource->kind.GroupResource(), ns, StringAt(named, "metadata.name")};
  auto shared = std::make_shared<const Json>(std::move(named));
  WriteCallback finish = std::move(done);
  if (generated && tries > 1) {
    finish = [this, resource, ns, object, options, warnings, tries,
              done = std::move(finish)](WriteResult result) mutable {
      if (result.object || result.object.error().kind() != ErrorKind::kAlreadyExists) {
        return done(std::move(result));
      }
      CreateNamed(resource, ns, std::move(object), options, std::move(warnings), tries - 1,
                  std::move(done));
    };
  }
  Run(
      resource, std::move(key),
      [this, resource, shared, options](const ObjectPtr& current) {
        return ComputeCreate(*resource, *shared, options, current);
      },
      options.dry_run, std::move(warnings), std::move(finish));
}

void Machinery::Update(const ResourcePtr& resource, const std::string& ns, const std::string& name,
                       const std::string& subresource, Json body, const WriteOptions& options,
                       WriteCallback done) {
  std::vector<std::string> unknown;
  const Subresource* sub = subresource.empty() ? nullptr : resource->FindSubresource(subresource);
  const bool own_kind = sub != nullptr && !sub->kind.empty();
  if (!own_kind) {
    auto decoded = Decode(*resource, ns, name, body);
    if (!decoded) {
      return done({std::unexpected(decoded.error()), kube::DetailsOf(resource->kind, name)});
    }
    unknown = std::move(*decoded);
  }
  if (!unknown.empty() && options.field_validation == FieldValidation::kStrict) {
    return done(
        {std::unexpected(StrictError(*resource, unknown)), kube::DetailsOf(resource->kind, name)});
  }
  WriteOptions how = options;
  how.names_trace = subresource.empty() && !TraceAnnotationOf(body).empty();
  auto shared = std::make_shared<const Json>(std::move(body));
  WriteCallback finish = std::move(done);
  if (!unknown.empty() && options.field_validation == FieldValidation::kWarn) {
    finish = [unknown, done = std::move(finish)](WriteResult result) {
      for (const std::string& field : unknown) result.warnings.push_back(Warning(field));
      done(std::move(result));
    };
  }
  Change(
      resource, ns, name, subresource,
      [shared](const Json&) -> base::Result<Json> { return *shared; }, how, std::move(finish));
}

void Machinery::Patch(const ResourcePtr& resource, const std::string& ns, const std::string& name,
                      const std::string& subresource, kube::PatchType type, Json patch,
                      const WriteOptions& options, WriteCallback done) {
  WriteOptions how = options;
  how.names_trace = subresource.empty() && PatchNamesTrace(type, patch);
  auto shared = std::make_shared<const Json>(std::move(patch));
  const Subresource* sub = subresource.empty() ? nullptr : resource->FindSubresource(subresource);
  const bool own_kind = sub != nullptr && !sub->kind.empty();
  const bool strict = options.field_validation == FieldValidation::kStrict;
  // Of the last time that the edit ran, which is the one that counts.
  auto unknown = std::make_shared<std::vector<std::string>>();
  WriteCallback finish = std::move(done);
  if (options.field_validation == FieldValidation::kWarn) {
    finish = [unknown, done = std::move(finish)](WriteResult result) {
      for (const std::string& field : *unknown) result.warnings.push_back(Warning(field));
      done(std::move(result));
    };
  }
  Change(
      resource, ns, name, subresource,
      [shared, type, resource, ns, name, own_kind, strict,
       unknown](const Json& view) -> base::Result<Json> {
        base::Result<Json> patched = [&] {
          switch (type) {
            case kube::PatchType::kMerge:
              return kube::ApplyMergePatch(view, *shared);
            case kube::PatchType::kJson:
              return kube::ApplyJsonPatch(view, *shared);
            case kube::PatchType::kStrategicMerge:
              break;
          }
          return kube::ApplyStrategicMergePatch(view, *shared);
        }();
        if (!patched || own_kind) return patched;
        ASSIGN_OR_RETURN(*unknown, Decode(*resource, ns, name, *patched));
        if (strict && !unknown->empty()) return std::unexpected(StrictError(*resource, *unknown));
        return patched;
      },
      how, std::move(finish));
}

void Machinery::Change(const ResourcePtr& resource, const std::string& ns, const std::string& name,
                       const std::string& subresource, Edit edit, const WriteOptions& options,
                       WriteCallback done) {
  const Subresource* sub = nullptr;
  if (!subresource.empty()) {
    sub = resource->FindSubresource(subresource);
    if (sub == nullptr || !sub->merge) {
      return done({base::Fail(ErrorKind::kNotFound,
                              "the server could not find the requested "
                              "resource"),
                   kube::DetailsOf(resource->kind, name)});
    }
  }
  Run(
      resource, Key{resource->kind.GroupResource(), ns, name},
      [this, resource, name, sub, edit = std::move(edit), options](const ObjectPtr& current) {
        return ComputeChange(*resource, name, sub, edit, options, current);
      },
      options.dry_run, {}, std::move(done));
}

void Machinery::Delete(const ResourcePtr& resource, const std::string& ns, const std::string& name,
                       const kube::DeleteOptions& how, const WriteOptions& options,
                       WriteCallback done) {
  Run(
      resource, Key{resource->kind.GroupResource(), ns, name},
      [this, resource, name, how](const ObjectPtr& current) {
        return ComputeDelete(*resource, name, how, current);
      },
      options.dry_run, {}, std::move(done));
}

namespace {

// Deletes of one collection: at most kDeleteWindow under way, whatever thread they end on.
class CollectionDelete : public std::enable_shared_from_this<CollectionDelete> {
 public:
  using Done = std::function<void(base::Result<std::vector<ObjectPtr>>)>;
  using DeleteOne = std::function<void(const ObjectPtr&, WriteCallback)>;

  CollectionDelete(std::vector<ObjectPtr> items, DeleteOne delete_one, Done done)
      : items_(std::move(items)), delete_one_(std::move(delete_one)), done_(std::move(done)) {}

  void Pump() {
    std::unique_lock lock(mutex_);
    if (pumping_) return;
    pumping_ = true;
    while (under_way_ < kDeleteWindow && next_ < items_.size()) {
      const ObjectPtr item = items_[next_++];
      ++under_way_;
      lock.unlock();
      delete_one_(item, [self = shared_from_this()](WriteResult result) {
        self->Ended(std::move(result));
      });
      lock.lock();
    }
    pumping_ = false;
    if (under_way_ > 0 || next_ < items_.size() || done_ == nullptr) return;
    const Done done = std::exchange(done_, nullptr);
    lock.unlock();
    if (error_) return done(std::unexpected(*error_));
    done(std::move(deleted_));
  }

 private:
  void Ended(WriteResult result) {
    {
      std::lock_guard lock(mutex_);
      --under_way_;
      if (result.object) {
        deleted_.push_back(*result.object);
      } else if (result.object.error().kind() != ErrorKind::kNotFound && !error_) {
        error_ = result.object.error();
      }
    }
    Pump();
  }

  const std::vector<ObjectPtr> items_;
  const DeleteOne delete_one_;
  std::mutex mutex_;
  Done done_;
  std::size_t next_ = 0;
  std::size_t under_way_ = 0;
  bool pumping_ = false;
  std::vector<ObjectPtr> deleted_;
  std::optional<base::Error> error_;
};

}  // namespace

void Machinery::DeleteCollection(const ResourcePtr& resource, const Filter& filter,
                                 const kube::DeleteOptions& how, const WriteOptions& options,
                                 std::function<void(base::Result<std::vector<ObjectPtr>>)> done) {
  auto page = List(*resource, filter);
  if (!page) return done(std::unexpected(page.error()));
  auto one = [this, resource, how, options](const ObjectPtr& item, WriteCallback ended) {
    Delete(resource, item->ns(), item->name(), how, options, std::move(ended));
  };
  std::make_shared<CollectionDelete>(std::move(page->items), std::move(one), std::move(done))
      ->Pump();
}

base::Result<ObjectPtr> Machinery::Get(const Resource& resource, const std::string& ns,
                                       const std::string& name) const {
  ObjectPtr object = store_.Get(Key{resource.kind.GroupResource(), ns, name});
  if (object == nullptr) return base::Fail(kube::NotFoundError(resource.kind, name));
  return object;
}

}  // namespace enclave::cluster
