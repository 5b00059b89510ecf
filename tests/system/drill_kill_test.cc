// Agent, observatory and cluster are killed with SIGKILL at random moments of a drill, each once a
// drill. They come back by themselves, the loop goes on where it was, nothing is done twice, and
// the story is whole. One drill by default, twenty with --slow.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <thread>

#include "system/drilled.h"
#include "system/eventually.h"
#include "system/slow.h"

namespace enclave::system_test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// From the fault until a machine that has nothing else to do is done with it.
constexpr unsigned kMomentsMs = 24'000;

struct Moment {
  milliseconds after;  // the fault
  std::string part;
};

std::vector<Moment> Moments(std::mt19937_64& chance) {
  std::vector<Moment> moments;
  for (const char* part : {"agent", "observatory", "cluster"})
    moments.push_back({milliseconds(chance() % kMomentsMs), part});
  std::ranges::sort(moments, {}, &Moment::after);
  return moments;
}

// How many of the kills it lived to see.
unsigned long DrillUnderKills(const std::vector<Moment>& moments) {
  Enclave enclave;
  const Output up = enclave.Command({"up", "--wait"}, seconds(180));
  EXPECT_EQ(up.code, 0) << up.Story();
  const Kubectl kubectl(enclave, NewestKubectl());
  DrillRun drill(enclave, "scaled-to-zero");
  EXPECT_TRUE(drill.WaitUntilBroken()) << drill.Printed();
  const auto broken = std::chrono::steady_clock::now();
  unsigned long kills = 0;
  for (const Moment& moment : moments) {
    std::this_thread::sleep_until(broken + moment.after);
    if (drill.over()) break;
    EXPECT_TRUE(Kill(enclave, moment.part)) << moment.part << " did not come back";
    ++kills;
  }
  EXPECT_EQ(drill.WaitEnd(), 0) << drill.Printed();
  ExpectWholeStory(kubectl);
  for (const Json& deployment : At(kubectl.Get("-n boutique deployments"), "items"))
    kubectl.Must("-n boutique rollout status --timeout=120s deploy/" +
                 StringAt(deployment, "metadata.name"));
  return kills;
}

TEST(DrillKillTest, TheLoopGoesOnAndNothingIsDoneTwice) {
  const unsigned long drills = Number("--kills", Slow() ? 20UL : 1UL);
  const unsigned long seed = Number("--seed", std::random_device{}());
  std::mt19937_64 chance(seed);
  unsigned long kills = 0;
  for (unsigned long drill = 0; drill < drills; ++drill) {
    const auto moments = Moments(chance);
    std::string told = fmt::format("--seed {}, drill {}:", seed, drill + 1);
    for (const Moment& moment : moments)
      told += fmt::format(" {} after {} ms", moment.part, moment.after.count());
    SCOPED_TRACE(told);
    kills += DrillUnderKills(moments);
  }
  fmt::print("enclave tests: {} kills in {} drills, seed {}\n", kills, drills, seed);
}

}  // namespace
}  // namespace enclave::system_test
