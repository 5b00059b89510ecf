#include "cluster/store/batch.h"

#include <exception>
#include <utility>
#include <variant>

#include <fmt/format.h>

namespace enclave::cluster {
namespace {

using base::ErrorKind;
using base::Fail;
using kube::EventType;
using kube::Revision;

std::string Describe(const Key& key) {
  return key.ns.empty() ? fmt::format("{} \"{}\"", key.resource, key.name)
                        : fmt::format("{} \"{}/{}\"", key.resource, key.ns, key.name);
}

}  // namespace

Batch::Outcome Batch::Run(const Key& key, const Mutation& mutation) {
  const auto changed = changed_.find(key);
  const bool seen = changed != changed_.end();
  const Entry current = seen ? changed->second : core_.Find(key);
  // Mutations edit untyped JSON, whose library throws on a misplaced access.
  try {
    base::Result<Write> write = mutation(current.object);
    if (!write) return {std::unexpected(std::move(write).error()), seen};
    if (std::holds_alternative<Keep>(*write)) return {current.object, seen};
    if (auto* put = std::get_if<Put>(&*write)) {
      const EventType type = current.object ? EventType::kModified : EventType::kAdded;
      auto result = Change(key, current, type, std::move(put->object));
      const bool tentative = seen || result.has_value();
      return {std::move(result), tentative};
    }
    if (current.object == nullptr) {
      return {Fail(ErrorKind::kInternal, "removing " + Describe(key) + ", which does not exist"),
              seen};
    }
    auto result =
        Change(key, current, EventType::kDeleted, std::move(std::get<Remove>(*write).last_state));
    const bool tentative = seen || result.has_value();
    return {std::move(result), tentative};
  } catch (const std::exception& e) {
    return {Fail(ErrorKind::kInternal, "writing " + Describe(key) + ": " + e.what()), seen};
  }
}

base::Result<kube::ObjectPtr> Batch::Change(const Key& key, const Entry& current, EventType type,
                                            kube::Json json) {
  const auto metadata = json.is_object() ? json.find("metadata") : json.end();
  if (!json.is_object() || metadata == json.end() || !metadata->is_object()) {
    return Fail(ErrorKind::kInternal, "writing " + Describe(key) + ": it has no metadata");
  }
  const Revision revision{std::to_underlying(last_) + 1};
  (*metadata)["resourceVersion"] = fmt::to_string(std::to_underlying(revision));
  auto object = std::make_shared<const kube::Object>(std::move(json));
  if (object->text().size() > kMaxObjectBytes) {
    return Fail(ErrorKind::kTooLarge,
                fmt::format("{} is too large: {} bytes, at most {} are stored", Describe(key),
                            object->text().size(), kMaxObjectBytes));
  }
  last_ = revision;
  bytes_ += object->text().size();
  const bool removed = type == EventType::kDeleted;
  const Revision created = current.object ? current.created : revision;
  changed_.insert_or_assign(key, removed ? Entry{} : Entry{object, created});
  commits_.push_back({key, created, {type, object, current.object, revision}});
  return object;
}

}  // namespace enclave::cluster
