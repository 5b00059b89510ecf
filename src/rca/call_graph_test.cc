#include "rca/call_graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace enclave::rca {
namespace {

incident::Context Shop() {
  incident::Context context;
  for (const char* name : {"a", "b", "c", "d"}) context.services.push_back({.name = name});
  context.topology = {{"a", "b"}, {"b", "c"}, {"a", "d"}, {"d", "c"}, {"x", "a"}};
  return context;
}

TEST(CallGraphTest, PutsCalleesFirst) {
  const incident::Context context = Shop();
  const CallGraph graph(context);
  const auto at = [&](std::uint32_t service) {
    return std::ranges::find(graph.CalleesFirst(), service) - graph.CalleesFirst().begin();
  };
  EXPECT_EQ(graph.CalleesFirst().size(), 4U);
  EXPECT_LT(at(2), at(1));
  EXPECT_LT(at(1), at(0));
  EXPECT_LT(at(3), at(0));
}

TEST(CallGraphTest, FindsTheShortestPath) {
  const incident::Context context = Shop();
  const CallGraph graph(context);
  EXPECT_EQ(graph.Path(0, 2).size(), 3U);
  EXPECT_THAT(graph.Path(2, 0), testing::IsEmpty());
  EXPECT_THAT(graph.Path(1, 1), testing::ElementsAre(1));
}

TEST(CallGraphTest, EndsOnACircle) {
  incident::Context context = Shop();
  context.topology.push_back({"c", "a"});
  const CallGraph graph(context);
  EXPECT_EQ(graph.CalleesFirst().size(), 4U);
  EXPECT_THAT(graph.Entries(), testing::IsEmpty());
}

TEST(CallGraphTest, LeavesOutUnknownServices) {
  const incident::Context context = Shop();
  const CallGraph graph(context);
  EXPECT_THAT(graph.Entries(), testing::ElementsAre(0));
  EXPECT_FALSE(graph.Find("x"));
}

}  // namespace
}  // namespace enclave::rca
