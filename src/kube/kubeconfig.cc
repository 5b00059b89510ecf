#include "kube/kubeconfig.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include "kube/body.h"

namespace enclave::kube {
namespace {

using base::ErrorKind;
using base::Fail;

constexpr std::size_t kMaxFile = 4 << 20;

base::Result<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    const int error = errno;
    return Fail(
        error == ENOENT || error == ENOTDIR ? ErrorKind::kNotFound : ErrorKind::kPermissionDenied,
        fmt::format("cannot read {}: {}", path, std::strerror(error)));
  }
  std::string text(kMaxFile + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (file.bad() || (text.empty() && std::filesystem::is_directory(path))) {
    return Fail(ErrorKind::kInvalidArgument, fmt::format("cannot read {}", path));
  }
  if (text.size() > kMaxFile) {
    return Fail(ErrorKind::kTooLarge, fmt::format("{} is larger than {} bytes", path, kMaxFile));
  }
  return text;
}

// [{name: N, FIELD: value}...] as name -> value.
base::Result<Json> ByName(const Json& file, const char* list, const char* field) {
  Json result = Json::object();
  const Json& entries = At(file, list);
  if (entries.is_null()) return result;
  if (!entries.is_array()) {
    return Fail(ErrorKind::kInvalidArgument,
                fmt::format("kubeconfig: \"{}\" must be a list", list));
  }
  for (const Json& entry : entries) {
    const std::string& name = StringAt(entry, "name");
    const Json& value = At(entry, field);
    if (name.empty() || !(value.is_object() || value.is_null())) {
      return Fail(
          ErrorKind::kInvalidArgument,
          fmt::format("kubeconfig: an entry of \"{}\" needs a name and \"{}\"", list, field));
    }
    // As with several files, the first wins.
    if (!result.contains(name)) result[name] = value.is_null() ? Json::object() : value;
  }
  return result;
}

void MakeAbsolute(Json& value, const char* field, const std::string& directory) {
  const std::string path = StringAt(value, field);
  if (!path.empty() && !path.starts_with('/') && !directory.empty()) {
    value[field] = directory + "/" + path;
  }
}

// The PEM text in FIELD-data (base64), else in the file named by FIELD; "" when neither is set.
base::Result<std::string> PemOf(const Json& value, const std::string& field) {
  std::string data = StringAt(value, field + "-data");
  if (!data.empty()) {
    std::erase_if(data, [](char c) { return c == '\n' || c == '\r' || c == ' ' || c == '\t'; });
    auto decoded = net::Base64Decode(data);
    if (!decoded) {
      return Fail(ErrorKind::kInvalidArgument,
                  fmt::format("kubeconfig: \"{}-data\" is not base64", field));
    }
    return decoded;
  }
  const std::string& path = StringAt(value, field);
  if (path.empty()) return std::string();
  auto text = ReadFile(path);
  if (!text) return Fail(text.error().While(fmt::format("kubeconfig: \"{}\"", field)));
  return text;
}

base::Result<Json> Named(const Json& entries, const char* what, const std::string& name) {
  const auto found = entries.find(name);
  if (found != entries.end()) return *found;
  return Fail(ErrorKind::kNotFound, fmt::format("kubeconfig: there is no {} \"{}\"", what, name));
}

std::string Trimmed(std::string text) {
  while (!text.empty() && std::string_view(" \t\r\n").contains(text.back())) text.pop_back();
  return text;
}

}  // namespace

base::Result<Kubeconfig> Kubeconfig::Parse(std::string_view text, const std::string& directory) {
  ASSIGN_OR_RETURN(const std::vector<Json> documents, ParseManifests(text));
  Kubeconfig config;
  if (documents.empty()) return config;
  const Json& file = documents.front();
  if (documents.size() > 1 || !file.is_object()) {
    return Fail(ErrorKind::kInvalidArgument, "kubeconfig: expected one YAML map");
  }
  const std::string& kind = StringAt(file, "kind");
  if (!kind.empty() && kind != "Config") {
    return Fail(ErrorKind::kInvalidArgument,
                fmt::format("kubeconfig: kind is \"{}\", expected \"Config\"", kind));
  }
  config.current_context_ = StringAt(file, "current-context");
  ASSIGN_OR_RETURN(config.clusters_, ByName(file, "clusters", "cluster"));
  ASSIGN_OR_RETURN(config.users_, ByName(file, "users", "user"));
  ASSIGN_OR_RETURN(config.contexts_, ByName(file, "contexts", "context"));
  for (Json& cluster : config.clusters_) MakeAbsolute(cluster, "certificate-authority", directory);
  for (Json& user : config.users_) {
    for (const char* field : {"client-certificate", "client-key", "tokenFile"}) {
      MakeAbsolute(user, field, directory);
    }
  }
  return config;
}

base::Result<Kubeconfig> Kubeconfig::Load(const std::vector<std::string>& paths) {
  Kubeconfig merged;
  bool found = false;
  for (const std::string& path : paths) {
    auto text = ReadFile(path);
    if (!text && text.error().kind() == ErrorKind::kNotFound) continue;
    if (!text) return std::unexpected(text.error());
    auto config = Parse(*text, std::filesystem::path(path).parent_path().string());
    if (!config) return Fail(config.error().While(path));
    merged.Merge(*config);
    found = true;
  }
  if (found) return merged;
  return Fail(ErrorKind::kNotFound,
              fmt::format("no kubeconfig found at {}; set KUBECONFIG or start a cluster",
                          fmt::join(paths, ", ")));
}

void Kubeconfig::Merge(const Kubeconfig& other) {
  if (current_context_.empty()) current_context_ = other.current_context_;
  // insert keeps what is there already.
  clusters_.insert(other.clusters_.begin(), other.clusters_.end());
  users_.insert(other.users_.begin(), other.users_.end());
  contexts_.insert(other.contexts_.begin(), other.contexts_.end());
}

std::vector<std::string> Kubeconfig::contexts() const {
  std::vector<std::string> names;
  for (const auto& [name, context] : contexts_.items()) names.push_back(name);
  return names;
}

base::Result<ClientConfig> Kubeconfig::Resolve(const std::string& context_name) const {
  const std::string& wanted = context_name.empty() ? current_context_ : context_name;
  if (wanted.empty()) {
    return Fail(ErrorKind::kNotFound, "kubeconfig: there is no current-context; name a context");
  }
  ASSIGN_OR_RETURN(const Json context, Named(contexts_, "context", wanted));
  ASSIGN_OR_RETURN(const Json cluster, Named(clusters_, "cluster", StringAt(context, "cluster")));
  Json user = Json::object();
  if (const std::string& name = StringAt(context, "user"); !name.empty()) {
    ASSIGN_OR_RETURN(user, Named(users_, "user", name));
  }
  for (const char* field : {"exec", "auth-provider", "username"}) {
    if (!user.contains(field) || user[field].is_null()) continue;
    return Fail(ErrorKind::kUnprocessable,
                fmt::format("kubeconfig: user \"{}\" authenticates by \"{}\", which is not "
                            "supported; use a client certificate or a token",
                            StringAt(context, "user"), field));
  }
  if (!StringAt(cluster, "proxy-url").empty()) {
    return Fail(ErrorKind::kUnprocessable, "kubeconfig: \"proxy-url\" is not supported");
  }

  ClientConfig config;
  config.server = StringAt(cluster, "server");
  while (config.server.ends_with('/')) config.server.pop_back();
  if (!config.server.starts_with("https://") && !config.server.starts_with("http://")) {
    return Fail(ErrorKind::kInvalidArgument,
                fmt::format("kubeconfig: cluster \"{}\" needs a server such as "
                            "https://127.0.0.1:6443",
                            StringAt(context, "cluster")));
  }
  if (const std::string& ns = StringAt(context, "namespace"); !ns.empty()) config.ns = ns;
  config.tls.insecure_skip_verify = BoolAt(cluster, "insecure-skip-tls-verify");
  config.tls.server_name = StringAt(cluster, "tls-server-name");
  ASSIGN_OR_RETURN(config.tls.ca_pem, PemOf(cluster, "certificate-authority"));
  ASSIGN_OR_RETURN(config.tls.identity.certificate_pem, PemOf(user, "client-certificate"));
  ASSIGN_OR_RETURN(config.tls.identity.private_key_pem, PemOf(user, "client-key"));
  if (config.tls.identity.certificate_pem.empty() != config.tls.identity.private_key_pem.empty()) {
    return Fail(ErrorKind::kInvalidArgument,
                "kubeconfig: a client certificate needs its key, and the key its certificate");
  }
  config.token = StringAt(user, "token");
  config.token_file = StringAt(user, "tokenFile");
  return config;
}

std::vector<std::string> KubeconfigPaths() {
  std::vector<std::string> paths;
  if (const char* list = std::getenv("KUBECONFIG"); list != nullptr && *list != '\0') {
    std::string_view rest = list;
    while (true) {
      const std::size_t colon = rest.find(':');
      if (const auto path = rest.substr(0, colon); !path.empty()) paths.emplace_back(path);
      if (colon == std::string_view::npos) return paths;
      rest.remove_prefix(colon + 1);
    }
  }
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0') {
    paths.push_back(std::string(home) + "/.kube/config");
  }
  return paths;
}

base::Result<ClientConfig> InClusterConfig(const std::string& directory) {
  const char* host = std::getenv("KUBERNETES_SERVICE_HOST");
  const char* port = std::getenv("KUBERNETES_SERVICE_PORT");
  if (host == nullptr || port == nullptr || *host == '\0' || *port == '\0') {
    return Fail(ErrorKind::kNotFound,
                "this is no pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set");
  }
  ClientConfig config;
  const bool v6 = std::string_view(host).contains(':');
  config.server = fmt::format(fmt::runtime(v6 ? "https://[{}]:{}" : "https://{}:{}"), host, port);
  config.token_file = directory + "/token";
  ASSIGN_OR_RETURN(std::string token, ReadFile(config.token_file));
  config.token = Trimmed(std::move(token));
  ASSIGN_OR_RETURN(config.tls.ca_pem, ReadFile(directory + "/ca.crt"));
  if (auto ns = ReadFile(directory + "/namespace")) {
    if (std::string name = Trimmed(std::move(*ns)); !name.empty()) config.ns = std::move(name);
  }
  return config;
}

base::Result<ClientConfig> DefaultClientConfig(const std::string& context) {
  const char* list = std::getenv("KUBECONFIG");
  if ((list == nullptr || *list == '\0') && context.empty()) {
    auto pod = InClusterConfig();
    if (pod || pod.error().kind() != ErrorKind::kNotFound) return pod;
  }
  ASSIGN_OR_RETURN(const Kubeconfig config, Kubeconfig::Load(KubeconfigPaths()));
  return config.Resolve(context);
}

std::string FormatKubeconfig(const KubeconfigEntry& entry) {
  // A JSON string is a double-quoted YAML scalar.
  const auto quoted = [](const std::string& text) {
    return Json(text).dump(-1, ' ', true, Json::error_handler_t::replace);
  };
  const std::string name = quoted(entry.name);
  std::string text = "apiVersion: v1\nkind: Config\n";
  text += fmt::format("current-context: {}\n", name);
  text += fmt::format("clusters:\n- name: {}\n  cluster:\n    server: {}\n", name,
                      quoted(entry.server));
  if (!entry.ca_pem.empty()) {
    text += fmt::format("    certificate-authority-data: {}\n", net::Base64Encode(entry.ca_pem));
  }
  text += fmt::format("contexts:\n- name: {}\n  context:\n    cluster: {}\n    user: {}\n", name,
                      name, name);
  if (!entry.ns.empty()) text += fmt::format("    namespace: {}\n", quoted(entry.ns));
  text += fmt::format("users:\n- name: {}\n  user:", name);
  if (entry.identity.certificate_pem.empty() && entry.token.empty()) return text + " {}\n";
  text += '\n';
  if (!entry.identity.certificate_pem.empty()) {
    text += fmt::format("    client-certificate-data: {}\n    client-key-data: {}\n",
                        net::Base64Encode(entry.identity.certificate_pem),
                        net::Base64Encode(entry.identity.private_key_pem));
  }
  if (!entry.token.empty()) text += fmt::format("    token: {}\n", quoted(entry.token));
  return text;
}

base::Result<> SaveKubeconfig(const std::string& path, std::string_view text) {
  const auto fail = [&](const char* doing) {
    return Fail(ErrorKind::kUnavailable,
                fmt::format("cannot {} {}: {}", doing, path, std::strerror(errno)));
  };
  std::string temporary = path + ".XXXXXX";
  const int fd = ::mkostemp(temporary.data(), O_CLOEXEC);  // mode 0600
  if (fd < 0) return fail("create a file beside");
  bool written = true;
  for (std::string_view rest = text; written && !rest.empty();) {
    const ssize_t count = ::write(fd, rest.data(), rest.size());
    if (count > 0) rest.remove_prefix(static_cast<std::size_t>(count));
    written = count > 0 || errno == EINTR;
  }
  written = written && ::fsync(fd) == 0;
  ::close(fd);
  if (written && std::rename(temporary.c_str(), path.c_str()) == 0) return {};
  auto failure = fail("write");
  ::unlink(temporary.c_str());
  return failure;
}

}  // namespace enclave::kube
