#include "cluster/api/authorizer.h"

#include <algorithm>

namespace enclave::cluster {
namespace {

bool IsMaster(const Requester& who) {
  return std::ranges::find(who.groups, "system:masters") != who.groups.end();
}

}  // namespace

AccessDecision AllowAuthenticated::Authorize(const Requester& who,
                                             const AccessRequest& request) const {
  if (who.name.empty()) return {false, "nobody is anonymous here"};
  if (request.verb == "impersonate" && !IsMaster(who)) {
    return {false, "only members of system:masters may act as somebody else"};
  }
  return {true, ""};
}

std::vector<AccessRule> AllowAuthenticated::RulesOf(const Requester& who,
                                                    const std::string&) const {
  std::vector<std::string> verbs = {"*"};
  if (!IsMaster(who)) {
    verbs = {"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"};
  }
  return {{.verbs = std::move(verbs), .groups = {"*"}, .resources = {"*"}, .paths = {}},
          {.verbs = {"*"}, .groups = {}, .resources = {}, .paths = {"*"}}};
}

}  // namespace enclave::cluster
