#include "system/session.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace enclave::system_test {

using testing::HasSubstr;

Session::Session(const KubectlProgram& program)
    : kubectl_(enclave_, program, fmt::format("t{}", program.minor)) {
  up_ = enclave_.Up();
  own_processes_ = enclave_.Processes();
}

void Session::NeedNamespace() {
  if (kubectl_("get ns " + kubectl_.name_space()).code == 0) return;
  kubectl_.Must(
      "create -f -",
      fmt::format(
          "{{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{{\"name\":\"{}\"}}}}",
          kubectl_.name_space()));
}

void Session::NeedCrashing() {
  NeedNamespace();
  if (kubectl_("get pod greedy").code == 0) return;
  kubectl_.Must("apply -f " + Manifest("crash.yaml"));
}

void Session::NeedWeb() {
  NeedNamespace();
  if (kubectl_("get deploy web").code == 0 && kubectl_("get svc web").code == 0) return;
  kubectl_.Must("apply -f " + Manifest("web.yaml"));
  RolledOut(kubectl_, "web");
}

std::vector<std::string> Session::PodNames(const std::string& selector) {
  std::vector<std::string> names;
  for (const Json& pod : At(kubectl_.Get("pods -l " + selector), "items"))
    if (!At(pod, "metadata.deletionTimestamp").is_string())
      names.push_back(StringAt(pod, "metadata.name"));
  return names;
}

std::string Manifest(const std::string& name) {
  return TestFile("manifests/" + name);
}

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);)
    if (!line.empty()) lines.push_back(line);
  return lines;
}

std::vector<std::string> Words(const std::string& text) {
  std::vector<std::string> words;
  std::istringstream stream(text);
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

Output Fails(const Kubectl& k, const std::string& arguments, const std::string& why) {
  Output output = k(arguments);
  EXPECT_EQ(output.code, 1) << output.Story();
  EXPECT_THAT(output.err, HasSubstr(why)) << output.Story();
  return output;
}

void RolledOut(const Kubectl& k, const std::string& deployment) {
  EXPECT_THAT(k.Must("rollout status deploy/" + deployment + " --timeout=60s"),
              HasSubstr("successfully rolled out"));
}

bool AllReady(const Json& deployment, long long replicas) {
  return IntAt(deployment, "status.readyReplicas") == replicas &&
         IntAt(deployment, "status.updatedReplicas") == replicas &&
         IntAt(deployment, "status.replicas") == replicas;
}

}  // namespace enclave::system_test
