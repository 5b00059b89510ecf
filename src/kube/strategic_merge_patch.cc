#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "kube/patch.h"

namespace enclave::kube {
namespace {

using base::ErrorKind;
using base::Fail;

constexpr std::string_view kPatch = "$patch";
constexpr std::string_view kRetainKeys = "$retainKeys";
constexpr std::string_view kSetElementOrder = "$setElementOrder/";
constexpr std::string_view kDeleteFromPrimitiveList = "$deleteFromPrimitiveList/";

constexpr auto kRules = std::to_array<MergeRule>({
    {"", "containers", "name"},
    {"", "initContainers", "name"},
    {"", "ephemeralContainers", "name"},
    {"", "volumes", "name"},
    {"", "imagePullSecrets", "name"},
    {"", "resourceClaims", "name"},
    {"", "schedulingGates", "name"},
    {"", "hostAliases", "ip"},
    {"", "topologySpreadConstraints", "topologyKey"},
    {"", "env", "name"},
    {"", "volumeMounts", "mountPath"},
    {"", "volumeDevices", "devicePath"},
    {"containers", "ports", "containerPort"},
    {"initContainers", "ports", "containerPort"},
    {"ephemeralContainers", "ports", "containerPort"},
    {"spec", "ports", "port"},  // Service
    {"status", "conditions", "type"},
    {"status", "addresses", "type"},  // Node
    {"status", "podIPs", "ip"},
    {"status", "hostIPs", "ip"},
    {"", "secrets", "name"},  // ServiceAccount
    {"metadata", "ownerReferences", "uid"},
    {"metadata", "finalizers", ""},
    {"spec", "podCIDRs", ""},  // Node
});

std::unexpected<base::Error> Bad(std::string message) {
  return Fail(ErrorKind::kInvalidArgument, "strategic merge patch: " + std::move(message));
}

bool IsDirective(std::string_view key) {
  return key == kPatch || key == kRetainKeys || key.starts_with(kSetElementOrder) ||
         key.starts_with(kDeleteFromPrimitiveList);
}

// Without nulls in objects: in a typed object they are absent fields.
Json WithoutNulls(const Json& value) {
  if (value.is_object()) {
    Json result = Json::object();
    for (const auto& [key, child] : value.items()) {
      if (!child.is_null()) result[key] = WithoutNulls(child);
    }
    return result;
  }
  if (value.is_array()) {
    Json result = Json::array();
    for (const Json& child : value) result.push_back(WithoutNulls(child));
    return result;
  }
  return value;
}

// How elements of one list are told apart: by a key's value, or as scalars by themselves. Null when
// an element has none.
const Json& Identity(const Json& element, std::string_view key) {
  return key.empty() ? element : At(element, key);
}

struct LessByValue {
  bool operator()(const Json* a, const Json* b) const { return *a < *b; }
};

// Where each identity stands first in a list. The list must outlive it, unchanged.
class Positions {
 public:
  Positions(const Json& list, std::string_view key) {
    for (std::size_t i = 0; i < list.size(); ++i) {
      const Json& identity = Identity(list[i], key);
      if (!identity.is_null()) first_.emplace(&identity, i);
    }
  }
  std::optional<std::size_t> Of(const Json& identity) const {
    const auto found = first_.find(&identity);
    return found == first_.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  std::map<const Json*, std::size_t, LessByValue> first_;
};

// Puts the elements named by `order` into that order, and the others (known to the server only)
// between them as near as may be to where they stood in `before`.
Json InOrder(Json list, const Json& order, const Json& before, std::string_view key) {
  const Positions wanted(order, key);
  const Positions stood(before, key);
  std::vector<std::pair<std::size_t, Json*>> patched;
  std::vector<Json*> server_only;
  for (Json& element : list) {
    if (const auto position = wanted.Of(Identity(element, key))) {
      patched.emplace_back(*position, &element);
    } else {
      server_only.push_back(&element);
    }
  }
  std::ranges::sort(patched);
  Json result = Json::array();
  std::size_t next = 0;
  for (const auto& [position, element] : patched) {
    const auto place = stood.Of(Identity(*element, key));
    for (; place && next < server_only.size(); ++next) {
      const auto server_place = stood.Of(Identity(*server_only[next], key));
      if (!server_place || *server_place >= *place) break;
      result.push_back(std::move(*server_only[next]));
    }
    result.push_back(std::move(*element));
  }
  for (; next < server_only.size(); ++next) result.push_back(std::move(*server_only[next]));
  return result;
}

// Elements of a patch list that are kept must stand in $setElementOrder, in the same order.
bool IsOrderedBy(const Json& list, const Json& order, std::string_view key) {
  std::size_t at = 0;
  for (const Json& element : list) {
    if (element.is_object() && element.contains(kPatch) && element[kPatch] != "merge") continue;
    while (at < order.size() && Identity(order[at], key) != Identity(element, key)) ++at;
    if (at++ >= order.size()) return false;
  }
  return true;
}

class Merger {
 public:
  explicit Merger(std::span<const MergeRule> rules) : rules_(rules) {}

  // Merges `patch` into `target`; `field` is the name of the field that holds them.
  base::Result<> MergeObject(Json& target, const Json& patch, std::string_view field) const {
    if (const auto directive = patch.find(kPatch); directive != patch.end()) {
      const Json& kind = *directive;
      if (kind == "delete") {
        target = Json::object();
        return {};
      }
      if (kind == "replace") {
        target = Json::object();
      } else if (kind != "merge") {
        return Bad(fmt::format("unknown $patch directive {} in \"{}\"", Text(kind), field));
      }
    }
    RETURN_IF_ERROR(RetainKeys(target, patch, field));
    for (const auto& [key, value] : patch.items()) {
      if (key.starts_with(kDeleteFromPrimitiveList)) {
        RETURN_IF_ERROR(DeleteScalars(target, key.substr(kDeleteFromPrimitiveList.size()), value));
      } else if (key.starts_with(kSetElementOrder)) {
        // Together with the list itself when the patch has it.
        const std::string list = key.substr(kSetElementOrder.size());
        const auto old = target.find(list);
        if (patch.contains(list) || old == target.end() || !old->is_array()) continue;
        const MergeRule* rule = RuleFor(field, list);
        if (rule == nullptr) continue;
        if (!value.is_array()) return Bad(fmt::format("\"{}\" must be a list", key));
        const Json present = std::exchange(*old, Json());
        *old = InOrder(present, value, present, rule->key);
      }
    }
    for (const auto& [key, value] : patch.items()) {
      if (IsDirective(key)) continue;
      if (value.is_null()) {
        target.erase(key);
      } else {
        RETURN_IF_ERROR(MergeField(target, patch, key, value, field));
      }
    }
    return {};
  }

 private:
  static std::string Text(const Json& value) {
    return value.dump(-1, ' ', false, Json::error_handler_t::replace).substr(0, 64);
  }

  const MergeRule* RuleFor(std::string_view parent, std::string_view field) const {
    for (const MergeRule& rule : rules_) {
      if (rule.field == field && (rule.parent.empty() || rule.parent == parent)) return &rule;
    }
    return nullptr;
  }

  base::Result<> MergeField(Json& target, const Json& patch, const std::string& key,
                            const Json& value, std::string_view parent) const {
    if (value.is_object()) {
      Json& child = target[key];
      if (!child.is_object()) child = Json::object();
      return MergeObject(child, value, key);
    }
    const MergeRule* rule = value.is_array() ? RuleFor(parent, key) : nullptr;
    if (rule == nullptr) {
      target[key] = WithoutNulls(value);
      return {};
    }
    const std::string order_key = std::string(kSetElementOrder) + key;
    const auto order = patch.find(order_key);
    if (order != patch.end() && !order->is_array()) {
      return Bad(fmt::format("\"{}\" must be a list", order_key));
    }
    if (order != patch.end() && !IsOrderedBy(value, *order, rule->key)) {
      return Bad(fmt::format("the order in \"{}\" does not match \"{}\"", key, order_key));
    }
    Json& list = target[key];
    if (!list.is_array()) list = Json::array();
    RETURN_IF_ERROR(MergeList(list, value, order == patch.end() ? value : *order, *rule));
    // In a typed object an empty list is an absent field.
    if (list.empty()) target.erase(key);
    return {};
  }

  base::Result<> MergeList(Json& list, const Json& patch, const Json& order,
                           const MergeRule& rule) const {
    const Json before = list;
    if (rule.key.empty()) {
      RETURN_IF_ERROR(CheckScalars(patch, rule.field));
      std::set<const Json*, LessByValue> known;
      for (const Json& element : before) known.insert(&element);
      for (const Json& element : patch) {
        if (known.insert(&element).second) list.push_back(element);
      }
    } else {
      RETURN_IF_ERROR(MergeElements(list, before, patch, rule));
    }
    list = InOrder(std::move(list), order, before, rule.key);
    return {};
  }

  base::Result<> MergeElements(Json& list, const Json& before, const Json& patch,
                               const MergeRule& rule) const {
    std::set<const Json*, LessByValue> deleted;
    bool replace = false;
    for (const Json& element : patch) {
      if (!element.is_object()) {
        return Bad(fmt::format("elements of \"{}\" must be objects", rule.field));
      }
      const auto directive = element.find(kPatch);
      if (directive != element.end() && *directive == "replace") {
        replace = true;
        continue;
      }
      const Json& identity = Identity(element, rule.key);
      if (identity.is_null()) {
        return Bad(
            fmt::format("an element of \"{}\" lacks the merge key \"{}\"", rule.field, rule.key));
      }
      if (directive == element.end() || *directive == "merge") continue;
      if (*directive != "delete") {
        return Bad(
            fmt::format("unknown $patch directive {} in \"{}\"", Text(*directive), rule.field));
      }
      deleted.insert(&identity);
    }
    if (replace) {
      list = Json::array();
    } else if (!deleted.empty()) {
      Json kept = Json::array();
      for (const Json& element : before) {
        if (!deleted.contains(&Identity(element, rule.key))) kept.push_back(element);
      }
      list = std::move(kept);
    }
    // Positions are of `anchor`, a copy, as merging changes the list under them.
    const Json anchor = list;
    Positions positions(anchor, rule.key);
    std::map<const Json*, std::size_t, LessByValue> added;
    for (const Json& element : patch) {
      const auto directive = element.find(kPatch);
      if (directive != element.end() && *directive != "merge") continue;
      const Json& identity = Identity(element, rule.key);
      auto position = positions.Of(identity);
      if (!position) {
        if (const auto found = added.find(&identity); found != added.end()) {
          position = found->second;
        }
      }
      if (!position) {
        position = list.size();
        added.emplace(&identity, *position);
        list.push_back(Json::object());
      }
      RETURN_IF_ERROR(MergeObject(list[*position], element, rule.field));
    }
    return {};
  }

  static base::Result<> CheckScalars(const Json& list, std::string_view field) {
    const bool scalars = list.is_array() && std::ranges::all_of(list, [](const Json& element) {
                           return element.is_primitive() && !element.is_null();
                         });
    if (scalars) return {};
    return Bad(fmt::format("\"{}\" must be a list of scalars", field));
  }

  static base::Result<> RetainKeys(Json& target, const Json& patch, std::string_view field) {
    const auto keys = patch.find(kRetainKeys);
    if (keys == patch.end()) return {};
    RETURN_IF_ERROR(CheckScalars(*keys, kRetainKeys));
    std::set<const Json*, LessByValue> retained;
    for (const Json& key : *keys) retained.insert(&key);
    for (const auto& [key, value] : patch.items()) {
      const Json name = key;
      if (value.is_null() || IsDirective(key) || retained.contains(&name)) continue;
      return Bad(fmt::format("\"{}\" in \"{}\" is not listed in its $retainKeys", key, field));
    }
    Json kept = Json::object();
    for (const auto& [key, value] : target.items()) {
      const Json name = key;
      if (retained.contains(&name)) kept[key] = value;
    }
    target = std::move(kept);
    return {};
  }

  static base::Result<> DeleteScalars(Json& target, const std::string& field, const Json& values) {
    RETURN_IF_ERROR(CheckScalars(values, field));
    const auto list = target.find(field);
    if (list == target.end() || !list->is_array()) return {};
    std::set<const Json*, LessByValue> deleted;
    for (const Json& value : values) deleted.insert(&value);
    Json kept = Json::array();
    for (const Json& element : *list) {
      if (!deleted.contains(&element)) kept.push_back(element);
    }
    if (kept.empty()) {
      target.erase(field);
    } else {
      *list = std::move(kept);
    }
    return {};
  }

  std::span<const MergeRule> rules_;
};

}  // namespace

std::span<const MergeRule> StrategicMergeRules() {
  return kRules;
}

base::Result<Json> ApplyStrategicMergePatch(Json target, const Json& patch,
                                            std::span<const MergeRule> rules) {
  if (!patch.is_object()) return Bad("must be an object");
  if (JsonDepth(patch, kMaxPatchDepth) > kMaxPatchDepth) {
    return Fail(ErrorKind::kTooLarge,
                fmt::format("the patch is nested deeper than {} levels", kMaxPatchDepth));
  }
  if (!target.is_object()) target = Json::object();
  RETURN_IF_ERROR(Merger(rules).MergeObject(target, patch, ""));
  return target;
}

}  // namespace enclave::kube
