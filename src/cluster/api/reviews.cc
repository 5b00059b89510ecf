#include "cluster/api/reviews.h"

#include <functional>

namespace enclave::cluster {
namespace {

using base::ErrorKind;
using base::Fail;
using kube::At;
using kube::Json;
using kube::StringAt;

using Answer = std::function<base::Result<Json>(const Json& spec, const Requester& who)>;

// `answer` makes the status.
class Review final : public VirtualStorage {
 public:
  explicit Review(Answer answer) : answer_(std::move(answer)) {}

  base::Result<Json> Create(const std::string&, Json object, const Requester& who) override {
    ASSIGN_OR_RETURN(Json status, answer_(At(object, "spec"), who));
    object["status"] = std::move(status);
    if (!object.contains("metadata")) object["metadata"] = Json::object();
    return object;
  }

 private:
  const Answer answer_;
};

base::Result<AccessRequest> AccessOf(const Json& spec) {
  AccessRequest request;
  if (const Json& attributes = At(spec, "resourceAttributes"); attributes.is_object()) {
    request.verb = StringAt(attributes, "verb");
    request.group = StringAt(attributes, "group");
    request.version = StringAt(attributes, "version");
    request.resource = StringAt(attributes, "resource");
    request.subresource = StringAt(attributes, "subresource");
    request.ns = StringAt(attributes, "namespace");
    request.name = StringAt(attributes, "name");
    return request;
  }
  if (const Json& attributes = At(spec, "nonResourceAttributes"); attributes.is_object()) {
    request.verb = StringAt(attributes, "verb");
    request.path = StringAt(attributes, "path");
    return request;
  }
  return Fail(ErrorKind::kInvalidArgument,
              "exactly one of nonResourceAttributes or resourceAttributes must be specified");
}

Json StatusOf(const AccessDecision& decision) {
  Json status = {{"allowed", decision.allowed}};
  if (!decision.reason.empty()) status["reason"] = decision.reason;
  return status;
}

Json UserInfo(const Requester& who) {
  Json info = {{"username", who.name}, {"groups", who.groups}};
  if (!who.uid.empty()) info["uid"] = who.uid;
  if (!who.extra.empty()) info["extra"] = who.extra;
  return info;
}

Resource Virtual(const char* group, const char* kind, const char* plural, const char* singular,
                 bool namespaced, Answer answer) {
  Resource resource;
  resource.kind = {group, "v1", kind, plural, namespaced};
  resource.singular = singular;
  resource.verbs = {"create"};
  resource.storage = std::make_shared<Review>(std::move(answer));
  return resource;
}

}  // namespace

void AddReviewResources(Registry& registry, const Authorizer& authorizer,
                        const Authenticator& authenticator) {
  constexpr const char* kAuthorization = "authorization.k8s.io";
  constexpr const char* kAuthentication = "authentication.k8s.io";
  registry.Add(Virtual(kAuthorization, "SelfSubjectAccessReview", "selfsubjectaccessreviews",
                       "selfsubjectaccessreview", false,
                       [&authorizer](const Json& spec, const Requester& who) -> base::Result<Json> {
                         ASSIGN_OR_RETURN(const AccessRequest request, AccessOf(spec));
                         return StatusOf(authorizer.Authorize(who, request));
                       }));
  const Answer subject = [&authorizer](const Json& spec, const Requester&) -> base::Result<Json> {
    ASSIGN_OR_RETURN(const AccessRequest request, AccessOf(spec));
    Requester about{.name = StringAt(spec, "user"), .groups = {}, .uid = StringAt(spec, "uid")};
    for (const Json& group : At(spec, "groups")) {
      if (group.is_string()) about.groups.push_back(group.get<std::string>());
    }
    if (about.name.empty() && about.groups.empty()) {
      return Fail(ErrorKind::kInvalidArgument, "at least one of user or group must be specified");
    }
    return StatusOf(authorizer.Authorize(about, request));
  };
  registry.Add(Virtual(kAuthorization, "SubjectAccessReview", "subjectaccessreviews",
                       "subjectaccessreview", false, subject));
  registry.Add(Virtual(kAuthorization, "LocalSubjectAccessReview", "localsubjectaccessreviews",
                       "localsubjectaccessreview", true, subject));
  registry.Add(Virtual(
      kAuthorization, "SelfSubjectRulesReview", "selfsubjectrulesreviews", "selfsubjectrulesreview",
      false, [&authorizer](const Json& spec, const Requester& who) -> base::Result<Json> {
        Json resources = Json::array();
        Json paths = Json::array();
        for (const AccessRule& rule : authorizer.RulesOf(who, StringAt(spec, "namespace"))) {
          if (!rule.resources.empty()) {
            resources.push_back(
                {{"verbs", rule.verbs}, {"apiGroups", rule.groups}, {"resources", rule.resources}});
          }
          if (!rule.paths.empty()) {
            paths.push_back({{"verbs", rule.verbs}, {"nonResourceURLs", rule.paths}});
          }
        }
        return Json{{"resourceRules", std::move(resources)},
                    {"nonResourceRules", std::move(paths)},
                    {"incomplete", false}};
      }));
  registry.Add(Virtual(kAuthentication, "SelfSubjectReview", "selfsubjectreviews",
                       "selfsubjectreview", false,
                       [](const Json&, const Requester& who) -> base::Result<Json> {
                         return Json{{"userInfo", UserInfo(who)}};
                       }));
  registry.Add(Virtual(kAuthentication, "TokenReview", "tokenreviews", "tokenreview", false,
                       [&authenticator](const Json& spec, const Requester&) -> base::Result<Json> {
                         const auto whose =
                             authenticator.AuthenticateToken(StringAt(spec, "token"));
                         if (!whose) {
                           return Json{{"authenticated", false},
                                       {"user", Json::object()},
                                       {"error", "[invalid bearer token]"}};
                         }
                         return Json{{"authenticated", true}, {"user", UserInfo(*whose)}};
                       }));
}

}  // namespace enclave::cluster
