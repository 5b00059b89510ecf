// How to reach a cluster: kubeconfig files as kubectl reads and merges them ("Organizing Cluster
// Access Using kubeconfig Files"), and the service account of a pod.
//
// Not supported, with an error that says so: exec and auth-provider plug-ins, proxies, user name
// and password.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kube/object.h"
#include "net/tls.h"

namespace enclave::kube {

// Everything a client needs. Never logged: it holds secrets.
struct ClientConfig {
  std::string server;          // "https://127.0.0.1:6443"
  std::string ns = "default";  // of the context
  net::TlsClientConfig tls;
  std::string token;
  std::string token_file;  // read again each minute; wins over `token` when it can be read
};

class Kubeconfig {
 public:
  // One file's text. Relative paths in it are taken as relative to `directory`.
  static base::Result<Kubeconfig> Parse(std::string_view text, const std::string& directory);
  // Files in order of precedence; missing ones are skipped, kNotFound when all are missing.
  static base::Result<Kubeconfig> Load(const std::vector<std::string>& paths);

  // Adds what `other` has and this has not: the first to set a value wins.
  void Merge(const Kubeconfig& other);

  const std::string& current_context() const { return current_context_; }
  std::vector<std::string> contexts() const;
  // The named context, or the current one; reads the files it names.
  base::Result<ClientConfig> Resolve(const std::string& context = "") const;

 private:
  std::string current_context_;
  Json clusters_ = Json::object();  // name -> value; paths made absolute
  Json users_ = Json::object();
  Json contexts_ = Json::object();
};

// Where kubectl looks: the list in $KUBECONFIG, else ~/.kube/config.
std::vector<std::string> KubeconfigPaths();

inline constexpr std::string_view kServiceAccountDirectory =
    "/var/run/secrets/kubernetes.io/serviceaccount";

// The pod's own service account: KUBERNETES_SERVICE_HOST and _PORT, token, ca.crt, namespace.
// kNotFound when this is no pod.
base::Result<ClientConfig> InClusterConfig(
    const std::string& directory = std::string(kServiceAccountDirectory));

// $KUBECONFIG when set, else the pod's service account, else ~/.kube/config.
base::Result<ClientConfig> DefaultClientConfig(const std::string& context = "");

struct KubeconfigEntry {
  std::string name;  // of cluster, user and context
  std::string server;
  std::string ca_pem;
  net::KeyPair identity;  // or
  std::string token;
  std::string ns;
};
// A kubeconfig with this one context, as YAML, certificates embedded.
std::string FormatKubeconfig(const KubeconfigEntry& entry);
// Replaces the file at once, readable by its owner only.
base::Result<> SaveKubeconfig(const std::string& path, std::string_view text);

}  // namespace enclave::kube
