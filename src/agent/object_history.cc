#include "agent/object_history.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "agent/actuator.h"
#include "base/log.h"
#include "incident/object_change.h"

namespace enclave::agent {

using base::Result;
using incident::Change;
using incident::ChangeKind;
using kube::At;
using kube::StringAt;

namespace {

constexpr std::int64_t kHistoryApplicationId = 0x454e4f48;  // "ENOH"

constexpr const char* kHistorySchema = R"(
  CREATE TABLE versions (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    resource TEXT NOT NULL,
    ns       TEXT NOT NULL,
    name     TEXT NOT NULL,
    seen_ns  INTEGER NOT NULL,
    who      TEXT NOT NULL,
    trace    TEXT NOT NULL,
    content  TEXT NOT NULL
  ) STRICT;
  CREATE INDEX versions_of ON versions (resource, ns, name, sequence);
)";

std::string Annotation(const Json& object, const std::string& key) {
  const Json& annotations = At(object, "metadata.annotations");
  if (!annotations.is_object()) return "";
  const auto found = annotations.find(key);
  return found != annotations.end() && found->is_string() ? found->get<std::string>() : "";
}

void CopyTo(Json* to, const Json& from, const char* field) {
  if (from.is_object() && from.contains(field)) (*to)[field] = from[field];
}

struct Seen {
  std::string resource;
  std::string ns;
  std::string name;
  Version version;
};

bool SameObject(const Seen& a, const Seen& b) {
  return a.resource == b.resource && a.ns == b.ns && a.name == b.name;
}

// What a change of this kind changes.
const Json& PartOf(const Seen& seen, ChangeKind kind) {
  if (seen.resource != kube::kDeployment.GroupResource()) return seen.version.content;
  return At(seen.version.content, kind == ChangeKind::kScale ? "replicas" : "template");
}

// Whether what version `i` of `all` changed in [from, to) is at its end as it was at some time of
// it before: there and back is no change, and neither way is a suspect for what comes later.
bool IsUndone(const std::vector<Seen>& all, std::size_t i, ChangeKind kind, std::int64_t from_ns,
              std::int64_t to_ns) {
  // The states of the part so far, each once: going back to one forgets those after it.
  std::vector<std::size_t> states;
  std::size_t first = i;
  while (first > 0 && SameObject(all[first - 1], all[i]) && all[first].version.seen_ns >= from_ns)
    --first;
  for (std::size_t k = first;
       k < all.size() && SameObject(all[k], all[i]) && all[k].version.seen_ns < to_ns; ++k) {
    const auto same = std::ranges::find_if(states, [&](std::size_t state) {
      return PartOf(all[state], kind) == PartOf(all[k], kind);
    });
    if (same == states.end())
      states.push_back(k);
    else
      states.erase(same + 1, states.end());
  }
  return std::ranges::find(states, i) == states.end();
}

// What changed from one version to the next: several, where they differ in what undoes them.
std::vector<incident::ObjectChange> Compare(const std::string& resource, const Json& before,
                                            const Json& after) {
  if (resource == kube::kConfigMap.GroupResource())
    return {incident::CompareConfigMaps(before, after)};
  if (resource == kube::kService.GroupResource()) return {incident::CompareServices(before, after)};
  std::vector<incident::ObjectChange> changes;
  if (At(before, "replicas") != At(after, "replicas"))
    changes.push_back({.kind = ChangeKind::kScale,
                       .from = fmt::format("{} replicas", kube::IntAt(before, "replicas", 1)),
                       .to = fmt::format("{} replicas", kube::IntAt(after, "replicas", 1))});
  if (At(before, "template") != At(after, "template")) {
    incident::ObjectChange words =
        incident::CompareTemplates(At(before, "template"), At(after, "template"));
    if (!words.any()) words.to = "another pod template";
    changes.push_back(std::move(words));
  }
  return changes;
}

}  // namespace

Json ContentOf(const kube::Kind& kind, const Json& object) {
  Json content = Json::object();
  if (kind.plural == kube::kConfigMap.plural) {
    CopyTo(&content, object, "data");
    CopyTo(&content, object, "binaryData");
  } else if (kind.plural == kube::kService.plural) {
    CopyTo(&content, At(object, "spec"), "selector");
    CopyTo(&content, At(object, "spec"), "ports");
  } else if (kind.plural == kube::kDeployment.plural) {
    CopyTo(&content, At(object, "spec"), "replicas");
    CopyTo(&content, At(object, "spec"), "template");
  }
  return content;
}

std::vector<std::string> ConfigMapsOf(const Json& pod_template) {
  std::set<std::string> names;
  const auto add = [&](const std::string& name) {
    if (!name.empty()) names.insert(name);
  };
  for (const char* list : {"spec.containers", "spec.initContainers"})
    for (const Json& container : At(pod_template, list)) {
      for (const Json& from : At(container, "envFrom")) add(StringAt(from, "configMapRef.name"));
      for (const Json& variable : At(container, "env"))
        add(StringAt(variable, "valueFrom.configMapKeyRef.name"));
    }
  for (const Json& volume : At(pod_template, "spec.volumes")) {
    add(StringAt(volume, "configMap.name"));
    for (const Json& source : At(volume, "projected.sources"))
      add(StringAt(source, "configMap.name"));
  }
  return {names.begin(), names.end()};
}

Result<std::unique_ptr<ObjectHistory>> ObjectHistory::Open(const std::string& path,
                                                           const base::Clock& clock) {
  // What objects look like now is seen again; it must not keep the agent from starting.
  ASSIGN_OR_RETURN(auto database,
                   sqlite::Database::Open(path, {.application_id = kHistoryApplicationId,
                                                 .schema = kHistorySchema,
                                                 .settings = "PRAGMA journal_size_limit = 4194304;",
                                                 .on_damage = sqlite::OnDamage::kSetAside}));
  // A version lost with the machine's power is seen again at the next start.
  RETURN_IF_ERROR(database->Execute("PRAGMA synchronous = NORMAL"));
  return std::unique_ptr<ObjectHistory>(new ObjectHistory(std::move(database), clock));
}

void ObjectHistory::Watch(kube::SharedInformers& informers,
                          const std::vector<std::string>& namespaces) {
  for (const kube::Kind* kind : {&kube::kDeployment, &kube::kConfigMap, &kube::kService})
    for (const std::string& ns : namespaces)
      informers.For(*kind, {.ns = ns})
          .OnChange([this, kind](const kube::ObjectPtr& before, const kube::ObjectPtr& after) {
            if (!after) return;
            if (const auto seen = See(*kind, before.get(), *after); !seen)
              base::LogWarning("agent", "a version of an object is not kept",
                               {{"object", after->name()}, {"error", seen.error().message()}});
          });
}

Result<> ObjectHistory::See(const kube::Kind& kind, const kube::Object* before,
                            const kube::Object& object) {
  const std::string content =
      ContentOf(kind, object.json()).dump(-1, ' ', false, Json::error_handler_t::replace);
  if (content.size() > kMostContentBytes) return {};
  const std::string resource = kind.GroupResource();
  // The mark of an action stays when others change the object after it.
  const std::string action = Annotation(object.json(), kActionIdAnnotation);
  const bool by_agent =
      !action.empty() &&
      (before == nullptr || Annotation(before->json(), kActionIdAnnotation) != action);
  const std::string who = by_agent ? "agent" : "";
  const std::string trace = Annotation(object.json(), kTraceIdAnnotation);
  const std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(sqlite::Statement last,
                   database_->Prepare("SELECT content FROM versions WHERE resource = ? AND ns = ? "
                                      "AND name = ? ORDER BY sequence DESC LIMIT 1"));
  last.Bind(1, resource);
  last.Bind(2, object.ns());
  last.Bind(3, object.name());
  ASSIGN_OR_RETURN(const bool known, last.Step());
  if (known && last.Text(0) == content) return {};
  last.Reset();
  ASSIGN_OR_RETURN(
      sqlite::Statement insert,
      database_->Prepare("INSERT INTO versions (resource, ns, name, seen_ns, who, trace, content) "
                         "VALUES (?, ?, ?, ?, ?, ?, ?)"));
  insert.Bind(1, resource);
  insert.Bind(2, object.ns());
  insert.Bind(3, object.name());
  insert.Bind(4, clock_.WallNow().time_since_epoch().count());
  insert.Bind(5, who);
  insert.Bind(6, trace);
  insert.Bind(7, content);
  RETURN_IF_ERROR(insert.Run());
  return Trim(resource, object.ns(), object.name());
}

Result<> ObjectHistory::Trim(const std::string& resource, const std::string& ns,
                             const std::string& name) {
  ASSIGN_OR_RETURN(
      sqlite::Statement old,
      database_->Prepare("DELETE FROM versions WHERE resource = ?1 AND ns = ?2 AND name = ?3 AND "
                         "sequence NOT IN (SELECT sequence FROM versions WHERE resource = ?1 AND "
                         "ns = ?2 AND name = ?3 ORDER BY sequence DESC LIMIT ?4)"));
  old.Bind(1, resource);
  old.Bind(2, ns);
  old.Bind(3, name);
  old.Bind(4, static_cast<std::int64_t>(kVersions));
  RETURN_IF_ERROR(old.Run());
  ASSIGN_OR_RETURN(sqlite::Statement many,
                   database_->Prepare("DELETE FROM versions WHERE sequence <= (SELECT "
                                      "max(sequence) FROM versions) - ?"));
  many.Bind(1, static_cast<std::int64_t>(kVersions * kMostObjects));
  return many.Run();
}

Result<std::vector<Version>> ObjectHistory::Of(const std::string& resource, const std::string& ns,
                                               const std::string& name) const {
  const std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(
      sqlite::Statement select,
      database_->Prepare("SELECT seen_ns, who, trace, content FROM versions WHERE resource = ? AND "
                         "ns = ? AND name = ? ORDER BY sequence"));
  select.Bind(1, resource);
  select.Bind(2, ns);
  select.Bind(3, name);
  std::vector<Version> versions;
  for (;;) {
    ASSIGN_OR_RETURN(const bool row, select.Step());
    if (!row) return versions;
    versions.push_back({.seen_ns = select.Integer(0),
                        .content = Json::parse(select.Text(3), nullptr, false),
                        .who = std::string(select.Text(1)),
                        .trace = std::string(select.Text(2))});
  }
}

Result<std::vector<Change>> ObjectHistory::Changes(std::int64_t from_ns, std::int64_t to_ns) const {
  std::vector<Seen> all;
  {
    const std::lock_guard lock(mutex_);
    ASSIGN_OR_RETURN(sqlite::Statement select,
                     database_->Prepare("SELECT resource, ns, name, seen_ns, who, trace, content "
                                        "FROM versions ORDER BY resource, ns, name, sequence"));
    for (;;) {
      ASSIGN_OR_RETURN(const bool row, select.Step());
      if (!row) break;
      all.push_back({std::string(select.Text(0)),
                     std::string(select.Text(1)),
                     std::string(select.Text(2)),
                     {.seen_ns = select.Integer(3),
                      .content = Json::parse(select.Text(6), nullptr, false),
                      .who = std::string(select.Text(4)),
                      .trace = std::string(select.Text(5))}});
    }
  }
  // Who reads which ConfigMap, from the newest template of each Deployment.
  std::map<std::pair<std::string, std::string>, std::set<std::string>> readers;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].resource != kube::kDeployment.GroupResource()) continue;
    const bool newest = i + 1 == all.size() || all[i + 1].name != all[i].name ||
                        all[i + 1].ns != all[i].ns || all[i + 1].resource != all[i].resource;
    if (!newest) continue;
    for (const std::string& map : ConfigMapsOf(At(all[i].version.content, "template")))
      readers[{all[i].ns, map}].insert(all[i].name);
  }
  std::vector<Change> changes;
  for (std::size_t i = 1; i < all.size(); ++i) {
    const Seen& before = all[i - 1];
    const Seen& after = all[i];
    if (!SameObject(before, after)) continue;
    if (after.version.seen_ns < from_ns || after.version.seen_ns >= to_ns) continue;
    for (incident::ObjectChange& words :
         Compare(after.resource, before.version.content, after.version.content)) {
      if (IsUndone(all, i, words.kind, from_ns, to_ns)) continue;
      const kube::Kind* object_kind = KindOf(after.resource);
      Change change{.time_ns = after.version.seen_ns,
                    .service = after.name,
                    .kind = words.kind,
                    .object = fmt::format("{} {}/{}", object_kind ? object_kind->kind : "Object",
                                          after.ns, after.name),
                    .from = std::move(words.from),
                    .to = std::move(words.to),
                    .who = after.version.who,
                    .trace_id = trace::TraceId::Parse(after.version.trace)};
      if (after.resource != kube::kConfigMap.GroupResource()) {
        changes.push_back(std::move(change));
        continue;
      }
      for (const std::string& reader : readers[{after.ns, after.name}]) {
        change.service = reader;
        changes.push_back(change);
      }
    }
  }
  std::ranges::sort(changes, {}, [](const Change& change) {
    return std::tie(change.time_ns, change.service, change.object);
  });
  return changes;
}

}  // namespace enclave::agent
