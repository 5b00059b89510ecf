// Every kubectl that can be had on this machine, and how the tests call one.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "system/enclave_fixture.h"

namespace enclave::system_test {

struct KubectlProgram {
  std::string path;
  int minor = 0;  // 33 of v1.33.4
  std::string name() const { return "1." + std::to_string(minor); }
};

// One per minor version, oldest first: Debian's own (fetched as a package and unpacked aside, since
// its installation excludes others), what is on the PATH or came with the Google Cloud SDK, and a
// new one out of an npm package.
const std::vector<KubectlProgram>& FindKubectls();
// The newest of them; when there is none, one that cannot be started, with minor version 0.
KubectlProgram NewestKubectl();

class Kubectl {
 public:
  // A kubectl with caches of its own, talking to the enclave as its administrator.
  Kubectl(const Enclave& enclave, KubectlProgram program, std::string name_space = "");
  ~Kubectl();
  Kubectl(const Kubectl&) = delete;
  Kubectl& operator=(const Kubectl&) = delete;

  int minor() const { return program_.minor; }
  const std::string& name_space() const { return namespace_; }
  const Enclave& enclave() const { return enclave_; }

  std::vector<std::string> Argv(std::vector<std::string> arguments) const;
  RunOptions Options(std::string input = "") const;
  // `arguments` as typed, split at spaces.
  Output operator()(const std::string& arguments, const std::string& input = "") const;
  Output operator()(std::vector<std::string> arguments, const std::string& input = "") const;
  // The same, expected to succeed.
  std::string Must(const std::string& arguments, const std::string& input = "") const;
  Json Get(const std::string& arguments) const;  // `get ARGUMENTS -o json`; null when it fails
  // Waits until `get ARGUMENTS -o json` answers what the condition wants.
  bool Until(const std::string& arguments, const std::function<bool(const Json&)>& condition,
             std::chrono::seconds timeout = std::chrono::seconds(30)) const;

 private:
  const Enclave& enclave_;
  KubectlProgram program_;
  std::string namespace_;
  std::filesystem::path cache_;
};

}  // namespace enclave::system_test
