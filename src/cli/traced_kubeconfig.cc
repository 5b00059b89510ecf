#include "cli/traced_kubeconfig.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <set>

#include "cluster/api/object_meta.h"
#include "cluster/api/pki.h"
#include "kube/body.h"

namespace enclave::cli {
namespace {

using base::ErrorKind;
using base::Fail;
using kube::At;
using kube::Json;
using kube::StringAt;

base::Result<Json> ReadKubeconfig(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file)
    return Fail(ErrorKind::kNotFound,
                fmt::format("cannot read {}: {}", path, std::strerror(errno)));
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  ASSIGN_OR_RETURN(std::vector<Json> documents, kube::ParseManifests(text));
  if (documents.size() != 1 || !documents.front().is_object())
    return Fail(ErrorKind::kInvalidArgument, fmt::format("{} is no kubeconfig", path));
  return std::move(documents.front());
}

// What tells a user's credentials from others'.
std::string CredentialsOf(const Json& user) {
  const std::string& token = StringAt(user, "token");
  return token.empty() ? StringAt(user, "client-certificate-data") : token;
}

void MakeAbsolute(Json& value, const std::string& directory) {
  if (!value.is_object()) return;
  for (const char* field :
       {"certificate-authority", "client-certificate", "client-key", "tokenFile"}) {
    const std::string path = StringAt(value, field);
    if (!path.empty() && !path.starts_with('/')) value[field] = directory + "/" + path;
  }
}

Json* ListIn(Json& config, const char* name) {
  const auto found = config.find(name);
  return found == config.end() || !found->is_array() ? nullptr : &*found;
}

base::Result<> WriteAll(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0)
      return Fail(ErrorKind::kUnavailable,
                  fmt::format("writing a kubeconfig to memory: {}", std::strerror(errno)));
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

}  // namespace

Json WithTrace(Json config, const Json& enclave, const trace::TraceId& trace_id,
               const std::string& directory) {
  std::set<std::string> administrators;
  for (const Json& entry : At(enclave, "users")) {
    administrators.insert(CredentialsOf(At(entry, "user")));
  }
  administrators.erase("");
  bool found = false;
  if (Json* users = ListIn(config, "users")) {
    for (Json& entry : *users) {
      if (!entry.is_object() || !entry.contains("user")) continue;
      Json& user = entry["user"];
      MakeAbsolute(user, directory);
      if (!administrators.contains(CredentialsOf(user))) continue;
      found = true;
      user["as"] = cluster::kAdminUser;
      user["as-groups"] = Json::array({cluster::kAdminGroup});
      user["as-user-extra"] = {{cluster::kTraceIdAnnotation, Json::array({trace_id.ToString()})}};
    }
  }
  if (!found) return nullptr;
  if (Json* clusters = ListIn(config, "clusters")) {
    for (Json& entry : *clusters) {
      if (entry.is_object() && entry.contains("cluster")) MakeAbsolute(entry["cluster"], directory);
    }
  }
  return config;
}

base::Result<std::optional<TracedKubeconfig>> TracedKubeconfig::Make(const StatePaths& paths,
                                                                     const std::string& path,
                                                                     const trace::TraceId& trace_id,
                                                                     bool inherited) {
  ASSIGN_OR_RETURN(const Json enclave, ReadKubeconfig(paths.kubeconfig().string()));
  ASSIGN_OR_RETURN(Json given, ReadKubeconfig(path));
  std::error_code error;
  const std::string directory =
      std::filesystem::absolute(path, error).parent_path().lexically_normal().string();
  const Json traced = WithTrace(std::move(given), enclave, trace_id, directory);
  if (traced.is_null()) return std::nullopt;

  const int fd = ::memfd_create("kubeconfig", inherited ? 0U : unsigned{MFD_CLOEXEC});
  if (fd < 0)
    return Fail(ErrorKind::kUnavailable,
                fmt::format("keeping a kubeconfig in memory: {}", std::strerror(errno)));
  TracedKubeconfig kept(fd, inherited ? fmt::format("/proc/self/fd/{}", fd)
                                      : fmt::format("/proc/{}/fd/{}", ::getpid(), fd));
  RETURN_IF_ERROR(WriteAll(fd, traced.dump(2) + "\n"));
  return kept;
}

TracedKubeconfig::~TracedKubeconfig() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace enclave::cli
