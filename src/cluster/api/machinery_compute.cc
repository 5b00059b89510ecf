// The rules of writes: from an object and a wish to the object that is to be.
#include <fmt/format.h>

#include "cluster/api/machinery.h"
#include "cluster/api/object_meta.h"
#include "cluster/api/schema.h"
#include "cluster/api/trace_note.h"
#include "kube/time.h"

namespace enclave::cluster {
namespace {

using base::ErrorKind;
using base::Fail;
using kube::At;
using kube::Json;
using kube::ObjectPtr;
using kube::StringAt;

// A Status about an invalid object names its kind, and each fault as a cause. (kubectl shows the
// message only when neither is there.)
kube::StatusDetails InvalidDetails(const kube::Kind& kind, const std::string& name,
                                   const FieldErrors& errors) {
  return {.name = name, .group = kind.group, .kind = kind.kind, .causes = errors.Causes()};
}

base::Error PreconditionError(const kube::Kind& kind, const std::string& name,
                              const std::string& what, const std::string& wanted,
                              const std::string& found) {
  return {ErrorKind::kConflict,
          fmt::format("Operation cannot be fulfilled on {} \"{}\": Precondition failed: {} in "
                      "precondition: {}, {} in object meta: {}",
                      kind.GroupResource(), name, what, wanted, what, found)};
}

TraceNote TraceNoteOf(const WriteOptions& options) {
  return {.trace_id = options.trace_id,
          .of_client = options.of_client,
          .named = options.names_trace,
          .dry_run = options.dry_run};
}

}  // namespace

std::optional<Machinery::Attempt> Machinery::RefuseNamespace(const Resource& resource,
                                                             const Json& object) const {
  if (!resource.kind.namespaced) return std::nullopt;
  const std::string& ns = StringAt(object, "metadata.namespace");
  const std::string& name = StringAt(object, "metadata.name");
  std::lock_guard lock(namespaces_mutex_);
  const auto found = namespaces_.find(ns);
  if (found == namespaces_.end()) {
    return Attempt{.write = Fail(kube::NotFoundError(kube::kNamespace, ns)),
                   .details = kube::DetailsOf(kube::kNamespace, ns)};
  }
  if (found->second == NamespaceState::kActive) return std::nullopt;
  Attempt refused{
      .write = Fail(ErrorKind::kPermissionDenied,
                    fmt::format("{} \"{}\" is forbidden: unable to create new content in namespace "
                                "{} because it is being terminated",
                                resource.kind.GroupResource(), name, ns)),
      .details = kube::DetailsOf(resource.kind, name)};
  refused.details.causes =
      Json::array({{{"reason", "NamespaceTerminating"},
                    {"message", fmt::format("namespace {} is being terminated", ns)},
                    {"field", "metadata.namespace"}}});
  return refused;
}

Machinery::Attempt Machinery::ComputeCreate(const Resource& resource, const Json& object,
                                            const WriteOptions& options,
                                            const ObjectPtr& current) const {
  const std::string& name = StringAt(object, "metadata.name");
  Attempt attempt{.details = kube::DetailsOf(resource.kind, name)};
  if (auto refused = RefuseNamespace(resource, object)) return *std::move(refused);
  if (current != nullptr) {
    base::Error error = kube::AlreadyExistsError(resource.kind, name);
    attempt.write = Fail(current->deleting() ? error.While("object is being deleted") : error);
    return attempt;
  }
  const WriteContext context{clock_.WallNow(), options.who};
  Json fresh = object;
  StampNew(resource, fresh, StringAt(object, "metadata.uid"), context.now);
  if (resource.has_status && !resource.creates_status) fresh.erase("status");
  if (resource.set_defaults) resource.set_defaults(fresh);
  if (resource.prepare_create) resource.prepare_create(fresh, context);
  NoteTraceOfNew(fresh, TraceNoteOf(options));
  FieldErrors errors;
  ValidateMetadata(resource, fresh, errors);
  if (resource.validate) resource.validate(fresh, errors);
  if (!errors.empty()) {
    attempt.write = Fail(errors.ToError(resource.kind, name));
    attempt.details = InvalidDetails(resource.kind, name, errors);
    return attempt;
  }
  attempt.write = Write(Put{std::move(fresh)});
  return attempt;
}

Machinery::Attempt Machinery::ComputeChange(const Resource& resource, const std::string& name,
                                            const Subresource* subresource, const Edit& edit,
                                            const WriteOptions& options,
                                            const ObjectPtr& current) const {
  Attempt attempt{.details = kube::DetailsOf(resource.kind, name)};
  const auto fail = [&attempt](base::Error error) {
    attempt.write = Fail(std::move(error));
    return attempt;
  };
  if (current == nullptr) return fail(kube::NotFoundError(resource.kind, name));
  const Json& old = current->json();
  const bool has_view = subresource != nullptr && subresource->view;
  auto body = has_view ? edit(subresource->view(old)) : edit(old);
  if (!body) {
    if (body.error().kind() == ErrorKind::kUnprocessable) attempt.details = {};
    return fail(body.error());
  }

  const std::string& version = StringAt(*body, "metadata.resourceVersion");
  if (!version.empty() && version != StringAt(old, "metadata.resourceVersion")) {
    return fail(kube::ConflictError(resource.kind, name));
  }
  const std::string& uid = StringAt(*body, "metadata.uid");
  if (!uid.empty() && uid != current->uid()) {
    return fail(PreconditionError(resource.kind, name, "UID", uid, current->uid()));
  }

  const WriteContext context{clock_.WallNow(), options.who};
  Json fresh;
  if (subresource != nullptr) {
    auto merged = subresource->merge(*body, old, context);
    if (!merged) {
      if (merged.error().kind() == ErrorKind::kUnprocessable) attempt.details = {};
      return fail(merged.error());
    }
    fresh = std::move(*merged);
    // What a status holds came unchecked by Decode.
    if (!resource.schema.empty()) {
      if (auto normal = Schema::BuiltIn().Normalise(resource.schema, fresh); !normal) {
        return fail(normal.error());
      }
    }
  } else {
    fresh = std::move(*body);
    KeepSystemFields(fresh, old);
    if (resource.has_status) {
      fresh.erase("status");
      if (const Json& status = At(old, "status"); !status.is_null()) fresh["status"] = status;
    }
    if (resource.set_defaults) resource.set_defaults(fresh);
    if (resource.prepare_update) resource.prepare_update(fresh, old, context);
  }
  NoteTraceOfChange(fresh, old, TraceNoteOf(options));
  if (fresh == old) return attempt;

  if (subresource == nullptr) {
    FieldErrors errors;
    ValidateMetadata(resource, fresh, errors);
    ValidateMetadataUpdate(fresh, old, errors);
    if (resource.validate) resource.validate(fresh, errors);
    if (resource.validate_update) resource.validate_update(fresh, old, errors);
    if (!errors.empty()) {
      attempt.details = InvalidDetails(resource.kind, name, errors);
      return fail(errors.ToError(resource.kind, name));
    }
  }
  if (resource.has_generation && At(fresh, "spec") != At(old, "spec")) {
    fresh["metadata"]["generation"] = kube::IntAt(old, "metadata.generation") + 1;
  }
  attempt.removes = ReadyToGo(resource, fresh);
  attempt.write = attempt.removes ? Write(Remove{std::move(fresh)}) : Write(Put{std::move(fresh)});
  return attempt;
}

Machinery::Attempt Machinery::ComputeDelete(const Resource& resource, const std::string& name,
                                            const kube::DeleteOptions& how,
                                            const ObjectPtr& current) const {
  Attempt attempt{.details = kube::DetailsOf(resource.kind, name)};
  const auto fail = [&attempt](base::Error error) {
    attempt.write = Fail(std::move(error));
    return attempt;
  };
  if (current == nullptr) return fail(kube::NotFoundError(resource.kind, name));
  const Json& old = current->json();
  attempt.details.uid = current->uid();
  if (!how.uid.empty() && how.uid != current->uid()) {
    return fail(PreconditionError(resource.kind, name, "UID", how.uid, current->uid()));
  }
  if (how.revision != kube::Revision::kNone && how.revision != current->revision()) {
    return fail(PreconditionError(resource.kind, name, "ResourceVersion",
                                  std::to_string(std::to_underlying(how.revision)),
                                  StringAt(old, "metadata.resourceVersion")));
  }
  if (resource.may_delete) {
    if (auto may = resource.may_delete(old); !may) return fail(may.error());
  }

  Json fresh = old;
  if (auto set = SetPropagation(fresh, how.propagation); !set) return fail(set.error());
  const base::WallTime now = clock_.WallNow();
  std::int64_t grace = resource.grace ? resource.grace(old, how.grace_period_seconds) : 0;
  const bool was_deleting = current->deleting();
  if (was_deleting) {
    // The end may only come nearer.
    const std::int64_t left = kube::IntAt(old, "metadata.deletionGracePeriodSeconds");
    grace = how.grace_period_seconds || left == 0 ? std::min(grace, left) : left;
    if (grace < left) {
      const auto planned = kube::TimeAt(old, "metadata.deletionTimestamp").value_or(now);
      const auto sooner = planned - std::chrono::seconds(left - grace);
      fresh["metadata"]["deletionTimestamp"] = kube::FormatTime(sooner);
      fresh["metadata"]["deletionGracePeriodSeconds"] = grace;
    }
  } else {
    fresh["metadata"]["deletionTimestamp"] = kube::FormatTime(now + std::chrono::seconds(grace));
    fresh["metadata"]["deletionGracePeriodSeconds"] = grace;
    if (kube::IntAt(old, "metadata.generation") > 0) {
      fresh["metadata"]["generation"] = kube::IntAt(old, "metadata.generation") + 1;
    }
    if (resource.prepare_delete) resource.prepare_delete(fresh);
  }
  if (ReadyToGo(resource, fresh)) {
    attempt.removes = true;
    // What is gone at once never was on its way out.
    attempt.write = Write(Remove{was_deleting ? fresh : old});
  } else if (fresh != old) {
    attempt.write = Write(Put{std::move(fresh)});
  }
  return attempt;
}

}  // namespace enclave::cluster
