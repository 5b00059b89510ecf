#include "cluster/api/impersonation.h"

#include <fmt/format.h>
#include <strings.h>

#include <algorithm>
#include <cctype>
#include <vector>

#include "cluster/api/object_meta.h"
#include "trace/trace_id.h"

namespace enclave::cluster {
namespace {

using base::ErrorKind;
using base::Fail;

constexpr std::string_view kUser = "Impersonate-User";
constexpr std::string_view kGroup = "Impersonate-Group";
constexpr std::string_view kUid = "Impersonate-Uid";
constexpr std::string_view kExtra = "Impersonate-Extra-";
constexpr std::string_view kServiceAccount = "system:serviceaccount:";
constexpr const char* kAuthenticationGroup = "authentication.k8s.io";

// Fields that came more than once are joined with commas.
std::vector<std::string> ValuesOf(std::string_view joined) {
  std::vector<std::string> values;
  while (!joined.empty()) {
    const std::size_t comma = joined.find(',');
    std::string_view one = joined.substr(0, comma);
    while (one.starts_with(' ')) one.remove_prefix(1);
    while (one.ends_with(' ')) one.remove_suffix(1);
    if (!one.empty()) values.emplace_back(one);
    joined = comma == std::string_view::npos ? std::string_view() : joined.substr(comma + 1);
  }
  return values;
}

// The identity that the headers spell; its name is empty when they name no user.
Requester Asked(const net::Request& request) {
  Requester asked{.name = std::string(request.Header(kUser)),
                  .groups = ValuesOf(request.Header(kGroup)),
                  .uid = std::string(request.Header(kUid))};
  for (const auto& [name, value] : request.headers) {
    if (name.size() <= kExtra.size() ||
        ::strncasecmp(name.data(), kExtra.data(), kExtra.size()) != 0) {
      continue;
    }
    // Header names have no case and no slashes: keys are in lower case, percent-encoded.
    std::string key = name.substr(kExtra.size());
    std::ranges::transform(key, key.begin(), [](unsigned char c) { return std::tolower(c); });
    auto& values = asked.extra[net::PercentDecode(key, /*plus_is_space=*/false)];
    for (std::string& one : ValuesOf(value)) values.push_back(std::move(one));
  }
  return asked;
}

// "NS:NAME" of a service account's user name, as (NS, NAME); both empty for other users.
std::pair<std::string, std::string> ServiceAccountOf(std::string_view user) {
  if (!user.starts_with(kServiceAccount)) return {};
  user.remove_prefix(kServiceAccount.size());
  const std::size_t colon = user.find(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 1 == user.size()) return {};
  return {std::string(user.substr(0, colon)), std::string(user.substr(colon + 1))};
}

std::vector<AccessRequest> Questions(const Requester& asked) {
  std::vector<AccessRequest> questions;
  const auto add = [&](const char* group, const char* resource,
                       std::string name) -> AccessRequest& {
    AccessRequest& question = questions.emplace_back();
    question.verb = "impersonate";
    question.group = group;
    question.version = "v1";
    question.resource = resource;
    question.name = std::move(name);
    return question;
  };
  if (auto [ns, name] = ServiceAccountOf(asked.name); !name.empty()) {
    add("", "serviceaccounts", std::move(name)).ns = std::move(ns);
  } else {
    add("", "users", asked.name);
  }
  for (const std::string& group : asked.groups) add("", "groups", group);
  if (!asked.uid.empty()) add(kAuthenticationGroup, "uids", asked.uid);
  for (const auto& [key, values] : asked.extra) {
    for (const std::string& value : values) {
      add(kAuthenticationGroup, "userextras", value).subresource = key;
    }
  }
  return questions;
}

base::Error MayNot(const Requester& who, const AccessRequest& question, const std::string& reason) {
  std::string resource = question.resource;
  if (!question.subresource.empty()) resource += "/" + question.subresource;
  return {ErrorKind::kPermissionDenied,
          fmt::format("{} \"{}\" is forbidden: User \"{}\" cannot impersonate resource \"{}\" in "
                      "API group \"{}\" at the cluster scope{}",
                      resource, question.name, who.name, resource, question.group,
                      reason.empty() ? "" : ": " + reason)};
}

}  // namespace

base::Result<Requester> Impersonate(const Authorizer& authorizer, const net::Request& request,
                                    const Requester& who) {
  Requester asked = Asked(request);
  if (asked.name.empty()) {
    if (asked.groups.empty() && asked.uid.empty() && asked.extra.empty()) return who;
    return Fail(ErrorKind::kInvalidArgument,
                "groups, uid or extras are to be impersonated without a user: the header "
                "Impersonate-User is missing");
  }
  for (const AccessRequest& question : Questions(asked)) {
    const AccessDecision decision = authorizer.Authorize(who, question);
    if (!decision.allowed) return Fail(MayNot(who, question, decision.reason));
  }
  const auto add_group = [&asked](std::string group) {
    if (std::ranges::find(asked.groups, group) == asked.groups.end()) {
      asked.groups.push_back(std::move(group));
    }
  };
  if (const std::string ns = ServiceAccountOf(asked.name).first;
      !ns.empty() && asked.groups.empty()) {
    add_group("system:serviceaccounts");
    add_group("system:serviceaccounts:" + ns);
  }
  add_group("system:authenticated");
  return asked;
}

std::string TraceOf(const Requester& who) {
  const auto found = who.extra.find(kTraceIdAnnotation);
  if (found == who.extra.end()) return {};
  for (const std::string& value : found->second) {
    if (const auto id = trace::TraceId::Parse(value)) return id->ToString();
  }
  return {};
}

}  // namespace enclave::cluster
