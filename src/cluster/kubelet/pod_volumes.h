// The volumes of one pod: makes them, keeps those that show API objects up to date, and says where
// containers mount them.
//
// Kinds: configMap, secret, downwardAPI, projected (with serviceAccountToken), emptyDir, hostPath.
// A pod without an injected token volume (it is older than the API server's injecting, or the API
// does not inject) gets one at kTokenDirectory, unless it or its ServiceAccount says
// automountServiceAccountToken: false.
//
// Thread safety: lives on the kubelet's executor.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "cluster/kubelet/environment.h"
#include "cluster/kubelet/kubelet_context.h"

namespace enclave::cluster {

inline constexpr const char* kTokenDirectory = "/var/run/secrets/kubernetes.io/serviceaccount";

class PodVolumes {
 public:
  explicit PodVolumes(const KubeletContext& context) : context_(context) {}

  // Makes all volumes, or brings them up to date. The error is ready for a FailedMount event; what
  // was made stays. Tokens are renewed after four fifths of their life.
  base::Result<> Prepare(const kube::Object& pod, const PodAddress& address);
  // When Prepare should run again for a token's sake.
  std::optional<base::MonoTime> next_renewal() const;
  // Whether the last Prepare read that object.
  bool Reads(const kube::Kind& kind, const std::string& name) const;

  // After a successful Prepare. kInvalidArgument when a volumeMount names no volume.
  base::Result<std::vector<Mount>> MountsOf(const kube::Json& container,
                                            const Environment& environment) const;

 private:
  struct Token {
    std::string text;
    base::MonoTime renew_at{};
  };
  struct Volume {
    std::string path;
    bool read_only = false;
  };

  base::Result<Volume> Make(const kube::Object& pod, const PodAddress& address,
                            const kube::Json& volume);
  base::Result<> AddKeys(const kube::Object& pod, const kube::Json& source, bool secret,
                         int default_mode, VolumeFiles& files);
  base::Result<> AddDownward(const kube::Object& pod, const PodAddress& address,
                             const kube::Json& source, int default_mode, VolumeFiles& files);
  base::Result<> AddToken(const kube::Object& pod, const std::string& volume,
                          const kube::Json& source, VolumeFiles& files);
  base::Result<> AddProjected(const kube::Object& pod, const PodAddress& address,
                              const kube::Json& volume, VolumeFiles& files);
  // The pod's own word counts, else its ServiceAccount's.
  bool WantsToken(const kube::Object& pod) const;
  base::Result<> MakeImplicitToken(const kube::Object& pod);

  const KubeletContext& context_;
  std::map<std::string, Volume> volumes_;                        // by name
  std::map<std::pair<std::string, std::string>, Token> tokens_;  // by volume and path
  std::set<std::pair<std::string, std::string>> read_;           // kind and name
};

}  // namespace enclave::cluster
