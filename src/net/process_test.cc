#include "net/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace enclave::net {
namespace {

using testing::HasSubstr;

struct Pipe {
  Pipe() { EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0); }
  ~Pipe() {
    CloseRead();
    CloseWrite();
  }
  void CloseRead() {
    if (ends[0] >= 0) close(ends[0]);
    ends[0] = -1;
  }
  void CloseWrite() {
    if (ends[1] >= 0) close(ends[1]);
    ends[1] = -1;
  }
  std::string ReadAll() {
    CloseWrite();
    std::string text;
    char buffer[4096];
    for (ssize_t got; (got = read(ends[0], buffer, sizeof buffer)) > 0;) {
      text.append(buffer, static_cast<std::size_t>(got));
    }
    return text;
  }
  int ends[2] = {-1, -1};
};

std::string OutputOf(SpawnOptions options) {
  Pipe out;
  options.stdout_fd = out.ends[1];
  const auto pid = Spawn(options);
  EXPECT_TRUE(pid) << pid.error().ToString();
  if (!pid) return "";
  std::string text = out.ReadAll();
  int status = 0;
  EXPECT_EQ(waitpid(*pid, &status, 0), *pid);
  EXPECT_EQ(status, 0);
  return text;
}

SpawnOptions Shell(const std::string& script) {
  SpawnOptions options;
  options.argv = {"sh", "-c", script};
  options.environment = {"PATH=/usr/bin:/bin", "COLOUR=blue"};
  return options;
}

TEST(SpawnTest, PassesArgumentsEnvironmentFolderAndNothingElse) {
  SpawnOptions options = Shell("echo \"$1|$COLOUR|$HOME|$(pwd)\"");
  options.argv.insert(options.argv.end(), {"sh", "an argument"});
  options.working_directory = "/usr";
  EXPECT_EQ(OutputOf(options), "an argument|blue||/usr\n");
}

TEST(SpawnTest, OnlyTheNamedDescriptorsReachTheChild) {
  Pipe leak;  // without the close-on-exec flag, below
  ASSERT_GE(fcntl(leak.ends[1], F_DUPFD, 50), 50);
  Pipe data;
  SpawnOptions options = Shell("cat <&7; cd /proc/self/fd; for f in *; do echo $f; done; ls -l 0");
  // Source and target numbers overlap crosswise on purpose.
  options.inherited_fds = {{data.ends[0], 7}, {data.ends[0], data.ends[1]}};
  ASSERT_EQ(write(data.ends[1], "text\n", 5), 5);
  data.CloseWrite();
  const std::string text = OutputOf(options);
  EXPECT_THAT(text, testing::StartsWith("text\n0\n1\n2\n"));
  EXPECT_THAT(text, HasSubstr("/dev/null"));
  EXPECT_THAT(text, testing::Not(HasSubstr("\n50\n")));
}

TEST(SpawnTest, CrossedDescriptorsAreNotOverwritten) {
  Pipe first;
  Pipe second;
  ASSERT_EQ(write(first.ends[1], "first", 5), 5);
  ASSERT_EQ(write(second.ends[1], "second", 6), 6);
  const int a = first.ends[0];
  const int b = second.ends[0];
  first.CloseWrite();
  second.CloseWrite();
  SpawnOptions options = Shell(fmt::format("cat /dev/fd/{}; echo; cat /dev/fd/{}", a, b));
  options.inherited_fds = {{a, b}, {b, a}};
  EXPECT_EQ(OutputOf(options), "second\nfirst");
}

TEST(SpawnTest, SignalsStartAtTheirDefaults) {
  std::string text;
  std::thread masked([&text] {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    const auto before = signal(SIGPIPE, SIG_IGN);
    text = OutputOf(Shell("grep -E '^Sig(Blk|Ign)' /proc/self/status"));
    signal(SIGPIPE, before);
  });
  masked.join();
  // glibc leaves 32 and 33, its own, ignored until the child has threads.
  EXPECT_THAT(text, testing::MatchesRegex("SigBlk:\t0+\nSigIgn:\t0+[01]80000000\n|"
                                          "SigBlk:\t0+\nSigIgn:\t0+\n"));
}

TEST(SpawnTest, ANewSessionIsItsOwnLeader) {
  SpawnOptions options = Shell("set -- $(cat /proc/$$/stat); echo $(($1 == $6))");
  EXPECT_EQ(OutputOf(options), "0\n");
  options.new_session = true;
  EXPECT_EQ(OutputOf(options), "1\n");
}

TEST(SpawnTest, FailuresOfExecAreErrorsOfTheCall) {
  const auto kind = [](std::vector<std::string> argv, std::string folder = "") {
    SpawnOptions options;
    options.argv = std::move(argv);
    options.working_directory = std::move(folder);
    const auto pid = Spawn(options);
    EXPECT_FALSE(pid);
    return pid ? base::ErrorKind::kInternal : pid.error().kind();
  };
  EXPECT_EQ(kind({"no-such-program-anywhere"}), base::ErrorKind::kNotFound);
  EXPECT_EQ(kind({"/no/such/program"}), base::ErrorKind::kNotFound);
  EXPECT_EQ(kind({"/etc/passwd"}), base::ErrorKind::kPermissionDenied);
  EXPECT_EQ(kind({"/bin/true"}, "/no/such/folder"), base::ErrorKind::kNotFound);
  EXPECT_EQ(kind({}), base::ErrorKind::kInvalidArgument);
  const std::string path = fmt::format("/tmp/enclave-not-a-program-{}", getpid());
  std::ofstream(path) << "neither ELF nor a script\n";
  std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  EXPECT_EQ(kind({path}), base::ErrorKind::kInvalidArgument);
  std::filesystem::remove(path);
  // No zombie is left of any of them.
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
}

TEST(ProcessIdTest, ZombiesAndStrangersAreNotAlive) {
  SpawnOptions options;
  options.argv = {"/bin/sleep", "1000"};
  const auto pid = Spawn(options);
  ASSERT_TRUE(pid);
  const auto identity = IdentifyProcess(*pid);
  ASSERT_TRUE(identity);
  EXPECT_TRUE(IsAlive(*identity));
  EXPECT_FALSE(IsAlive({identity->pid, identity->start_ticks + 1}));
  kill(*pid, SIGKILL);
  siginfo_t info{};
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(*pid), &info, WEXITED | WNOWAIT), 0);
  EXPECT_FALSE(IsAlive(*identity));
  EXPECT_EQ(IdentifyProcess(*pid)->start_ticks, identity->start_ticks);
  waitpid(*pid, nullptr, 0);
  EXPECT_EQ(IdentifyProcess(*pid).error().kind(), base::ErrorKind::kNotFound);
}

TEST(ProcessIdTest, HostileNamesDoNotConfuseTheParser) {
  const auto before = IdentifyProcess(getpid());
  char name[16];
  prctl(PR_GET_NAME, name);
  prctl(PR_SET_NAME, ") Z 1) 2 (3\n");
  const auto renamed = IdentifyProcess(getpid());
  EXPECT_TRUE(renamed && IsAlive(*renamed));
  prctl(PR_SET_NAME, name);
  ASSERT_TRUE(before && renamed);
  EXPECT_EQ(renamed->start_ticks, before->start_ticks);
}

TEST(WatchExitTest, ChildrenAreReapedAndTheirStatusHandedOver) {
  EventLoop loop("watch-test");
  for (const auto& [script, status] :
       {std::pair{"exit 7", 7 << 8}, std::pair{"kill -TERM $$", SIGTERM}}) {
    const auto pid = Spawn(Shell(script));
    ASSERT_TRUE(pid);
    const auto identity = IdentifyProcess(*pid);
    ASSERT_TRUE(identity);
    std::promise<int> exited;
    ASSERT_TRUE(WatchExit(loop, *identity, [&](int code) { exited.set_value(code); }));
    EXPECT_EQ(exited.get_future().get(), status);
    EXPECT_EQ(waitpid(*pid, nullptr, WNOHANG), -1);
  }
}

TEST(WatchExitTest, ProcessesOfOthersAreWatchedToo) {
  EventLoop loop("watch-test");
  // A grandchild, whose parent ends at once.
  const std::string text = OutputOf(Shell("sleep 1000 >/dev/null & echo $!"));
  const pid_t pid = std::atoi(text.c_str());
  ASSERT_GT(pid, 0);
  const auto identity = IdentifyProcess(pid);
  ASSERT_TRUE(identity);
  std::promise<int> exited;
  ASSERT_TRUE(WatchExit(loop, *identity, [&](int code) { exited.set_value(code); }));
  kill(pid, SIGKILL);
  EXPECT_EQ(exited.get_future().get(), -1);
}

TEST(WatchExitTest, WhatIsGoneOrAnotherIsReportedAtOnce) {
  EventLoop loop("watch-test");
  auto self = IdentifyProcess(getpid());
  ASSERT_TRUE(self);
  ++self->start_ticks;
  for (const ProcessId& process : {*self, ProcessId{2'000'000'000, 1}}) {
    std::promise<int> exited;
    const auto watching = WatchExit(loop, process, [&](int code) { exited.set_value(code); });
    if (!watching) {
      // Beyond the largest pid that the kernel takes.
      EXPECT_NE(process.pid, self->pid);
      continue;
    }
    EXPECT_EQ(exited.get_future().get(), -1);
  }
}

}  // namespace
}  // namespace enclave::net
