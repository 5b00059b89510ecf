// One kubectl at work on the acceptance table, and what its rows have in common.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "system/enclave_fixture.h"
#include "system/kubectl.h"

namespace enclave::system_test {

class Session {
 public:
  explicit Session(const KubectlProgram& program);

  bool up() const { return up_; }
  Enclave& enclave() { return enclave_; }
  Kubectl& kubectl() { return kubectl_; }
  const std::string& name_space() const { return kubectl_.name_space(); }
  // What ran before the first pod did.
  const std::set<pid_t>& own_processes() const { return own_processes_; }

  // What earlier rows leave behind, made when it is not there: the namespace, the pods that die,
  // the Deployment and Service `web` rolled out with two or more ready replicas.
  void NeedNamespace();
  void NeedCrashing();
  void NeedWeb();
  std::vector<std::string> PodNames(const std::string& selector);

 private:
  Enclave enclave_;
  Kubectl kubectl_;
  bool up_ = false;
  std::set<pid_t> own_processes_;
};

// The path of a file of tests/manifests.
std::string Manifest(const std::string& name);
// Lines that are not empty.
std::vector<std::string> Lines(const std::string& text);
std::vector<std::string> Words(const std::string& text);

// Expects exit code 1 and `why` among the complaints.
Output Fails(const Kubectl& k, const std::string& arguments, const std::string& why);
// Expects that the rollout of a Deployment ends well.
void RolledOut(const Kubectl& k, const std::string& deployment);
// A Deployment whose replicas are all up to date and ready.
bool AllReady(const Json& deployment, long long replicas);

}  // namespace enclave::system_test
