#include "cluster/kubelet/image_catalog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/kubelet/machine_fixture.h"

namespace enclave::cluster {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(ImageNameTest, CompletesAsDockerDoes) {
  auto complete = [](std::string_view text) {
    auto name = ParseImageName(text);
    return name ? name->ToString() : "error: " + name.error().message();
  };
  std::string digest = "sha256:" + std::string(64, 'a');
  EXPECT_EQ(complete("busybox"), "docker.io/library/busybox:latest");
  EXPECT_EQ(complete("busybox:1.36"), "docker.io/library/busybox:1.36");
  EXPECT_EQ(complete("shop/cart:v1"), "docker.io/shop/cart:v1");
  EXPECT_EQ(complete("docker.io/library/nginx"), "docker.io/library/nginx:latest");
  EXPECT_EQ(complete("index.docker.io/nginx"), "docker.io/library/nginx:latest");
  EXPECT_EQ(complete("localhost:5000/a/b"), "localhost:5000/a/b:latest");
  EXPECT_EQ(complete("registry.k8s.io/pause:3.9"), "registry.k8s.io/pause:3.9");
  EXPECT_EQ(complete("nginx@" + digest), "docker.io/library/nginx@" + digest);
  EXPECT_EQ(complete("nginx:1@" + digest), "docker.io/library/nginx:1@" + digest);
  for (const char* wrong : {"", ":v1", "a:", "a b", "UPPER", "a//b", "a@sha256:12", "/a", "a/"}) {
    EXPECT_THAT(complete(wrong), HasSubstr("invalid reference format")) << wrong;
  }
  // What is not even UTF-8 is refused in words that are.
  EXPECT_EQ(complete("a\xFF"),
            "error: couldn't parse image reference \"a\xEF\xBF\xBD\": invalid reference format");
}

TEST(ImageCatalogTest, ResolvesTagsDigestsAndPrograms) {
  TemporaryDirectory directory;
  std::string digest = "sha256:" + std::string(64, 'a');
  WriteAll(directory / "images.yaml",
           "images:\n"
           "- name: tool\n"
           "  tags: [\"*\"]\n"
           "  program: sh\n"
           "- name: tool\n"
           "  tags: [v2]\n"
           "  digest: " +
               digest +
               "\n"
               "  program: $(BIN)/sh\n"
               "  args: [-c, 'echo $(GREETING) $(BIN)']\n"
               "  environment: {GREETING: hi}\n"
               "  version: \"2.0\"\n"
               "- name: lost\n"
               "  program: /no/such/program\n");
  auto catalog = ImageCatalog::Load({directory / "images.yaml", directory / "more.yaml"}, "/bin");
  ASSERT_TRUE(catalog) << catalog.error().message();
  auto image = (*catalog)->Resolve("tool:anything");
  ASSERT_TRUE(image);
  EXPECT_THAT(image->program, HasSubstr("/sh"));
  EXPECT_EQ(image->version, "anything");
  for (const std::string& name : {std::string("docker.io/library/tool:v2"), "tool@" + digest}) {
    image = (*catalog)->Resolve(name);
    ASSERT_TRUE(image) << name;
    EXPECT_EQ(image->program, "/bin/sh");
    EXPECT_THAT(image->args, ElementsAre("-c", "echo $(GREETING) /bin"));
    EXPECT_THAT(image->environment, ElementsAre("GREETING=hi"));
    EXPECT_EQ(image->version, "2.0");
  }
  EXPECT_EQ((*catalog)->Resolve("lost").error().kind(), base::ErrorKind::kUnavailable);
  EXPECT_THAT((*catalog)->Resolve("lost").error().message(), HasSubstr("/no/such/program"));
  EXPECT_EQ((*catalog)->Resolve("lost:v9").error().kind(), base::ErrorKind::kNotFound);
  EXPECT_EQ((*catalog)->Resolve("nobody").error().kind(), base::ErrorKind::kNotFound);
  EXPECT_EQ((*catalog)->Resolve("no body").error().kind(), base::ErrorKind::kInvalidArgument);
}

TEST(ImageCatalogTest, ReadsChangedFilesAgain) {
  TemporaryDirectory directory;
  WriteAll(directory / "a.yaml", "images:\n- {name: tool, program: /bin/sh, version: a}\n");
  auto catalog = ImageCatalog::Load({directory / "a.yaml", directory / "b.yaml"}, "/bin");
  ASSERT_TRUE(catalog);
  EXPECT_EQ((*catalog)->Resolve("tool")->version, "a");
  WriteAll(directory / "b.yaml", "images:\n- {name: tool, program: /bin/sh, version: bee}\n");
  EXPECT_EQ((*catalog)->Resolve("tool")->version, "bee") << "the later file goes before";
  WriteAll(directory / "b.yaml", "images:\n- {nam: tool}\n");
  EXPECT_EQ((*catalog)->Resolve("tool")->version, "bee") << "the last good content stays";
  EXPECT_THAT((*catalog)->Resolve("other").error().message(), HasSubstr("b.yaml:2"));
  std::filesystem::remove(directory / "b.yaml");
  EXPECT_EQ((*catalog)->Resolve("tool")->version, "a");
}

TEST(ImageCatalogTest, FaultsNameTheirLine) {
  auto fault = [](const std::string& text) {
    auto entries = ParseCatalogue(text, "images.yaml", "/bin");
    return entries ? "none" : entries.error().message();
  };
  EXPECT_EQ(fault(""), "none");
  EXPECT_EQ(fault("images:\n"), "none");
  EXPECT_EQ(fault("images:\n- name: a\n  progam: b\n"),
            "images.yaml:3: unknown key \"progam\" in an image");
  EXPECT_EQ(fault("image: []\n"), "images.yaml:1: unknown key \"image\"");
  EXPECT_EQ(fault("images:\n- program: b\n"), "images.yaml:2: an image without \"name\"");
  EXPECT_EQ(fault("images:\n- name: a\n"), "images.yaml:2: an image without \"program\"");
  EXPECT_THAT(fault("images:\n- name: A\n  program: b\n"), HasSubstr("images.yaml:2: couldn't"));
  EXPECT_THAT(fault("images:\n- name: a:v1\n  program: b\n"), HasSubstr("must have no tag"));
  EXPECT_THAT(fault("images:\n- name: a\n  args: {}\n"), HasSubstr("images.yaml:3: \"args\""));
  EXPECT_THAT(fault("images:\n  - [\n"), HasSubstr("images.yaml:3: "));
}

TEST(ImageCatalogTest, TheShippedCatalogueIsWhole) {
  auto catalog = ImageCatalog::Load({ENCLAVE_IMAGES},
                                    std::filesystem::path(ENCLAVE_TESTWEB).parent_path().string());
  ASSERT_TRUE(catalog) << catalog.error().message();
  for (const char* name : {"busybox", "alpine:3.20", "registry.k8s.io/pause:3.9",
                           "enclave/testweb:v1", "enclave/testweb:v2", "enclave/testweb"}) {
    auto image = (*catalog)->Resolve(name);
    EXPECT_TRUE(image) << image.error().message();
  }
}

}  // namespace
}  // namespace enclave::cluster
