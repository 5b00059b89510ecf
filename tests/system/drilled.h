// A drill, begun as a user does it, and what its end must hold whatever was killed meanwhile.
#pragma once

#include <memory>

#include "system/kubectl.h"

namespace enclave::system_test {

// Kills "agent", "observatory" or "cluster" with SIGKILL, when it runs again if it does not just
// now. False: it did not come back.
bool Kill(const Enclave& enclave, const std::string& part);
// What `enclave ARGUMENTS -o json` answers; null when it is no JSON.
Json AskEnclave(const Enclave& enclave, std::vector<std::string> arguments);
// "http://10.0.0.1:9096"
std::string AgentUrl(const Kubectl& kubectl);

class DrillRun {
 public:
  // `enclave drill NAME -o json`, with limits that a loaded machine keeps too, and no promise of
  // how fast answers come.
  DrillRun(const Enclave& enclave, const std::string& name);
  ~DrillRun();
  DrillRun(const DrillRun&) = delete;
  DrillRun& operator=(const DrillRun&) = delete;

  // Until it told the command that breaks something.
  bool WaitUntilBroken();
  bool over();
  int WaitEnd();         // its exit code
  Json Verdict() const;  // of the last line; null when there is none
  std::string Printed() const { return process_->Printed(); }

 private:
  const std::filesystem::path folder_;
  std::unique_ptr<Background> process_;
};

// All incidents of the agent are over (waits for it), each can be told from the request to the
// action and back, and what the agent wrote to the boutique is what its ledger says, once. Failed
// expectations tell what is not so.
void ExpectWholeStory(const Kubectl& kubectl);

}  // namespace enclave::system_test
