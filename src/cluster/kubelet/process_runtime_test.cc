// Real containers: every test starts shims and programs on this machine. The same tests run once
// more as an ordinary user (RunsAsAnOrdinaryUser), where neither cgroups nor mounts need privilege
// to be had.
#include "cluster/kubelet/process_runtime.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/kubelet/container_directory.h"
#include "cluster/kubelet/machine_fixture.h"
#include "cluster/kubelet/process_tree.h"
#include "net/process.h"

namespace enclave::cluster {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using namespace std::chrono_literals;

// A FIFO on which a container's script says that it has come to a point: no polling.
class Signpost {
 public:
  explicit Signpost(std::string path) : path_(std::move(path)) {
    mkfifo(path_.c_str(), 0600);
    fd_ = open(path_.c_str(), O_RDWR | O_CLOEXEC);
  }
  ~Signpost() { close(fd_); }
  Signpost(const Signpost&) = delete;
  Signpost& operator=(const Signpost&) = delete;
  std::string Await() {
    std::string line;
    char c = 0;
    while (read(fd_, &c, 1) == 1 && c != '\n') line.push_back(c);
    return line;
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  int fd_;
};

// Whether the process is gone or will be within the patience.
bool GoesAway(pid_t pid) {
  auto process = net::IdentifyProcess(pid);
  if (!process) return true;
  for (auto end = std::chrono::steady_clock::now() + kTestPatience;
       std::chrono::steady_clock::now() < end;) {
    if (!net::IsAlive(*process)) return true;
    poll(nullptr, 0, 1);
  }
  return false;
}

class ProcessRuntimeTest : public testing::Test {
 protected:
  TemporaryDirectory state_;
};

TEST_F(ProcessRuntimeTest, RunsAProgramAndReportsItsExitAndOutput) {
  RuntimeHarness harness(state_.path());
  ContainerSpec spec =
      harness.Shell("exit", "echo \"$GREETING\"; echo oops >&2; printf unfinished; exit 7");
  auto started = harness.Start(spec);
  ASSERT_TRUE(started) << started.error().message();
  EXPECT_GT(started->pid, 0);
  auto exit = harness.AwaitExit(spec.id);
  ASSERT_TRUE(exit);
  EXPECT_EQ(exit->exit_code, 7);
  EXPECT_EQ(exit->signal, 0);
  EXPECT_FALSE(exit->oom_killed);
  EXPECT_EQ(exit->started_at, started->started_at);
  EXPECT_GE(exit->finished_at, exit->started_at);
  std::string log = ReadAll(harness.LogPath(spec));
  EXPECT_THAT(log, HasSubstr(" stdout F hello world\n"));
  EXPECT_THAT(log, HasSubstr(" stderr F oops\n"));
  EXPECT_THAT(log, HasSubstr(" stdout F unfinished\n"));
  auto list = harness.runtime().List();
  ASSERT_EQ(list.size(), 1U);
  EXPECT_TRUE(list[0].exit);
  OnLoop(harness.loop(), [&] { harness.runtime().Remove(spec.id); });
  EXPECT_THAT(harness.runtime().List(), IsEmpty());
  EXPECT_FALSE(std::filesystem::exists(state_ / "containers/pod-exit"));
  EXPECT_TRUE(std::filesystem::exists(harness.LogPath(spec))) << "logs stay";
}

TEST_F(ProcessRuntimeTest, TellsWhyAProgramCannotRun) {
  RuntimeHarness harness(state_.path());
  ContainerSpec spec = harness.Shell("bad", "");
  spec.argv = {"no-such-program"};
  auto started = harness.Start(spec);
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().kind(), base::ErrorKind::kNotFound);
  EXPECT_THAT(started.error().message(), HasSubstr("executable file not found in $PATH"));
  spec.argv = {"/etc/passwd"};
  started = harness.Start(spec);
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().kind(), base::ErrorKind::kPermissionDenied);
  spec.argv = {"/bin/sh"};
  spec.working_directory = "/no/such/place";
  started = harness.Start(spec);
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error().message(), HasSubstr("/no/such/place"));
  EXPECT_THAT(harness.runtime().List(), IsEmpty());
  spec.id.container = "../escape";
  EXPECT_EQ(harness.Start(spec).error().kind(), base::ErrorKind::kInvalidArgument);
}

TEST_F(ProcessRuntimeTest, SignalsReachTheProgram) {
  RuntimeHarness harness(state_.path());
  Signpost ready(state_ / "ready");
  ContainerSpec spec = harness.Shell("term", "trap 'echo bye; exit 5' TERM; echo up >" +
                                                 ready.path() + "; while :; do sleep 0.01; done");
  ASSERT_TRUE(harness.Start(spec));
  ready.Await();
  ASSERT_TRUE(harness.runtime().Signal(spec.id, SIGTERM));
  auto exit = harness.AwaitExit(spec.id);
  ASSERT_TRUE(exit);
  EXPECT_EQ(exit->exit_code, 5);
  EXPECT_EQ(LogText(harness.LogPath(spec)), "bye\n");
  EXPECT_FALSE(harness.runtime().Signal(spec.id, SIGTERM)) << "it is gone";
}

TEST_F(ProcessRuntimeTest, NoDescendantOutlivesTheProgram) {
  for (bool cgroups : {true, false}) {
    RuntimeHarness harness(state_.path(), cgroups);
    Signpost ready(state_ / (cgroups ? "ready1" : "ready2"));
    // A daemon as they are written: a session of its own, without parent, ignoring signals, with a
    // clean environment.
    ContainerSpec spec = harness.Shell(
        "daemon", "setsid env -i sh -c 'trap \"\" TERM HUP; (sleep 1000 & echo $! >" +
                      ready.path() + "; wait) & sleep 1000' & read x <" + state_.path() + "/never");
    spec.id.attempt = cgroups ? 0 : 1;
    mkfifo((state_ / "never").c_str(), 0600);
    ASSERT_TRUE(harness.Start(spec));
    pid_t grandchild = std::stoi(ready.Await());
    ASSERT_EQ(kill(grandchild, 0), 0);
    ASSERT_TRUE(harness.runtime().Signal(spec.id, SIGKILL));
    auto exit = harness.AwaitExit(spec.id);
    ASSERT_TRUE(exit);
    EXPECT_EQ(exit->exit_code, 137);
    EXPECT_EQ(exit->signal, SIGKILL);
    EXPECT_FALSE(exit->oom_killed);
    EXPECT_NE(kill(grandchild, 0), 0) << "killed and reaped before the exit was told";
  }
}

TEST_F(ProcessRuntimeTest, RemoveEndsARunningContainer) {
  RuntimeHarness harness(state_.path());
  ContainerSpec spec = harness.Shell("remove", "trap '' TERM; sleep 1000");
  auto started = harness.Start(spec);
  ASSERT_TRUE(started);
  OnLoop(harness.loop(), [&] { harness.runtime().Remove(spec.id); });
  EXPECT_THAT(harness.runtime().List(), IsEmpty());
  EXPECT_TRUE(GoesAway(static_cast<pid_t>(started->pid)));
  for (auto end = std::chrono::steady_clock::now() + kTestPatience;
       std::filesystem::exists(state_ / "containers/pod-remove") &&
       std::chrono::steady_clock::now() < end;) {
    poll(nullptr, 0, 1);
  }
  EXPECT_FALSE(std::filesystem::exists(state_ / "containers/pod-remove"));
}

TEST_F(ProcessRuntimeTest, TheLastWordsAreTakenAtTheDefaultPath) {
  RuntimeHarness harness(state_.path());
  WriteAll(state_ / "words", "");
  std::filesystem::permissions(state_ / "words", std::filesystem::perms(0666));
  ContainerSpec spec = harness.Shell(
      "words",
      "echo out of cheese > /dev/termination-log; test -c /dev/null && echo null > /dev/null && "
      "test -d /dev/fd && head -c 1 /dev/urandom | wc -c");
  spec.mounts = {{state_ / "words", "/dev/termination-log", false, true}};
  auto started = harness.Start(spec);
  ASSERT_TRUE(started) << started.error().message();
  ASSERT_TRUE(harness.AwaitExit(spec.id));
  EXPECT_EQ(LogText(harness.LogPath(spec)), "1\n") << "the machine's devices are there as before";
  if (auto warnings = harness.runtime().Warnings(spec.id); !warnings.empty()) {
    GTEST_SKIP() << "this system does not let /dev be covered: " << warnings[0];
  }
  EXPECT_EQ(ReadAll(state_ / "words"), "out of cheese\n");
  EXPECT_FALSE(std::filesystem::exists("/dev/termination-log"));
}

TEST_F(ProcessRuntimeTest, AMountThatCanBeDoneWithoutDoesNotKeepAContainerFromStarting) {
  RuntimeHarness harness(state_.path());
  WriteAll(state_ / "words", "");
  ContainerSpec spec = harness.Shell("optional", "echo runs");
  spec.mounts = {{state_ / "words", "/proc/no-such-place/words", false, true}};
  auto started = harness.Start(spec);
  ASSERT_TRUE(started) << started.error().message();
  EXPECT_EQ(started->mounts_refused, "");
  ASSERT_TRUE(harness.AwaitExit(spec.id));
  EXPECT_EQ(LogText(harness.LogPath(spec)), "runs\n");
  EXPECT_THAT(harness.runtime().Warnings(spec.id), Not(IsEmpty()));
}

TEST_F(ProcessRuntimeTest, MountsAreSeenInsideOnly) {
  RuntimeHarness harness(state_.path());
  std::filesystem::create_directories(state_ / "volume");
  WriteAll(state_ / "volume/file", "from the volume\n");
  WriteAll(state_ / "hosts", "127.9.9.9 only-inside\n");
  ContainerSpec spec = harness.Shell(
      "mounts",
      "cat /etc/hosts; cat /var/run/secrets/kubernetes.io/serviceaccount/file; cat "
      "/etc/enclave-test/deep/file;"
      "cat /enclave-test-data/file; touch /etc/enclave-test/deep/new 2>/dev/null && echo writable;"
      "touch /enclave-test-data/new && echo shared; test -r /etc/passwd && test -d /proc/self && "
      "echo host");
  spec.mounts = {{state_ / "hosts", "/etc/hosts", false},
                 {state_ / "volume", "/var/run/secrets/kubernetes.io/serviceaccount", true},
                 {state_ / "volume", "/etc/enclave-test/deep", true},
                 {state_ / "volume", "/enclave-test-data", false}};
  auto started = harness.Start(spec);
  ASSERT_TRUE(started) << started.error().message();
  ASSERT_TRUE(harness.AwaitExit(spec.id));
  if (auto warnings = harness.runtime().Warnings(spec.id); !warnings.empty()) {
    GTEST_SKIP() << "this system gives no private mounts: " << warnings[0];
  }
  EXPECT_EQ(LogText(harness.LogPath(spec)),
            "127.9.9.9 only-inside\nfrom the volume\nfrom the volume\nfrom the volume\nshared\n"
            "host\n");
  EXPECT_TRUE(std::filesystem::exists(state_ / "volume/new"));
  EXPECT_FALSE(std::filesystem::exists("/etc/enclave-test"));
  EXPECT_FALSE(std::filesystem::exists("/enclave-test-data"));
  EXPECT_FALSE(std::filesystem::exists("/run/secrets/kubernetes.io"));
  EXPECT_THAT(ReadAll("/proc/self/mountinfo"), Not(HasSubstr(state_.path())));
}

TEST_F(ProcessRuntimeTest, ExecRunsAsTheProgramDoes) {
  RuntimeHarness harness(state_.path());
  std::filesystem::create_directories(state_ / "volume");
  WriteAll(state_ / "volume/file", "inside\n");
  ContainerSpec spec = harness.Shell("exec", "sleep 1000");
  spec.mounts = {{state_ / "volume", "/enclave-test-data", false}};
  ASSERT_TRUE(harness.Start(spec));
  auto output = harness.Exec(spec.id, {"sh", "-c", "echo $GREETING; echo err >&2; exit 3"});
  ASSERT_TRUE(output) << output.error().message();
  EXPECT_EQ(output->exit_code, 3);
  EXPECT_EQ(output->output, "hello world\nerr\n");
  if (harness.runtime().Warnings(spec.id).empty()) {
    output = harness.Exec(spec.id, {"cat", "/enclave-test-data/file"});
    ASSERT_TRUE(output);
    EXPECT_EQ(output->output, "inside\n");
  }
  output = harness.Exec(spec.id, {"no-such-command"});
  ASSERT_FALSE(output);
  EXPECT_EQ(output.error().kind(), base::ErrorKind::kNotFound);
  output = harness.Exec(spec.id, {"sh", "-c", "sleep 1000 & sleep 1000"}, 50ms);
  ASSERT_FALSE(output);
  EXPECT_EQ(output.error().kind(), base::ErrorKind::kDeadlineExceeded);
  EXPECT_THAT(output.error().message(), HasSubstr("timed out"));
  output = harness.Exec(spec.id, {"head", "-c", "100000", "/dev/zero"});
  ASSERT_TRUE(output);
  EXPECT_EQ(output->output.size(), 10U << 10) << "output is bounded";
  EXPECT_FALSE(harness.Exec({"nobody", "main", 0}, {"true"}));
}

TEST_F(ProcessRuntimeTest, ALaterRuntimeAdoptsWhatRunsAndLearnsWhatEnded) {
  ContainerSpec running;
  ContainerSpec ended;
  std::int64_t pid = 0;
  {
    RuntimeHarness first(state_.path());
    running = first.Shell("running", "sleep 1000");
    ended = first.Shell("ended", "exit 9");
    auto started = first.Start(running);
    ASSERT_TRUE(started);
    pid = started->pid;
    ASSERT_TRUE(first.Start(ended));
    ASSERT_TRUE(first.AwaitExit(ended.id));
    first.LeaveRunning();
  }
  RuntimeHarness second(state_.path());
  auto list = second.runtime().List();
  ASSERT_EQ(list.size(), 2U);
  EXPECT_EQ(list[0].id, ended.id);
  ASSERT_TRUE(list[0].exit);
  EXPECT_EQ(list[0].exit->exit_code, 9);
  EXPECT_EQ(list[1].pid, pid);
  EXPECT_FALSE(list[1].exit);
  EXPECT_EQ(second.Start(running).error().kind(), base::ErrorKind::kAlreadyExists);
  auto output = second.Exec(running.id, {"sh", "-c", "echo $GREETING"});
  ASSERT_TRUE(output);
  EXPECT_EQ(output->output, "hello world\n");
  ASSERT_TRUE(second.runtime().Signal(running.id, SIGTERM));
  auto exit = second.AwaitExit(running.id);
  ASSERT_TRUE(exit);
  EXPECT_EQ(exit->signal, SIGTERM);
}

TEST_F(ProcessRuntimeTest, AKilledShimIsReportedAndLeavesNobody) {
  for (bool cgroups : {true, false}) {
    RuntimeHarness harness(state_.path(), cgroups);
    Signpost ready(state_ / (cgroups ? "ready1" : "ready2"));
    ContainerSpec spec = harness.Shell(
        "shim", "setsid sleep 1000 & echo $! >" + ready.path() + "; sleep 1000 & wait");
    spec.id.attempt = cgroups ? 0 : 1;
    auto started = harness.Start(spec);
    ASSERT_TRUE(started);
    pid_t child = std::stoi(ready.Await());
    ProcessTable table = ProcessTable::Read();
    const ProcessInfo* program = table.Find(static_cast<pid_t>(started->pid));
    ASSERT_NE(program, nullptr);
    ASSERT_EQ(kill(program->parent, SIGKILL), 0);
    auto exit = harness.AwaitExit(spec.id);
    ASSERT_TRUE(exit);
    EXPECT_EQ(exit->exit_code, 137);
    EXPECT_TRUE(GoesAway(child));
    EXPECT_TRUE(GoesAway(static_cast<pid_t>(started->pid)));
  }
}

TEST_F(ProcessRuntimeTest, AContainerOfAnEarlierBootHasEnded) {
  ContainerSpec spec;
  {
    RuntimeHarness harness(state_.path());
    spec = harness.Shell("boot", "exit 0");
    ASSERT_TRUE(harness.Start(spec));
    ASSERT_TRUE(harness.AwaitExit(spec.id));
    harness.LeaveRunning();
  }
  // As a power failure leaves it: running, by a pid that somebody else has now.
  auto directory = ContainerDirectory::Of(state_.path(), spec.id);
  auto status = directory->ReadStatus();
  ASSERT_TRUE(status);
  status->exited = false;
  status->boot_id = "an-earlier-one";
  status->pid = getpid();
  status->shim_pid = getppid();
  ASSERT_TRUE(directory->WriteStatus(*status));
  RuntimeHarness harness(state_.path());
  auto list = harness.runtime().List();
  ASSERT_EQ(list.size(), 1U);
  ASSERT_TRUE(list[0].exit);
  EXPECT_EQ(list[0].exit->exit_code, 137);
}

TEST_F(ProcessRuntimeTest, AHalfStartedContainerIsForgotten) {
  std::filesystem::create_directories(state_ / "containers/pod/main/3");
  WriteAll(state_ / "containers/pod/main/3/spec", "enclave-cont");
  WriteAll(state_ / "containers/pod/main/3/lock", "");
  RuntimeHarness harness(state_.path());
  EXPECT_THAT(harness.runtime().List(), IsEmpty());
  EXPECT_FALSE(std::filesystem::exists(state_ / "containers/pod"));
}

TEST_F(ProcessRuntimeTest, KillAllLeavesNothingBehind) {
  std::vector<std::int64_t> pids;
  Signpost ready(state_ / "ready");
  {
    RuntimeHarness harness(state_.path());
    ContainerSpec polite = harness.Shell("polite", "trap 'exit 0' TERM; echo up >" + ready.path() +
                                                       "; while :; do sleep 0.01; done");
    ContainerSpec stubborn = harness.Shell(
        "stubborn", "trap '' TERM; setsid sleep 1000 & echo $! >" + ready.path() + "; sleep 1000");
    for (const ContainerSpec& spec : {polite, stubborn}) {
      auto started = harness.Start(spec);
      ASSERT_TRUE(started);
      pids.push_back(started->pid);
    }
    for (int i = 0; i < 2; ++i) {
      if (std::string line = ready.Await(); line != "up") pids.push_back(std::stoi(line));
    }
    harness.LeaveRunning();
  }
  auto killed = ProcessRuntime::KillAll(state_.path(), 100ms);
  ASSERT_TRUE(killed);
  EXPECT_EQ(*killed, 2);
  for (std::int64_t pid : pids) EXPECT_TRUE(GoesAway(static_cast<pid_t>(pid)));
  EXPECT_THAT(FindMarkedProcesses(EnclaveId(state_.path())), IsEmpty());
  RuntimeHarness harness(state_.path());
  auto list = harness.runtime().List();
  ASSERT_EQ(list.size(), 2U);
  EXPECT_EQ(list[0].exit->exit_code, 0) << "the polite one had its grace";
  EXPECT_EQ(list[1].exit->exit_code, 137);
}

// Grows by 4 MiB at a time, touching every page.
constexpr const char* kGrow = "x=; while :; do x=$x$(head -c 4000000 /dev/zero | tr '\\0' x); done";

TEST_F(ProcessRuntimeTest, TheKernelsOutOfMemoryKillIsToldApart) {
  RuntimeHarness harness(state_.path());
  if (!harness.runtime().abilities().memory_cgroup) {
    GTEST_SKIP() << "no memory cgroup may be written here";
  }
  ContainerSpec spec = harness.Shell("oom", kGrow);
  spec.memory_bytes = 32 << 20;
  ASSERT_TRUE(harness.Start(spec));
  auto exit = harness.AwaitExit(spec.id);
  ASSERT_TRUE(exit);
  EXPECT_TRUE(exit->oom_killed);
  EXPECT_EQ(exit->exit_code, 137);
}

TEST_F(ProcessRuntimeTest, TheMemoryWatchKillsWithoutCgroups) {
  RuntimeHarness harness(state_.path(), /*use_cgroups=*/false);
  EXPECT_FALSE(harness.runtime().abilities().memory_cgroup);
  ContainerSpec modest = harness.Shell("modest", "sleep 1000");
  modest.memory_bytes = 256 << 20;
  ASSERT_TRUE(harness.Start(modest));
  ContainerSpec spec = harness.Shell("oom", kGrow);
  spec.memory_bytes = 32 << 20;
  ASSERT_TRUE(harness.Start(spec));
  auto exit = harness.AwaitExit(spec.id);
  ASSERT_TRUE(exit);
  EXPECT_TRUE(exit->oom_killed);
  EXPECT_EQ(exit->exit_code, 137);
  auto list = harness.runtime().List();
  ASSERT_EQ(list.size(), 2U);
  EXPECT_FALSE(list[0].exit) << "the modest one runs on";
}

TEST_F(ProcessRuntimeTest, StatsCountTheWholeTree) {
  for (bool cgroups : {true, false}) {
    RuntimeHarness harness(state_.path(), cgroups);
    Signpost ready(state_ / (cgroups ? "ready1" : "ready2"));
    ContainerSpec spec = harness.Shell(
        "stats",
        "sh -c 'i=0; while [ $i -lt 40000 ]; do i=$((i+1)); done'; x=$(head -c 20000000 "
        "/dev/zero | tr '\\0' x); echo up >" +
            ready.path() + "; sleep 1000");
    spec.id.attempt = cgroups ? 0 : 1;
    ASSERT_TRUE(harness.Start(spec));
    ready.Await();
    auto stats = harness.runtime().Stats(spec.id);
    ASSERT_TRUE(stats);
    EXPECT_GT(stats->cpu_time, 5ms) << "time of ended children counts";
    EXPECT_GT(stats->memory_bytes, 20'000'000);
    EXPECT_LT(stats->memory_bytes, 200'000'000);
  }
}

TEST_F(ProcessRuntimeTest, LogsRotateWithoutLosingALine) {
  RuntimeHarness harness(state_.path(), true, /*log_max_bytes=*/100'000);
  ContainerSpec spec =
      harness.Shell("logs", "i=0; while [ $i -lt 5000 ]; do echo line $i; i=$((i+1)); done");
  ASSERT_TRUE(harness.Start(spec));
  ASSERT_TRUE(harness.AwaitExit(spec.id));
  std::string all;
  for (int i = 1; std::filesystem::exists(harness.LogPath(spec) + "." + std::to_string(i)); ++i) {
    all += LogText(harness.LogPath(spec) + "." + std::to_string(i));
  }
  all += LogText(harness.LogPath(spec));
  std::string expected;
  for (int i = 0; i < 5000; ++i) expected += "line " + std::to_string(i) + "\n";
  EXPECT_EQ(all, expected);
  EXPECT_TRUE(std::filesystem::exists(harness.LogPath(spec) + ".1"));
}

// The part of the test below that is killed.
TEST(ProcessRuntimeRole, DISABLED_StartsAndWaits) {
  const char* state = std::getenv("ENCLAVE_TEST_STATE");
  ASSERT_NE(state, nullptr);
  RuntimeHarness harness(state);
  harness.LeaveRunning();
  auto started = harness.Start(harness.Shell("orphan", "while :; do echo alive; sleep 0.01; done"));
  ASSERT_TRUE(started);
  std::ofstream(std::string(state) + "/ready") << started->pid << std::endl;
  while (true) pause();
}

// Runs this program again, as another user when `uid` is not 0.
pid_t RunAgain(const std::string& filter, const std::string& state, uid_t uid) {
  int self = open("/proc/self/exe", O_RDONLY);
  pid_t pid = fork();
  if (pid != 0) {
    close(self);
    return pid;
  }
  setenv("ENCLAVE_TEST_STATE", state.c_str(), 1);
  setenv("TMPDIR", state.c_str(), 1);
  if (uid != 0) {
    std::string shim = state + "/enclave-shim";
    setenv("ENCLAVE_TEST_SHIM", shim.c_str(), 1);
    if (setgroups(0, nullptr) != 0 || setresgid(uid, uid, uid) != 0 ||
        setresuid(uid, uid, uid) != 0 || chdir("/") != 0) {
      _exit(1);
    }
  }
  std::string filter_flag = "--gtest_filter=" + filter;
  const char* argv[] = {"test", filter_flag.c_str(), "--gtest_also_run_disabled_tests",
                        "--gtest_brief=1", nullptr};
  fexecve(self, const_cast<char* const*>(argv), environ);
  _exit(1);
}

TEST_F(ProcessRuntimeTest, ContainersSurviveKillNineOfTheKubelet) {
  Signpost ready(state_ / "ready");
  pid_t kubelet = RunAgain("ProcessRuntimeRole.*", state_.path(), 0);
  ASSERT_GT(kubelet, 0);
  std::int64_t pid = std::stoi(ready.Await());
  ASSERT_EQ(kill(kubelet, SIGKILL), 0);
  waitpid(kubelet, nullptr, 0);
  RuntimeHarness harness(state_.path());
  auto list = harness.runtime().List();
  ASSERT_EQ(list.size(), 1U);
  EXPECT_EQ(list[0].pid, pid);
  EXPECT_FALSE(list[0].exit);
  auto output = harness.Exec(list[0].id, {"true"});
  ASSERT_TRUE(output) << output.error().message();
  ASSERT_TRUE(harness.runtime().Signal(list[0].id, SIGTERM));
  auto exit = harness.AwaitExit(list[0].id);
  ASSERT_TRUE(exit);
  EXPECT_EQ(exit->signal, SIGTERM) << "its shim was there to see it";
}

TEST_F(ProcessRuntimeTest, RunsAsAnOrdinaryUser) {
  if (getuid() != 0) GTEST_SKIP() << "already an ordinary user";
  constexpr uid_t kNobody = 65534;
  std::filesystem::copy_file(ENCLAVE_SHIM, state_ / "enclave-shim");
  chmod((state_ / "enclave-shim").c_str(), 0755);
  ASSERT_EQ(chown(state_.path().c_str(), kNobody, kNobody), 0);
  pid_t pid = RunAgain("ProcessRuntimeTest.*", state_.path(), kNobody);
  ASSERT_GT(pid, 0);
  int status = 0;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace enclave::cluster
