// The same enclave, driven by a client that shares nothing with kubectl: npm's
// @kubernetes/client-node.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "system/kubectl.h"
#include "system/npm_client.h"

namespace enclave::system_test {
namespace {

using testing::HasSubstr;

TEST(ClientNodeTest, ListsWatchesPatchesAndReadsLogs) {
  const std::filesystem::path client = InstalledNpmClient("client-node");
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
