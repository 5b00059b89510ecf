// An enclave of the test's own: booted, driven and ended through the program, as a user does it.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "system/command.h"

namespace enclave::system_test {

using Json = nlohmann::json;

// The program under test: $ENCLAVE_BINARY, else the release build of this checkout.
std::string EnclaveBinary();
// A file of the checkout's tests/ folder.
std::string TestFile(const std::string& name);

class Enclave {
 public:
  Enclave();   // makes an empty state directory under /tmp
  ~Enclave();  // ends what is left, and deletes the state
  Enclave(const Enclave&) = delete;
  Enclave& operator=(const Enclave&) = delete;

  // `enclave up --wait`; a failed expectation when it does not come up.
  bool Up();
  Output Command(std::vector<std::string> arguments,
                 std::chrono::seconds timeout = std::chrono::seconds(60)) const;
  Json Status() const;  // `enclave status -o json`

  const std::filesystem::path& state() const { return state_; }
  std::string kubeconfig() const { return (state_ / "kubeconfig").string(); }
  std::string server() const;  // "https://127.x.y.z:6443"
  pid_t cluster_pid() const;
  // Every process on this machine that belongs to this enclave: it names the state directory in its
  // arguments or environment, or works in it.
  std::set<pid_t> Processes() const;

  // `enclave down`, then a kill of what is left.
  void End() const;

 private:
  std::filesystem::path state_;
};

// An empty folder of this process's own under /tmp, and its end.
std::filesystem::path MakeFolder(const std::string& name);
void RemoveFolder(const std::filesystem::path& folder);

// Ends every enclave that this process has, as far as it has come, with all it started, and removes
// its folders; bounded in time. For a process that is told to end: other threads can make no
// enclave or folder, nor be done with one, any more.
void EndEverything();

// Reads `path` ("a.b.0.c") from a document; null when it is not there.
Json At(const Json& document, const std::string& path);
std::string StringAt(const Json& document, const std::string& path);
long long IntAt(const Json& document, const std::string& path, long long otherwise = 0);

}  // namespace enclave::system_test
