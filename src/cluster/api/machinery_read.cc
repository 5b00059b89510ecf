// Lists in pages, and watches.
#include <fmt/format.h>

#include <algorithm>

#include "cluster/api/continue_token.h"
#include "cluster/api/machinery.h"

namespace enclave::cluster {
namespace {

using base::ErrorKind;
using base::Fail;
using kube::EventType;
using kube::ObjectPtr;
using kube::Revision;

// What the pages of one list have in common.
std::string QueryOf(const Resource& resource, const Filter& filter) {
  return fmt::format("{}\n{}\n{}\n{}", resource.kind.GroupResource(), filter.ns,
                     filter.labels.ToString(), filter.fields.ToString());
}

base::Result<> CheckFields(const Resource& resource, const Filter& filter) {
  for (const auto& requirement : filter.fields.requirements()) {
    if (!resource.Selectable(requirement.path)) {
      return Fail(ErrorKind::kInvalidArgument,
                  fmt::format("Unable to find \"{}\" that match label selector \"{}\", field "
                              "selector \"{}\": field label not supported: {}",
                              resource.kind.GroupResource(), filter.labels.ToString(),
                              filter.fields.ToString(), requirement.path));
    }
  }
  return {};
}

// The one name that a filter asks for; null when it asks for several.
const std::string* SingleName(const Filter& filter) {
  for (const auto& requirement : filter.fields.requirements()) {
    if (requirement.path == "metadata.name" && requirement.equals) return &requirement.value;
  }
  return nullptr;
}

void TakePage(Page& page, const std::vector<ObjectPtr>& items, std::size_t from,
              std::size_t limit) {
  const std::size_t end = std::min(items.size(), from + limit);
  page.items.assign(items.begin() + static_cast<std::ptrdiff_t>(from),
                    items.begin() + static_cast<std::ptrdiff_t>(end));
}

// The last state of an object that left a watcher's selection, with the revision at which it did.
ObjectPtr WithRevision(const ObjectPtr& object, Revision revision) {
  kube::Json json = object->json();
  json["metadata"]["resourceVersion"] = std::to_string(std::to_underlying(revision));
  return std::make_shared<const kube::Object>(std::move(json));
}

}  // namespace

base::Result<Page> Machinery::List(const Resource& resource, const Filter& filter,
                                   std::size_t limit, const std::string& continue_token) {
  RETURN_IF_ERROR(CheckFields(resource, filter));
  if (!continue_token.empty()) return ContinueList(resource, filter, limit, continue_token);
  const std::string group_resource = resource.kind.GroupResource();
  Page page;
  if (const std::string* name = SingleName(filter);
      name != nullptr && (!filter.ns.empty() || !resource.kind.namespaced)) {
    // The revision is read first: the object is then at least as new.
    page.revision = store_.revision();
    ObjectPtr object = store_.Get(Key{group_resource, filter.ns, *name});
    if (object != nullptr) page.revision = std::max(page.revision, object->revision());
    if (object != nullptr && filter.Matches(*object)) page.items.push_back(std::move(object));
    return page;
  }
  kube::ObjectList list = store_.List(group_resource, filter.ns);
  if (!filter.labels.empty() || !filter.fields.empty()) {
    std::erase_if(list.items, [&](const ObjectPtr& object) { return !filter.Matches(*object); });
  }
  page.revision = list.revision;
  if (limit == 0 || list.items.size() <= limit) {
    page.items = std::move(list.items);
    return page;
  }
  TakePage(page, list.items, 0, limit);
  if (filter.labels.empty() && filter.fields.empty()) {
    page.remaining = static_cast<std::int64_t>(list.items.size() - limit);
  }
  page.continue_token =
      EncodeContinue({list.revision, page.items.back()->ns(), page.items.back()->name()});
  KeepSnapshot(std::make_shared<const Snapshot>(
      Snapshot{QueryOf(resource, filter), list.revision, std::move(list.items), clock_.Now()}));
  return page;
}

void Machinery::KeepSnapshot(std::shared_ptr<const Snapshot> snapshot) {
  const base::MonoTime now = clock_.Now();
  std::string key = fmt::format("{}\n{}", std::to_underlying(snapshot->revision), snapshot->query);
  std::lock_guard lock(snapshots_mutex_);
  std::erase_if(snapshots_,
                [&](const auto& entry) { return now - entry.second->made > kSnapshotLife; });
  snapshots_[std::move(key)] = std::move(snapshot);
  if (snapshots_.size() > kMaxSnapshots) {
    snapshots_.erase(std::ranges::min_element(
        snapshots_, {}, [](const auto& entry) { return entry.second->made; }));
  }
}

base::Result<Page> Machinery::ContinueList(const Resource& resource, const Filter& filter,
                                           std::size_t limit, const std::string& token) {
  const auto decoded = DecodeContinue(token);
  if (!decoded) {
    return Fail(ErrorKind::kInvalidArgument,
                fmt::format("continue key is not valid: {}", decoded.error().message()));
  }
  std::shared_ptr<const Snapshot> snapshot;
  {
    std::lock_guard lock(snapshots_mutex_);
    const auto found = snapshots_.find(
        fmt::format("{}\n{}", std::to_underlying(decoded->revision), QueryOf(resource, filter)));
    if (found != snapshots_.end() && clock_.Now() - found->second->made <= kSnapshotLife) {
      snapshot = found->second;
    }
  }
  if (snapshot == nullptr) {
    return Fail(ErrorKind::kExpired,
                "The provided continue parameter is too old to display a consistent list result. "
                "You must start a new list without the continue parameter.");
  }
  const auto& items = snapshot->items;
  const auto after = std::ranges::upper_bound(
      items, std::pair(decoded->ns, decoded->name), {},
      [](const ObjectPtr& object) { return std::pair(object->ns(), object->name()); });
  const auto from = static_cast<std::size_t>(after - items.begin());
  if (limit == 0) limit = items.size();
  Page page;
  page.revision = snapshot->revision;
  TakePage(page, items, from, limit);
  if (from + page.items.size() < items.size() && !page.items.empty()) {
    page.continue_token =
        EncodeContinue({snapshot->revision, page.items.back()->ns(), page.items.back()->name()});
    if (filter.labels.empty() && filter.fields.empty()) {
      page.remaining = static_cast<std::int64_t>(items.size() - from - page.items.size());
    }
  }
  return page;
}

base::Result<std::unique_ptr<Subscription>> Machinery::Watch(
    const Resource& resource, Filter filter, Revision from,
    std::function<void(const kube::WatchEvent&)> sink) {
  RETURN_IF_ERROR(CheckFields(resource, filter));
  return store_.Subscribe(
      resource.kind.GroupResource(), from,
      [filter = std::move(filter), sink = std::move(sink)](const cluster::Change& change) {
        const bool now = change.type != EventType::kDeleted && filter.Matches(*change.object);
        const ObjectPtr& before =
            change.type == EventType::kDeleted ? change.object : change.previous;
        const bool earlier = before != nullptr && filter.Matches(*before);
        if (now) {
          sink({.type = earlier ? EventType::kModified : EventType::kAdded,
                .object = change.object,
                .revision = change.revision});
        } else if (earlier) {
          const bool deleted = change.type == EventType::kDeleted;
          sink({.type = EventType::kDeleted,
                .object = deleted ? change.object : WithRevision(before, change.revision),
                .revision = change.revision});
        }
      });
}

}  // namespace enclave::cluster
