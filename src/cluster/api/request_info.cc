#include "cluster/api/request_info.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <vector>

namespace enclave::cluster {
namespace {

using base::ErrorKind;
using base::Fail;
using base::Result;

constexpr std::size_t kMaxParts = 9;

std::vector<std::string> Split(const std::string& path) {
  std::vector<std::string> parts;
  std::size_t at = 0;
  while (at < path.size()) {
    std::size_t end = path.find('/', at);
    if (end == std::string::npos) end = path.size();
    if (end > at) parts.push_back(path.substr(at, end - at));
    at = end + 1;
    if (parts.size() > kMaxParts) break;
  }
  return parts;
}

bool Flag(const net::Request& request, std::string_view name) {
  const auto value = request.Query(name);
  return value && *value != "false" && *value != "0";
}

std::string Lower(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::string VerbOf(const net::Request& request, bool one) {
  if (request.method == "GET" || request.method == "HEAD") {
    // Exact, as clients send it: a watch of one object is a watch of the collection with a field
    // selector.
    if (Flag(request, "watch")) return "watch";
    return one ? "get" : "list";
  }
  if (request.method == "POST") return "create";
  if (request.method == "PUT") return "update";
  if (request.method == "PATCH") return "patch";
  if (request.method == "DELETE") return one ? "delete" : "deletecollection";
  return Lower(request.method);
}

}  // namespace

bool RequestInfo::mutating() const {
  return verb == "create" || verb == "update" || verb == "patch" || verb == "delete" ||
         verb == "deletecollection";
}

Result<RequestInfo> ParseRequestInfo(const net::Request& request) {
  RequestInfo info;
  std::vector<std::string> parts = Split(request.path);
  const auto not_found = [&] {
    return Fail(ErrorKind::kNotFound, "the server could not find the requested resource");
  };
  if (parts.size() > kMaxParts) return not_found();
  for (const std::string& part : parts) {
    if (part == "." || part == ".." || part.find('%') != std::string::npos ||
        part.find('\0') != std::string::npos) {
      return Fail(ErrorKind::kInvalidArgument,
                  fmt::format("\"{}\" may not be a part of a path", part.substr(0, 64)));
    }
  }
  std::size_t at = 0;
  if (parts.size() > 2 && parts[0] == "api") {
    info.version = parts[1];
    at = 2;
  } else if (parts.size() > 3 && parts[0] == "apis") {
    info.group = parts[1];
    info.version = parts[2];
    at = 3;
  } else {
    info.verb = Lower(request.method);
    return info;
  }
  info.is_resource = true;
  // namespaces/NS/RESOURCE…, but namespaces, namespaces/NS and namespaces/NS/{status,finalize} are
  // about the Namespace itself.
  const auto rest = [&] { return parts.size() - at; };
  if (parts[at] == "namespaces" && rest() >= 3 && parts[at + 2] != "status" &&
      parts[at + 2] != "finalize") {
    info.ns = parts[at + 1];
    at += 2;
  }
  info.resource = parts[at];
  if (rest() > 1) info.name = parts[at + 1];
  if (rest() > 2) info.subresource = parts[at + 2];
  if (rest() > 3) {
    if (info.subresource != "proxy") return not_found();
    for (std::size_t i = at + 3; i < parts.size(); ++i) {
      info.subpath += (info.subpath.empty() ? "" : "/") + parts[i];
    }
  }
  info.verb = VerbOf(request, !info.name.empty());
  return info;
}

}  // namespace enclave::cluster
