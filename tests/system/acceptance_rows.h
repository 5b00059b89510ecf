// The rows of the acceptance table, as data, and the session in which one kubectl runs them.
#pragma once

#include <functional>
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

struct Row {
  int number = 0;
  const char* name = "";
  bool sweep = false;  // also with the kubectls between the oldest and the newest
  int since = 0;       // the first minor version that has what the row uses
  std::function<void(Session&)> run;
};

const std::vector<Row>& AcceptanceRows();

// Called before the tests run.
void RegisterAcceptanceTable();

}  // namespace enclave::system_test
