#include "cluster/kubelet/disk_volume_store.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace enclave::cluster {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;

class DiskVolumeStoreTest : public testing::Test {
 protected:
  DiskVolumeStoreTest()
      : root_(fs::temp_directory_path() / ("volumes-test-" + std::to_string(getpid()))),
        store_(root_ / "state", root_ / "logs") {}
  ~DiskVolumeStoreTest() override { fs::remove_all(root_); }

  static std::string Read(const fs::path& path) {
    std::ifstream stream(path);
    return std::string(std::istreambuf_iterator<char>(stream), {});
  }
  static void Touch(const fs::path& path) { std::ofstream(path) << "x"; }

  const fs::path root_;
  DiskVolumeStore store_;
};

TEST_F(DiskVolumeStoreTest, FilesAreSeenThroughTheDataLink) {
  const auto path = store_.Project("uid", "v", {{"a", {"one", 0644}}, {"d/b", {"two", 0400}}});
  ASSERT_TRUE(path) << path.error().ToString();
  const fs::path volume = *path;
  EXPECT_EQ(Read(volume / "a"), "one");
  EXPECT_EQ(Read(volume / "d/b"), "two");
  EXPECT_TRUE(fs::is_symlink(volume / "a"));
  EXPECT_EQ(fs::read_symlink(volume / "a"), "..data/a");
  EXPECT_TRUE(fs::is_symlink(volume / "..data"));
  EXPECT_EQ(static_cast<int>(fs::status(volume / "d/b").permissions()), 0400);
}

TEST_F(DiskVolumeStoreTest, AChangeSwitchesOnceAndLeavesNothing) {
  const fs::path volume = *store_.Project("uid", "v", {{"a", {"1"}}, {"b", {"2"}}});
  const fs::path before = fs::read_symlink(volume / "..data");
  ASSERT_TRUE(store_.Project("uid", "v", {{"a", {"1"}}, {"b", {"2"}}}));
  EXPECT_EQ(fs::read_symlink(volume / "..data"), before) << "equal content writes nothing";
  // A reader that holds the old directory open sees the old content to the end.
  std::ifstream old_reader(volume / "a");
  ASSERT_TRUE(store_.Project("uid", "v", {{"a", {"3"}}, {"c", {"4"}}}));
  EXPECT_NE(fs::read_symlink(volume / "..data"), before);
  EXPECT_EQ(Read(volume / "a"), "3");
  EXPECT_EQ(Read(volume / "c"), "4");
  EXPECT_FALSE(fs::exists(fs::symlink_status(volume / "b")));
  EXPECT_FALSE(fs::exists(volume / before));
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(old_reader), {}), "1");
}

TEST_F(DiskVolumeStoreTest, AModeAloneIsAChange) {
  const fs::path volume = *store_.Project("uid", "v", {{"a", {"1", 0644}}});
  ASSERT_TRUE(store_.Project("uid", "v", {{"a", {"1", 0600}}}));
  EXPECT_EQ(static_cast<int>(fs::status(volume / "a").permissions()), 0600);
}

TEST_F(DiskVolumeStoreTest, AnInterruptedWriteIsMended) {
  const fs::path volume = *store_.Project("uid", "v", {{"a", {"1"}}});
  // The process ended after the switch and before the visible names, or before the switch.
  fs::remove(volume / "a");
  fs::create_directory(volume / "..2");
  Touch(volume / "..2" / "half");
  fs::create_symlink("..2", volume / "..data.next");
  ASSERT_TRUE(store_.Project("uid", "v", {{"a", {"2"}}}));
  EXPECT_EQ(Read(volume / "a"), "2");
  EXPECT_FALSE(fs::exists(volume / "half"));
  EXPECT_FALSE(fs::exists(volume / "..data" / "half"));
}

TEST_F(DiskVolumeStoreTest, NothingLeadsOutside) {
  EXPECT_FALSE(store_.Project("uid", "v", {{"../x", {"1"}}}));
  EXPECT_FALSE(store_.Project("uid", "v", {{"/x", {"1"}}}));
  EXPECT_FALSE(store_.Project("uid", "v", {{"..data", {"1"}}}));
  EXPECT_FALSE(store_.Project("uid", "..", {{"x", {"1"}}}));
  EXPECT_FALSE(store_.Project("../uid", "v", {{"x", {"1"}}}));
  EXPECT_FALSE(store_.LogDirectory("ns", "a/b", "uid", "c"));
  const std::string scratch = *store_.EmptyDirectory("uid", "scratch");
  EXPECT_FALSE(store_.SubPath(scratch, "../../x"));
  EXPECT_FALSE(store_.SubPath(scratch, "/etc"));
  fs::create_directory_symlink("/", fs::path(scratch) / "out");
  EXPECT_FALSE(store_.SubPath(scratch, "out/etc"));
  const auto inside = store_.SubPath(scratch, "a/b");
  ASSERT_TRUE(inside);
  EXPECT_TRUE(fs::is_directory(*inside));
}

TEST_F(DiskVolumeStoreTest, HostPathTypes) {
  fs::create_directories(root_ / "dir");
  Touch(root_ / "file");
  const std::string dir = root_ / "dir";
  const std::string file = root_ / "file";
  EXPECT_TRUE(store_.CheckHostPath(dir, ""));
  EXPECT_TRUE(store_.CheckHostPath(dir, "Directory"));
  EXPECT_FALSE(store_.CheckHostPath(file, "Directory"));
  EXPECT_TRUE(store_.CheckHostPath(file, "File"));
  EXPECT_FALSE(store_.CheckHostPath(root_ / "none", "File"));
  EXPECT_TRUE(store_.CheckHostPath(root_ / "made", "DirectoryOrCreate"));
  EXPECT_TRUE(fs::is_directory(root_ / "made"));
  EXPECT_TRUE(store_.CheckHostPath(root_ / "made.txt", "FileOrCreate"));
  EXPECT_TRUE(fs::is_regular_file(root_ / "made.txt"));
  EXPECT_FALSE(store_.CheckHostPath(file, "Socket"));
  EXPECT_FALSE(store_.CheckHostPath("relative", ""));
}

TEST_F(DiskVolumeStoreTest, LogsOfOldRunsGo) {
  const fs::path logs = *store_.LogDirectory("ns", "pod", "uid", "c1");
  for (const char* name : {"0.log", "0.log.1", "1.log", "1.log.3", "2.log", "other"})
    Touch(logs / name);
  store_.TrimLogs(logs, 1);
  EXPECT_FALSE(fs::exists(logs / "0.log"));
  EXPECT_FALSE(fs::exists(logs / "0.log.1"));
  EXPECT_TRUE(fs::exists(logs / "1.log"));
  EXPECT_TRUE(fs::exists(logs / "1.log.3"));
  EXPECT_TRUE(fs::exists(logs / "2.log"));
  EXPECT_TRUE(fs::exists(logs / "other"));
}

TEST_F(DiskVolumeStoreTest, TerminationMessages) {
  const auto path = store_.TerminationMessageFile("uid", "c1", 2);
  ASSERT_TRUE(path);
  EXPECT_EQ(store_.ReadTerminationMessage("uid", "c1", 2), "");
  std::ofstream(*path) << "out of cheese";
  EXPECT_EQ(store_.ReadTerminationMessage("uid", "c1", 2), "out of cheese");
  EXPECT_EQ(store_.ReadTerminationMessage("uid", "c1", 3), "");
  std::ofstream(*path) << std::string(10'000, 'x');
  EXPECT_EQ(store_.ReadTerminationMessage("uid", "c1", 2).size(), 4096u);
  ASSERT_TRUE(store_.TerminationMessageFile("uid", "c1", 4));
  EXPECT_FALSE(fs::exists(*path)) << "messages of long gone runs do not pile up";
}

TEST_F(DiskVolumeStoreTest, TheEndOfALogIsBounded) {
  const auto logs = store_.LogDirectory("ns", "pod", "uid", "c1");
  ASSERT_TRUE(logs);
  const auto end = [&] { return store_.ReadLogEnd("ns", "pod", "uid", "c1", 0); };
  EXPECT_EQ(end(), "");
  {
    std::ofstream log(fs::path(*logs) / "0.log");
    for (int i = 0; i < 200; ++i)
      log << "2026-01-02T03:04:05.123456789Z stderr F line " << i << "\n";
  }
  const std::string lines = end();
  EXPECT_TRUE(lines.starts_with("line 120\n")) << lines;
  EXPECT_TRUE(lines.ends_with("line 199\n"));
  {
    std::ofstream log(fs::path(*logs) / "0.log");
    for (int i = 0; i < 10; ++i)
      log << "2026-01-02T03:04:05.123456789Z stdout P " << std::string(1000, 'x') << "\n";
    log << "2026-01-02T03:04:05.123456789Z stdout F the end\n";
  }
  EXPECT_EQ(end().size(), 2048u);
  EXPECT_TRUE(end().ends_with("xthe end\n"));
}

TEST_F(DiskVolumeStoreTest, APodGoesWithAllItHas) {
  ASSERT_TRUE(store_.Project("u1", "v", {{"a", {"1"}}}));
  ASSERT_TRUE(store_.LogDirectory("ns", "pod", "u1", "c1"));
  ASSERT_TRUE(store_.LogDirectory("ns", "pod", "u2", "c1"));
  EXPECT_THAT(store_.Pods(), ElementsAre("u1", "u2"));
  store_.RemovePod("u1");
  EXPECT_THAT(store_.Pods(), ElementsAre("u2"));
  store_.RemovePod("u2");
  EXPECT_THAT(store_.Pods(), IsEmpty());
}

}  // namespace
}  // namespace enclave::cluster
