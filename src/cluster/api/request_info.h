// What a request is about, read from its method, path and query (k8s.io/apiserver RequestInfo).
#pragma once

#include <string>

#include "base/result.h"
#include "net/http.h"

namespace enclave::cluster {

struct RequestInfo {
  // "get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"; for paths
  // that are no resources the method in lower case.
  std::string verb;
  // A path under /api/VERSION or /apis/GROUP/VERSION that names a resource.
  bool is_resource = false;
  std::string group;
  std::string version;
  std::string ns;
  std::string resource;  // plural
  std::string name;
  std::string subresource;
  std::string subpath;  // behind the subresource "proxy": "metrics/cadvisor"

  bool mutating() const;
  std::string GroupResource() const { return group.empty() ? resource : resource + "." + group; }
};

// kNotFound for a path below a version that no resource can have; kInvalidArgument for parts that
// are no legal path segments (".", "..", with '/' or '%').
base::Result<RequestInfo> ParseRequestInfo(const net::Request& request);

}  // namespace enclave::cluster
