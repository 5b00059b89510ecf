// A test run that is told to end leaves no process and no file behind.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "system/enclave_fixture.h"
#include "system/eventually.h"

namespace enclave::system_test {
namespace {

using std::chrono::seconds;

// What the interrupted run runs: two enclaves, one with a pod that does not listen to SIGTERM.
TEST(InterruptTest, DISABLED_IsInterrupted) {
  Enclave one;
  Enclave two;
  ASSERT_TRUE(one.Up());
  ASSERT_TRUE(two.Up());
  const Output applied = one.Command({"kubectl", "apply", "-f", TestFile("manifests/deaf.yaml")});
  ASSERT_EQ(applied.code, 0) << applied.Story();
  ASSERT_TRUE(Eventually(seconds(20), [&] {
    return one.Command({"kubectl", "logs", "deaf"}).out.find("deaf") != std::string::npos;
  }));
  fmt::print("interrupt me\n");
  std::fflush(stdout);
  // A command that does not end by itself.
  two.Command({"kubectl", "get", "pods", "--watch"});
}

TEST(InterruptTest, LeavesNothing) {
  // Not an enclave that is ever up: a folder, and what names it.
  const Enclave folder;
  Background run(
      {fmt::format("/proc/{}/exe", ::getpid()),
       "--gtest_filter=InterruptTest.DISABLED_IsInterrupted", "--gtest_also_run_disabled_tests"},
      {.environment = {{"TMPDIR", folder.state().string()}}});
  ASSERT_TRUE(run.WaitFor("interrupt me", seconds(60))) << run.Printed();
  ASSERT_GE(folder.Processes().size(), 6u) << "two cluster processes, their supervisors, a pod";
  run.Signal(SIGTERM);
  EXPECT_EQ(run.WaitExit(seconds(60)), 128 + SIGTERM) << run.Printed();
  EXPECT_TRUE(folder.Processes().empty()) << fmt::format("{}", fmt::join(folder.Processes(), " "));
  EXPECT_TRUE(std::filesystem::is_empty(folder.state()));
}

}  // namespace
}  // namespace enclave::system_test
