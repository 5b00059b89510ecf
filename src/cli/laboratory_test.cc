#include "cli/laboratory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "base/random.h"
#include "base/simulated_executor.h"
#include "kube/fake_api.h"

namespace enclave::cli {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class LaboratoryTest : public testing::Test {
 protected:
  LaboratoryTest() {
    std::string pattern = (fs::temp_directory_path() / "laboratory.XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    paths_.root = folder_ / "state";
  }
  ~LaboratoryTest() override { fs::remove_all(folder_); }

  void Write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
  }
  auto Read() { return ReadManifests({folder_}, paths_); }

  fs::path folder_;
  StatePaths paths_;
  base::SimulatedExecutor executor_;
  base::SeededRandom random_{1};
  kube::FakeApi api_{executor_, random_};
};

constexpr const char* kShop = R"(
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: shop}
data: {directory: "${ENCLAVE_STATE}/data"}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
)";

TEST_F(LaboratoryTest, NamespacesComeFirstAndTheStateIsNamed) {
  Write("shop.yaml", kShop);
  Write("notes.txt", "not a manifest");
  const auto objects = Read();
  ASSERT_TRUE(objects.has_value()) << objects.error().ToString();
  ASSERT_EQ(objects->size(), 2u);
  EXPECT_EQ(kube::StringAt((*objects)[0], "kind"), "Namespace");
  EXPECT_EQ(kube::StringAt((*objects)[1], "data.directory"), paths_.root.string() + "/data");
}

TEST_F(LaboratoryTest, AFaultNamesItsFile) {
  Write("bad.yaml", "kind: [");
  EXPECT_THAT(Read().error().message(), HasSubstr("bad.yaml"));
  Write("bad.yaml", "{apiVersion: v1, kind: Teapot, metadata: {name: x}}");
  EXPECT_THAT(Read().error().message(), HasSubstr("Teapot"));
  fs::remove_all(folder_);
  EXPECT_EQ(Read().error().kind(), base::ErrorKind::kUnavailable);
}

TEST_F(LaboratoryTest, WhatWasChangedSinceIsKeptUntilItsManifestChanges) {
  Write("shop.yaml", kShop);
  auto first = Deploy(api_, *Read());
  ASSERT_TRUE(first.has_value()) << first.error().ToString();
  EXPECT_EQ(first->created, 2u);

  ASSERT_TRUE(api_.Patch(kube::kConfigMap, "shop", "settings", kube::PatchType::kMerge,
                         {{"data", {{"directory", "elsewhere"}}}}));
  EXPECT_EQ(Deploy(api_, *Read())->kept, 2u);
  EXPECT_EQ(
      kube::StringAt((*api_.Get(kube::kConfigMap, "shop", "settings"))->json(), "data.directory"),
      "elsewhere");

  paths_.root = folder_ / "moved";
  EXPECT_EQ(Deploy(api_, *Read())->changed, 1u);
  EXPECT_EQ(
      kube::StringAt((*api_.Get(kube::kConfigMap, "shop", "settings"))->json(), "data.directory"),
      paths_.root.string() + "/data");
}

}  // namespace
}  // namespace enclave::cli
