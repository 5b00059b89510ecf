// What a drill broke is put back: when it is told to end, and after it was killed.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <fstream>
#include <set>
#include <sstream>

#include "system/eventually.h"
#include "system/laboratory.h"

namespace enclave::system_test {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

class DrillRestoreTest : public LaboratoryTest {
 protected:
  // A drill that needs no users: it stops a service and takes another one's pods away, and lasts.
  DrillRestoreTest() {
    std::ofstream(folder_ / "objectives.yaml")
        << "objectives:\n  - {name: any, title: anything, query: vector(0), at-most: 1}\n";
    std::ofstream(folder_ / "stop.yaml") << R"(
name: stop
title: two services end
steady: {hold: 1s}
faults:
  - signal: {workload: adservice, signal: STOP}
  - scale: {workload: emailservice, replicas: 0}
truth:
  causes:
    - {services: [adservice], kinds: [crash], actions: [restart]}
limits: {detect: 60s, recover: 60s, whole: 5m}
)";
  }
  ~DrillRestoreTest() override { RemoveFolder(folder_); }

  std::vector<std::string> Drill(std::vector<std::string> more) const {
    std::vector<std::string> argv{
        EnclaveBinary(),  "drill",        "stop",    "--drills",
        folder_.string(), "--unattended", "--state", enclave_->state().string()};
    argv.insert(argv.end(), more.begin(), more.end());
    return argv;
  }
  // Stopped processes in containers of the enclave: children of its own.
  static int Stopped() {
    const std::set<pid_t> ours = enclave_->Processes();
    int stopped = 0;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
      std::ifstream file(entry.path() / "stat");
      std::string stat;
      std::getline(file, stat);
      const auto bracket = stat.rfind(')');
      if (bracket == std::string::npos) continue;
      std::istringstream rest(stat.substr(bracket + 1));
      std::string state;
      pid_t parent = 0;
      if (rest >> state >> parent && state == "T" && ours.contains(parent)) ++stopped;
    }
    return stopped;
  }
  static std::string Replicas() {
    return kubectl_->Must("-n boutique get deploy/emailservice -o jsonpath={.spec.replicas}");
  }
  static bool Broken() { return Stopped() > 0 && Replicas() == "0"; }
  static bool Whole() { return Stopped() == 0 && Replicas() == "1"; }

  const std::filesystem::path folder_ = MakeFolder("drills");
};

TEST_F(DrillRestoreTest, ToldToEndItPutsBackWhatItBroke) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    Background drill(Drill({}));
    ASSERT_TRUE(Eventually(seconds(60), Broken)) << drill.Printed();
    drill.Signal(signal);
    EXPECT_EQ(drill.WaitExit(seconds(60)), 1) << drill.Printed();
    EXPECT_TRUE(Whole()) << "after signal " << signal << "\n" << drill.Printed();
  }
}

TEST_F(DrillRestoreTest, WhatAKilledDrillLeftIsPutBackByTheNext) {
  {
    Background drill(Drill({}));
    ASSERT_TRUE(Eventually(seconds(60), Broken)) << drill.Printed();
    drill.Signal(SIGKILL);
    drill.WaitExit(seconds(30));
  }
  EXPECT_TRUE(Broken()) << "nobody else repairs it";
  const Output restored = Execute(Drill({"--restore"}));
  EXPECT_EQ(restored.code, 0) << restored.Story();
  EXPECT_THAT(restored.out, HasSubstr("put back Deployment/emailservice"));
  EXPECT_TRUE(Whole());
  const Output again = Execute(Drill({"--restore"}));
  EXPECT_EQ(again.code, 0) << again.Story();
  EXPECT_THAT(again.out, HasSubstr("as its manifests say"));
}

}  // namespace
}  // namespace enclave::system_test
