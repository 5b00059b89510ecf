#include "cluster/kubelet/address_range.h"

#include <filesystem>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/kubelet/cgroup.h"
#include "cluster/kubelet/machine_fixture.h"
#include "cluster/kubelet/process_tree.h"

namespace enclave::cluster {
namespace {

TEST(AddressRangeTest, EnclavesKeepTheirOwnRanges) {
  TemporaryDirectory directory;
  std::string registry = directory / "registry";
  std::set<int> seen;
  for (int i = 0; i < 254; ++i) {
    std::string state = directory / ("state" + std::to_string(i));
    std::filesystem::create_directories(state);
    auto range = ClaimAddressRange(state, registry);
    ASSERT_TRUE(range) << range.error().message();
    EXPECT_TRUE(seen.insert(range->second_byte()).second);
    EXPECT_EQ(ClaimAddressRange(state, registry)->second_byte(), range->second_byte());
  }
  std::string late = directory / "late";
  std::filesystem::create_directories(late);
  EXPECT_EQ(ClaimAddressRange(late, registry).error().kind(), base::ErrorKind::kResourceExhausted);
  auto freed = ClaimAddressRange(directory / "state7", registry);
  std::filesystem::remove_all(directory / "state7");
  auto range = ClaimAddressRange(late, registry);
  ASSERT_TRUE(range);
  EXPECT_EQ(range->second_byte(), freed->second_byte()) << "a claim ends with its state directory";
  std::filesystem::remove_all(registry);
  EXPECT_EQ(ClaimAddressRange(late, registry)->second_byte(), range->second_byte())
      << "the state directory remembers";
}

TEST(AddressRangeTest, Pieces) {
  AddressRange range(93);
  EXPECT_EQ(range.pod_cidr(), "127.93.0.0/17");
  EXPECT_EQ(range.service_cidr(), "127.93.240.0/20");
  EXPECT_EQ(range.api_address(), "127.93.240.1");
}

TEST(CgroupLayoutTest, KnowsAllThreeLayouts) {
  auto v2 = ParseCgroupLayout(
      "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
      "0::/user.slice/user-1000.slice/session-2.scope\n");
  EXPECT_EQ(v2.unified_mount, "/sys/fs/cgroup");
  EXPECT_EQ(v2.unified_path, "/sys/fs/cgroup/user.slice/user-1000.slice/session-2.scope");
  EXPECT_TRUE(v2.legacy.empty());
  auto hybrid = ParseCgroupLayout(
      "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
      "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
      "35 31 0:32 /box /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
      "41 31 0:38 / /sys/fs/cgroup/uni\\040fied rw - cgroup2 cgroup2 rw\n",
      "4:memory:/box/inner\n2:cpu,cpuacct:/\n0::/\n");
  EXPECT_EQ(hybrid.unified_path, "/sys/fs/cgroup/uni fied");
  EXPECT_EQ(hybrid.legacy.at("memory"), "/sys/fs/cgroup/memory/inner");
  EXPECT_EQ(hybrid.legacy.at("cpu"), "/sys/fs/cgroup/cpu,cpuacct");
  EXPECT_EQ(hybrid.legacy.at("cpuacct"), "/sys/fs/cgroup/cpu,cpuacct");
  // A mount that shows another part of the hierarchy than ours.
  auto hidden =
      ParseCgroupLayout("30 23 0:26 /other /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "0::/mine\n");
  EXPECT_EQ(hidden.unified_path, "");
}

TEST(ProcessTableTest, ParsesStatWhateverTheCommandIsCalled) {
  ProcessInfo info;
  ASSERT_TRUE(
      ProcessTable::ParseStat("42 (a) b (c) S 7 1 1 0 -1 4194560 1 2 3 4 100 50 20 10 20 0 "
                              "1 0 98765 1000 200\n",
                              &info));
  EXPECT_EQ(info.pid, 42);
  EXPECT_EQ(info.parent, 7);
  EXPECT_EQ(info.state, 'S');
  EXPECT_EQ(info.start_ticks, 98765U);
  EXPECT_EQ(info.cpu_time, std::chrono::milliseconds(1500));
  EXPECT_EQ(info.reaped_cpu_time, std::chrono::milliseconds(300));
  for (const char* wrong : {"", "42 (a)", "42 (a) S 7 1", "x (a) S 1 2 3"}) {
    EXPECT_FALSE(ProcessTable::ParseStat(wrong, &info)) << wrong;
  }
}

}  // namespace
}  // namespace enclave::cluster
