// Who may do what. The one question of every request, asked after authentication and before
// anything is read or written; access reviews ask the same object.
//
// The policy of today is AllowAuthenticated: whoever has credentials of this cluster may do all,
// but act as somebody else: that is for the group system:masters. RBAC is another Authorizer,
// reading Roles and bindings; nothing else changes.
//
// Thread safety: Authorize may be called from any thread.
#pragma once

#include <string>
#include <vector>

#include "cluster/api/resource.h"

namespace enclave::cluster {

struct AccessRequest {
  std::string verb;  // "get", "list", ... or, for paths, the method in lower case
  std::string group;
  std::string version;
  std::string resource;  // plural; empty for paths
  std::string subresource;
  std::string ns;
  std::string name;
  std::string path;  // "/version"; only when there is no resource
};

struct AccessDecision {
  bool allowed = false;
  std::string reason;  // for people; may be empty when allowed
};

struct AccessRule {
  std::vector<std::string> verbs;
  std::vector<std::string> groups;
  std::vector<std::string> resources;  // or, for paths:
  std::vector<std::string> paths;
};

class Authorizer {
 public:
  virtual ~Authorizer() = default;
  virtual AccessDecision Authorize(const Requester& who, const AccessRequest& request) const = 0;
  // What `who` may do in a namespace (SelfSubjectRulesReview).
  virtual std::vector<AccessRule> RulesOf(const Requester& who, const std::string& ns) const = 0;
};

class AllowAuthenticated final : public Authorizer {
 public:
  AccessDecision Authorize(const Requester& who, const AccessRequest& request) const override;
  std::vector<AccessRule> RulesOf(const Requester& who, const std::string& ns) const override;
};

}  // namespace enclave::cluster
