// `enclave run`: a command under a trace, and what every kubectl changes under it.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>

#include "system/eventually.h"
#include "system/kubectl.h"
#include "system/session.h"

namespace enclave::system_test {
namespace {

using std::chrono::seconds;
using testing::Each;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::Not;

std::string TraceOf(const Json& object) {
  const Json annotations = At(object, "metadata.annotations");
  return annotations.is_object() ? annotations.value("enclave.dev/trace-id", "") : "";
}

// "enclave: trace 4bf9…" of what `enclave run` says.
std::string AnnouncedTrace(const Output& output) {
  constexpr std::string_view kBefore = "enclave: trace ";
  const std::size_t at = output.err.find(kBefore);
  return at == std::string::npos ? "" : output.err.substr(at + kBefore.size(), 32);
}

RunOptions InFolder(const std::filesystem::path& state) {
  return {.environment = {{"ENCLAVE_STATE", state.string()}, {"KUBECONFIG", ""}}};
}

Output RunUnder(const RunOptions& options, std::vector<std::string> command) {
  std::vector<std::string> argv{EnclaveBinary(), "run", "--"};
  argv.insert(argv.end(), command.begin(), command.end());
  return Execute(argv, options);
}

class RunWithoutEnclaveTest : public testing::Test {
 protected:
  RunWithoutEnclaveTest() : folder_(MakeFolder("enclave-run")) {}
  ~RunWithoutEnclaveTest() override { RemoveFolder(folder_); }

  Output Run(std::vector<std::string> command) const {
    return RunUnder(InFolder(folder_ / "none"), std::move(command));
  }
  const std::filesystem::path folder_;
};

TEST_F(RunWithoutEnclaveTest, TheCommandFindsItsTrace) {
  const Output output = Run({"/bin/sh", "-c",
                             "echo $TRACEPARENT; echo $B3; echo $X_B3_TRACEID; echo $X_B3_SPANID; "
                             "echo $X_B3_SAMPLED"});
  EXPECT_EQ(output.code, 0) << output.Story();
  const std::string trace = AnnouncedTrace(output);
  EXPECT_THAT(trace, MatchesRegex("[0-9a-f]{32}"));
  const auto lines = Lines(output.out);
  ASSERT_EQ(lines.size(), 5u) << output.Story();
  const std::string span = lines[3];
  EXPECT_EQ(lines[0], "00-" + trace + "-" + span + "-01");
  EXPECT_EQ(lines[1], trace + "-" + span + "-1");
  EXPECT_EQ(lines[2], trace);
  EXPECT_EQ(lines[4], "1");
  EXPECT_THAT(output.err, HasSubstr("the span of this command is lost: no enclave runs in"));
  EXPECT_EQ(Lines(output.err).size(), 2u) << output.Story();
}

TEST_F(RunWithoutEnclaveTest, ARunWithinARunStaysInItsTrace) {
  const Output output =
      Run({EnclaveBinary(), "run", "-q", "--", "/bin/sh", "-c", "echo $X_B3_TRACEID"});
  EXPECT_EQ(output.out, AnnouncedTrace(output) + "\n") << output.Story();
  EXPECT_EQ(Lines(output.err).size(), 2u) << "the inner one is quiet: " << output.Story();
}

TEST_F(RunWithoutEnclaveTest, TheExitCodeIsTheCommands) {
  EXPECT_EQ(Run({"/bin/sh", "-c", "exit 7"}).code, 7);
  EXPECT_EQ(Run({"/bin/sh", "-c", "kill -TERM $$"}).code, 128 + SIGTERM);
  const Output missing = Run({"no-such-program"});
  EXPECT_EQ(missing.code, 127) << missing.Story();
  EXPECT_THAT(missing.err, HasSubstr("no-such-program"));
  EXPECT_EQ(Run({"/etc/passwd"}).code, 126);
}

TEST_F(RunWithoutEnclaveTest, AScriptWithoutAnInterpreterIsTheShells) {
  const auto script = folder_ / "script";
  std::ofstream(script) << "echo \"$1\" \"$X_B3_SAMPLED\"\n";
  std::filesystem::permissions(script, std::filesystem::perms::owner_all);
  EXPECT_EQ(Run({script.string(), "hello"}).out, "hello 1\n");
}

TEST_F(RunWithoutEnclaveTest, InputAndOpenFilesAreTheCommands) {
  RunOptions options = InFolder(folder_ / "none");
  options.input = "from outside";
  EXPECT_EQ(RunUnder(options, {"cat"}).out, "from outside");
  const Output output =
      Execute({"/bin/bash", "-c", EnclaveBinary() + " run -q -- cat <(echo from a pipe)"},
              InFolder(folder_ / "none"));
  EXPECT_EQ(output.out, "from a pipe\n") << output.Story();
}

TEST_F(RunWithoutEnclaveTest, SignalsReachTheCommand) {
  Background run({EnclaveBinary(), "run", "--", "/bin/sh", "-c",
                  "trap 'echo told; exit 9' TERM; echo waiting; while :; do sleep 0.1; done"},
                 InFolder(folder_ / "none"));
  ASSERT_TRUE(run.WaitFor("waiting", seconds(20))) << run.Printed();
  ::kill(run.pid(), SIGTERM);
  EXPECT_EQ(run.WaitExit(seconds(20)), 9) << run.Printed();
  EXPECT_THAT(run.Printed(), HasSubstr("told"));
}

// Older ones ask whether a kind knows dry runs by the protobuf form of OpenAPI v2, which the
// enclave does not serve.
constexpr int kFirstWithDiff = 27;

// One enclave for all; each kubectl has a namespace of its own.
class RunTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { enclave_ = new Enclave; }
  static void TearDownTestSuite() {
    delete enclave_;
    enclave_ = nullptr;
  }
  void SetUp() override {
    static const bool up = enclave_->Up();
    ASSERT_TRUE(up);
  }

  // The kubectl under `enclave run`; the trace it ran in.
  static std::string Traced(const Kubectl& k, const std::string& arguments,
                            const std::string& input = "") {
    RunOptions options = k.Options(input);
    options.environment["ENCLAVE_STATE"] = enclave_->state().string();
    options.environment["KUBECONFIG"] = "";
    const Output output = RunUnder(options, k.Argv(Words(arguments)));
    EXPECT_EQ(output.code, 0) << output.Story();
    const std::string trace = AnnouncedTrace(output);
    EXPECT_THAT(trace, MatchesRegex("[0-9a-f]{32}")) << output.Story();
    return trace;
  }
  static Output Diff(const Kubectl& k, const std::string& file, bool traced) {
    RunOptions options = k.Options();
    options.environment["ENCLAVE_STATE"] = enclave_->state().string();
    options.environment["KUBECONFIG"] = traced ? "" : enclave_->kubeconfig();
    return traced ? RunUnder(options, k.Argv({"diff", "-f", file}))
                  : Execute(k.Argv({"diff", "-f", file}), options);
  }
  // Of the ReplicaSet of `web` with this image, and of its pods.
  static Json SetOf(const Kubectl& k, const std::string& image) {
    for (const Json& set : At(k.Get("rs -l app=web"), "items"))
      if (StringAt(set, "spec.template.spec.containers.0.image") == image) return set;
    return {};
  }
  static std::vector<std::string> PodTraces(const Kubectl& k, const std::string& image) {
    std::vector<std::string> traces;
    for (const Json& pod : At(k.Get("pods -l app=web"), "items"))
      if (!At(pod, "metadata.deletionTimestamp").is_string() &&
          StringAt(pod, "spec.containers.0.image") == image)
        traces.push_back(TraceOf(pod));
    return traces;
  }

  static Enclave* enclave_;
};
Enclave* RunTest::enclave_ = nullptr;

TEST_F(RunTest, WhatEveryKubectlChangesCarriesTheTrace) {
  const std::string web = Manifest("web.yaml");
  for (const KubectlProgram& program : FindKubectls()) {
    SCOPED_TRACE(program.name());
    const Kubectl k(*enclave_, program, fmt::format("run{}", program.minor));
    const std::string made = Traced(k, "create ns " + k.name_space());
    EXPECT_EQ(TraceOf(k.Get("ns " + k.name_space())), made);

    const std::string applied = Traced(k, "apply -f " + web);
    RolledOut(k, "web");
    EXPECT_EQ(TraceOf(k.Get("deploy web")), applied);
    EXPECT_EQ(TraceOf(k.Get("svc web")), applied);
    EXPECT_THAT(PodTraces(k, "enclave/testweb:v1"), Each(applied));
    const std::string first_set = StringAt(SetOf(k, "enclave/testweb:v1"), "metadata.name");
    EXPECT_EQ(TraceOf(SetOf(k, "enclave/testweb:v1")), applied);

    // Nothing to do: nothing is noted, and there is nothing to see.
    EXPECT_NE(Traced(k, "apply -f " + web), applied);
    EXPECT_EQ(TraceOf(k.Get("deploy web")), applied);
    for (const bool traced : {true, false}) {
      if (program.minor < kFirstWithDiff) continue;
      const Output diff = Diff(k, web, traced);
      EXPECT_EQ(diff.code, 0) << diff.Story();
      EXPECT_THAT(diff.out, IsEmpty()) << diff.Story();
    }

    const std::string released = Traced(k, "set image deploy/web c1=enclave/testweb:v2");
    EXPECT_NE(released, applied);
    RolledOut(k, "web");
    EXPECT_EQ(TraceOf(k.Get("deploy web")), released);
    EXPECT_EQ(TraceOf(SetOf(k, "enclave/testweb:v2")), released);
    EXPECT_EQ(TraceOf(SetOf(k, "enclave/testweb:v1")), released) << "scaled down by it";
    EXPECT_THAT(PodTraces(k, "enclave/testweb:v2"), testing::AllOf(Not(IsEmpty()), Each(released)));
    EXPECT_EQ(TraceOf(k.Get("svc web")), applied) << "the Service is as it was";
    EXPECT_EQ(StringAt(SetOf(k, "enclave/testweb:v1"), "metadata.name"), first_set)
        << "no hash changes by a trace";

    // A diff with something in it tells of that alone.
    if (program.minor >= kFirstWithDiff) {
      const Output diff = Diff(k, web, true);
      EXPECT_EQ(diff.code, 1) << diff.Story();
      EXPECT_THAT(diff.out, HasSubstr("testweb:v1"));
      EXPECT_THAT(diff.out, Not(HasSubstr("trace-id: " + AnnouncedTrace(diff)))) << diff.Story();
    }

    // A step back, by one who is in no trace: no trace is to blame, least of all the former one.
    k.Must("rollout undo deploy/web");
    RolledOut(k, "web");
    EXPECT_EQ(TraceOf(k.Get("deploy web")), "");
    EXPECT_THAT(PodTraces(k, "enclave/testweb:v1"), testing::AllOf(Not(IsEmpty()), Each("")));

    const std::string scaled = Traced(k, "scale deploy/web --replicas=3");
    EXPECT_EQ(TraceOf(k.Get("deploy web")), scaled);
    EXPECT_TRUE(Eventually(seconds(30), [&] {
      const auto traces = PodTraces(k, "enclave/testweb:v1");
      return traces.size() == 3 && std::ranges::count(traces, scaled) == 1;
    })) << testing::PrintToString(PodTraces(k, "enclave/testweb:v1"));
    k.Must("delete ns " + k.name_space() + " --wait=false");
  }
}

TEST_F(RunTest, EnclaveKubectlIsUnderTheTraceToo) {
  const Kubectl k(*enclave_, NewestKubectl());
  const Output output = RunUnder(InFolder(enclave_->state()), {EnclaveBinary(), "kubectl", "create",
                                                               "configmap", "by-enclave-kubectl"});
  EXPECT_EQ(output.code, 0) << output.Story();
  EXPECT_EQ(TraceOf(k.Get("configmap by-enclave-kubectl")), AnnouncedTrace(output));
  const Output plain = enclave_->Command({"kubectl", "create", "configmap", "without"});
  EXPECT_EQ(plain.code, 0) << plain.Story();
  EXPECT_EQ(TraceOf(k.Get("configmap without")), "");
}

TEST_F(RunTest, AnotherClustersKubeconfigStaysAsItIs) {
  const auto folder = MakeFolder("enclave-run");
  const auto other = folder / "config";
  std::ofstream(other) << "apiVersion: v1\nkind: Config\ncurrent-context: x\n"
                          "users: [{name: u, user: {token: t}}]\n"
                          "clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\n"
                          "contexts: [{name: x, context: {cluster: c, user: u}}]\n";
  RunOptions options = InFolder(enclave_->state());
  options.environment["KUBECONFIG"] = other.string();
  EXPECT_EQ(RunUnder(options, {"/bin/sh", "-c", "echo $KUBECONFIG"}).out, other.string() + "\n");
  RemoveFolder(folder);
}

TEST_F(RunTest, TheKubeconfigEndsWithTheRun) {
  const Output output = RunUnder(InFolder(enclave_->state()),
                                 {"/bin/sh", "-c", "cat $KUBECONFIG; echo $KUBECONFIG >&2"});
  EXPECT_THAT(output.out, HasSubstr(AnnouncedTrace(output)));
  const auto lines = Lines(output.err);
  ASSERT_GE(lines.size(), 2u) << output.Story();
  EXPECT_THAT(lines[1], MatchesRegex("/proc/[0-9]+/fd/[0-9]+"));
  EXPECT_FALSE(std::filesystem::exists(lines[1]));
}

}  // namespace
}  // namespace enclave::system_test
