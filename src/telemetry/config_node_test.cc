#include "telemetry/config_node.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "telemetry/workers.h"

namespace enclave::telemetry {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(ConfigNodeTest, ReadsAMapStrictly) {
  const auto node =
      ParseConfig("a: x\nn: 12\nd: 1h30m\nb: true\nl: [p, q]\nm: {k: v}\ns: 10MB\n", "f.yml");
  ASSERT_TRUE(node) << node.error().ToString();
  ConfigReader reader(*node, "a test", "f.yml");
  std::string a;
  std::uint64_t n = 0;
  std::uint64_t s = 0;
  bool b = false;
  base::Duration d{};
  std::vector<std::string> l{"default"};
  std::map<std::string, std::string> m;
  reader.Text("a", &a);
  reader.Unsigned("n", &n);
  reader.Duration("d", &d);
  reader.Bool("b", &b);
  reader.Texts("l", &l);
  reader.TextMap("m", &m);
  reader.Bytes("s", &s);
  ASSERT_TRUE(reader.Finish());
  EXPECT_EQ(a, "x");
  EXPECT_EQ(n, 12u);
  EXPECT_EQ(s, 10u << 20);
  EXPECT_TRUE(b);
  EXPECT_EQ(d, std::chrono::minutes(90));
  EXPECT_THAT(l, ElementsAre("p", "q"));
  EXPECT_EQ(m["k"], "v");
}

TEST(ConfigNodeTest, WhatIsNotKnownIsNamedWithItsLine) {
  const auto node = ParseConfig("a: x\n\nunheard_of: 1\n", "f.yml");
  ConfigReader reader(*node, "a test", "f.yml");
  std::string a;
  reader.Text("a", &a);
  const auto finished = reader.Finish();
  ASSERT_FALSE(finished);
  EXPECT_EQ(finished.error().message(),
            "f.yml:3: \"unheard_of\" of a test is not supported; supported are a");
}

TEST(ConfigNodeTest, BrokenTextsAreRefusedWithTheirLine) {
  const std::pair<const char*, const char*> cases[] = {
      {"a: 1\na: 2\n", "f:2: the key \"a\" stands twice"},
      {"a: &x 1\nb: *x\n", "f:2: aliases"},
      {"a: {<<: 1}\n", "f:1: merges"},
      {"a: [1\n", "f:"},
      {"a: 1\n---\nb: 2\n", "expected one YAML document"},
      {"? [a]\n: 1\n", "a key must be a scalar"},
      {"a: 1\nb: \x01\n", "f:2: a control character"},
  };
  for (const auto& [text, why] : cases) {
    const auto node = ParseConfig(text, "f");
    ASSERT_FALSE(node) << text;
    EXPECT_THAT(node.error().message(), HasSubstr(why)) << text;
  }
}

TEST(ConfigNodeTest, Durations) {
  EXPECT_EQ(*ParseConfigDuration("15s"), seconds(15));
  EXPECT_EQ(*ParseConfigDuration("1m30s5ms"), milliseconds(90'005));
  EXPECT_EQ(*ParseConfigDuration("0"), seconds(0));
  for (const char* bad : {"", "5", "s", "-1s", "1s1m", "1s1s", "1.5s", "1 s", "99999999999y"}) {
    EXPECT_FALSE(ParseConfigDuration(bad)) << bad;
  }
  for (const char* text : {"15s", "1m30s", "2h", "1w", "1d", "250ms", "0s"}) {
    EXPECT_EQ(FormatConfigDuration(*ParseConfigDuration(text)), text);
  }
}

TEST(WorkersTest, AFullQueueRefusesAndTheEndRunsWhatIsQueued) {
  std::promise<void> started;
  std::promise<void> go_on;
  int ran = 0;
  {
    ThreadWorkers workers("test", 1, 1);
    ASSERT_TRUE(workers.Submit([&] {
      started.set_value();
      go_on.get_future().wait();
      ++ran;
    }));
    started.get_future().wait();
    EXPECT_TRUE(workers.Submit([&] { ++ran; }));
    EXPECT_FALSE(workers.Submit([&] { ++ran; }));
    go_on.set_value();
  }
  EXPECT_EQ(ran, 2);
}

}  // namespace
}  // namespace enclave::telemetry
