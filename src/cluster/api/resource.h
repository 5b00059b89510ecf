// A kind of object as data: everything the one path from HTTP to store must know of it. To serve a
// new kind, add a Resource to the Registry; nothing else changes. Every function may be left empty.
//
// Functions get objects that passed the schema (schema.h), so known fields have their types; they
// run on any thread, also on the store's, so they neither block nor keep state.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/result.h"
#include "cluster/api/field_errors.h"
#include "kube/kind.h"
#include "kube/object.h"

namespace enclave::cluster {

// Who makes a request, as authentication found out.
struct Requester {
  std::string name;                 // "system:node:local"
  std::vector<std::string> groups;  // "system:masters"
  std::string uid;
  // What else is known of them, by key; only impersonation gives it.
  std::map<std::string, std::vector<std::string>> extra{};
};

struct WriteContext {
  base::WallTime now;
  const Requester& who;
};

// A column of `kubectl get`.
struct Column {
  std::string name;
  std::string type = "string";  // or "integer", "date"
  int priority = 0;             // 1: only with -o wide
  std::function<kube::Json(const kube::Json& object, base::WallTime now)> cell;
  std::string format;  // "name" for the first one
};

// A second endpoint of an object: /api/v1/namespaces/NS/pods/NAME/status.
struct Subresource {
  std::string name;
  // The kind of its bodies; empty: the parent's.
  std::string group;
  std::string version;
  std::string kind;
  std::vector<std::string> verbs;
  // Handled by what the server was given under "RESOURCE/NAME" (ApiServer::Connect): streams like
  // log and exec, requests like token.
  bool connect = false;
  // What a GET gives and patches apply to; empty: the object itself.
  std::function<kube::Json(const kube::Json& object)> view;
  // The object with what `body` (a view, after decoding) says; must leave all else as it is.
  std::function<base::Result<kube::Json>(const kube::Json& body, const kube::Json& current,
                                         const WriteContext& context)>
      merge;
};

// What an admission may look at.
struct AdmissionContext {
  std::function<kube::ObjectPtr(const kube::Kind& kind, const std::string& ns,
                                const std::string& name)>
      find;            // null when absent
  std::string suffix;  // five random characters for generated names
};

// Storage of a kind that is not in the store: reviews, which are computed, metrics, which are
// measured. kMethodNotAllowed for what it does not do.
class VirtualStorage {
 public:
  virtual ~VirtualStorage() = default;
  virtual base::Result<kube::Json> Create(const std::string& ns, kube::Json object,
                                          const Requester& who);
  virtual base::Result<kube::Json> Get(const std::string& ns, const std::string& name);
  virtual base::Result<std::vector<kube::Json>> List(const std::string& ns);
};

// What objects of a kind must not share, as the addresses of Services. Called on the store's thread
// but for Abandon, which may come on any.
class Claims {
 public:
  virtual ~Claims() = default;
  // The last step of a write, alone against all others: may complete `fresh`, or refuse it. What it
  // takes is the object's until Changed or Abandon.
  virtual base::Result<> Claim(kube::Json& fresh, const kube::Object* current) = 0;
  // The write of `fresh` was not committed: what Claim took for it is free again.
  virtual void Abandon(const kube::Json& fresh) = 0;
  // After each committed change; `after` is null for a removal, `before` for an addition. At start
  // once for every object.
  virtual void Changed(const kube::Object* before, const kube::Object* after) = 0;
};

struct Resource {
  kube::Kind kind;
  std::string singular;                  // "pod"
  std::vector<std::string> short_names;  // {"po"}
  std::vector<std::string> categories;   // {"all"}
  std::vector<std::string> verbs = {"create", "delete", "deletecollection", "get",
                                    "list",   "patch",  "update",           "watch"};
  std::vector<Column> columns;  // empty: Name and Age
  std::vector<Subresource> subresources;
  std::vector<std::string> selectable_fields;  // beside metadata.name and metadata.namespace

  std::string schema;           // type in Schema::BuiltIn(); empty: all fields are kept
  bool has_status = false;      // writes of the object itself ignore .status
  bool creates_status = false;  // but a create keeps it (Node)
  bool has_generation = false;  // metadata.generation counts changes of spec
  std::function<base::Result<>(std::string_view name)> validate_name;  // default: subdomain

  // Once before a create is computed, on the calling thread: may look at other objects, complete
  // the object, or refuse it.
  std::function<base::Result<>(kube::Json& fresh, const AdmissionContext&)> admit_create;

  // At every write, in this order. `set_defaults` must change nothing when called twice.
  std::function<void(kube::Json& fresh)> set_defaults;
  std::function<void(kube::Json& fresh, const WriteContext&)> prepare_create;
  std::function<void(kube::Json& fresh, const kube::Json& current, const WriteContext&)>
      prepare_update;
  std::function<void(const kube::Json& fresh, FieldErrors&)> validate;
  std::function<void(const kube::Json& fresh, const kube::Json& current, FieldErrors&)>
      validate_update;
  // What each object takes out of a pool that all share. Null: nothing.
  std::shared_ptr<Claims> claims;

  // Seconds an object has to end by itself; 0 removes it at once. Empty: always at once.
  std::function<std::int64_t(const kube::Json& current, std::optional<std::int64_t> asked)> grace;
  // Holds a deleted object back as finalizers do (Namespace.spec.finalizers).
  std::function<bool(const kube::Json& current)> holds;
  // When deletion begins.
  std::function<void(kube::Json& deleting)> prepare_delete;
  // The object may not be deleted at all: why.
  std::function<base::Result<>(const kube::Json& current)> may_delete;

  std::shared_ptr<VirtualStorage> storage;  // null: the store

  const Subresource* FindSubresource(std::string_view name) const;
  bool HasVerb(std::string_view verb) const;
  bool Selectable(std::string_view field) const;
};

using ResourcePtr = std::shared_ptr<const Resource>;

// Sets a field that is not there.
inline void SetDefault(kube::Json& object, const char* field, kube::Json value) {
  if (!object.contains(field)) object[field] = std::move(value);
}

}  // namespace enclave::cluster
