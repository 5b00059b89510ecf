// What the agent can do to a cluster: a fixed list, each with its facts in one static table.
// Whether an action changes anything is read from the table and judged by nobody.
//
// An Action is concrete: which fields of which object, from what to what. It is a value, made by
// the planner, written to the ledger before it is taken, and carries its own inverse.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kube/kind.h"
#include "kube/object.h"

namespace enclave::agent {

using kube::Json;

enum class ActionKind : std::uint8_t {
  kRollbackRevision,  // a Deployment's pod template, to a former ReplicaSet's
  kRollbackConfig,    // a ConfigMap's content, to what it was; its readers start anew
  kRestoreService,    // a Service's selector and ports, to what they were
  kRestart,           // rollout restart
  kDeletePod,
  kScale,
  kRaiseLimit,
  kCordon,
  kEscalate,
};

struct ActionFacts {
  ActionKind kind;
  std::string_view name;  // in policies, ledger and console
  bool mutates;           // the cluster
  bool restorable;        // its inverse puts back what was there; else there is nothing to put back
  bool replaces_pods;     // ready pods go and others come
  std::string_view sentence;
};

std::span<const ActionFacts> AllActions();
const ActionFacts& FactsOf(ActionKind kind);
std::string_view ToString(ActionKind kind);
std::optional<ActionKind> ActionKindFromString(std::string_view name);

// One field of an object; null is absent.
struct FieldEdit {
  std::string pointer{};  // RFC 6901
  Json before{};
  Json after{};
  bool operator==(const FieldEdit&) const = default;
};

// What happens to one object. An edit takes place only while every field has its `before`.
struct Step {
  enum class Verb : std::uint8_t { kEdit, kDelete };
  Verb verb = Verb::kEdit;
  std::string resource{};  // "deployments.apps"
  std::string ns{};
  std::string name{};
  std::string uid{};
  std::vector<FieldEdit> edits{};
  bool operator==(const Step&) const = default;
};

struct Action {
  std::string id{};
  ActionKind kind = ActionKind::kEscalate;
  std::string ns{};
  std::string workload{};  // the Deployment (of a cordon: the node) that it is for
  std::vector<Step> steps{};
  std::string reason{};   // a sentence
  std::string rule{};     // of the policy
  std::string service{};  // the hypothesis it is for
  std::string cause{};
  double confidence = 0;
  bool needs_approval = false;  // whatever the mode

  // "boutique/cartservice": what is touched by one action at a time.
  std::string Subject() const { return ns.empty() ? workload : ns + "/" + workload; }
  // Equal for actions that do the same to the same, whatever their ids.
  std::string Signature() const;
  bool operator==(const Action&) const = default;
};

// Puts back what `action` changed, in the same order of objects; nullopt when there is nothing to
// put back. Its id is that of the action with "-undo".
std::optional<Action> InverseOf(const Action& action);

// The kinds that steps may touch; null for any other.
const kube::Kind* KindOf(std::string_view resource);

Json ToJson(const Action& action);
// kInvalidArgument names the field that is wrong.
base::Result<Action> ActionFromJson(const Json& json);

}  // namespace enclave::agent
