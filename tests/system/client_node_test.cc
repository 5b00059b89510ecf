// The same enclave, driven by a client that shares nothing with kubectl: npm's
// @kubernetes/client-node.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "system/kubectl.h"

namespace enclave::system_test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

std::string Content(const fs::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// The client with what it depends on, in build/tools: installed once for each lock file. Empty when
// it cannot be had.
fs::path InstalledClient() {
  const fs::path source = TestFile("client-node");
  const fs::path folder = fs::path(ENCLAVE_SOURCE_DIR) / "build" / "tools" / "client-node";
  std::error_code error;
  fs::create_directories(folder, error);
  for (const char* file : {"package.json", "check.mjs"})
    fs::copy_file(source / file, folder / file, fs::copy_options::overwrite_existing, error);
  if (Content(folder / "package-lock.json") == Content(source / "package-lock.json") &&
      fs::exists(folder / "installed"))
    return folder;
  fs::copy_file(source / "package-lock.json", folder / "package-lock.json",
                fs::copy_options::overwrite_existing, error);
  fs::remove(folder / "installed", error);
  const Output installed =
      Execute({"npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"},
              {.directory = folder.string(), .timeout = std::chrono::seconds(240)});
  EXPECT_EQ(installed.code, 0) << installed.Story();
  if (installed.code != 0) return {};
  std::ofstream(folder / "installed") << "yes\n";
  return folder;
}

TEST(ClientNodeTest, ListsWatchesPatchesAndReadsLogs) {
  const fs::path client = InstalledClient();
  ASSERT_FALSE(client.empty());
  Enclave enclave;
  ASSERT_TRUE(enclave.Up());
  const Kubectl k(enclave, NewestKubectl());
  k.Must("apply -f " + TestFile("manifests/web.yaml"));
  k.Must("rollout status deploy/web --timeout=60s");
  const Output checked =
      Execute({"node", "check.mjs"}, {.environment = {{"KUBECONFIG", enclave.kubeconfig()}},
                                      .directory = client.string(),
                                      .timeout = std::chrono::seconds(200)});
  EXPECT_EQ(checked.code, 0) << checked.Story();
  for (const char* part :
       {"ok list", "ok watch", "ok informer", "ok patch", "ok logs", "ok errors"})
    EXPECT_THAT(checked.out, HasSubstr(part)) << checked.err;
}

}  // namespace
}  // namespace enclave::system_test
