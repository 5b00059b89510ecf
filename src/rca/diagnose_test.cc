#include "rca/diagnose.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace enclave::rca {
namespace {

using incident::Context;
using ::testing::ElementsAre;

// web calls cart, cart calls store.
Context OnlineShop() {
  Context context;
  for (const char* name : {"cart", "store", "web"})
    context.services.push_back({.name = name, .requests_before = 100, .requests_during = 100});
  context.topology = {{"cart", "store"}, {"web", "cart"}};
  context.alert.service = "web";
  return context;
}

incident::LogShift Complaint(const char* service, const char* location) {
  return {.id = std::string("l-") + service,
          .service = service,
          .change = incident::LogChange::kNew,
          .level = "ERROR",
          .location = location,
          .knows_runs = true,
          .operation = "op",
          .count_during = 50,
          .runs_before = 100,
          .runs_during = 100,
          .score = 40};
}

TEST(DiagnoseTest, TheDeepestOfThoseThatFailIsTheCause) {
  Context context = OnlineShop();
  context.logs = {Complaint("web", "web.cc:1"), Complaint("cart", "cart.cc:2"),
                  Complaint("store", "store.cc:3")};
  const Diagnosis diagnosis = Diagnose(context);
  ASSERT_EQ(diagnosis.ranking.size(), 3U);
  EXPECT_EQ(diagnosis.ranking[0].service, "store");
  EXPECT_EQ(diagnosis.ranking[0].component, "store.cc:3");
  EXPECT_THAT(diagnosis.ranking[0].path, ElementsAre("store", "cart", "web"));
  EXPECT_GT(diagnosis.ranking[0].confidence, 0.8);
  EXPECT_THAT(diagnosis.ranking[1].lost_because, testing::HasSubstr("follows from others"));
}

TEST(DiagnoseTest, ASlowNetworkIsWhereAllSlowCallsMeet) {
  Context context = OnlineShop();
  const incident::Summary fast{.count = 50, .mean = 2, .median = 2, .spread = 1, .high = 3};
  const incident::Summary slow{.count = 50, .mean = 300, .median = 300, .spread = 1, .high = 310};
  context.edges = {{.id = "e1",
                    .caller = "cart",
                    .callee = "store",
                    .gap_before = fast,
                    .gap_during = slow,
                    .score = 30},
                   {.id = "e2",
                    .caller = "web",
                    .callee = "cart",
                    .gap_before = fast,
                    .gap_during = slow,
                    .score = 30}};
  const Diagnosis diagnosis = Diagnose(context);
  EXPECT_EQ(diagnosis.ranking[0].service, "cart");
  EXPECT_EQ(diagnosis.ranking[0].kind, CauseKind::kNetworkDelay);
}

TEST(DiagnoseTest, WhatIsKilledForItsMemoryWaitsForThatReason) {
  Context context = OnlineShop();
  context.facts = {{.id = "f1",
                    .service = "cart",
                    .kind = "Pod",
                    .object = "shop/cart-1",
                    .reason = "CrashLoopBackOff",
                    .count = 1},
                   {.id = "f2",
                    .service = "cart",
                    .kind = "Pod",
                    .object = "shop/cart-1",
                    .reason = "OOMKilled",
                    .count = 1},
                   {.id = "f3",
                    .service = "cart",
                    .kind = "Pod",
                    .object = "shop/cart-1",
                    .reason = "BackOff",
                    .count = 2}};
  EXPECT_EQ(Diagnose(context).ranking[0].kind, CauseKind::kMemory);
  context.facts[1].object = "shop/cart-2";
  EXPECT_EQ(Diagnose(context).ranking[0].kind, CauseKind::kCrash);
}

TEST(DiagnoseTest, ASurgeIsWhereTheRequestsComeIn) {
  Context context = OnlineShop();
  context.topology.push_back({"robot", "web"});
  context.services.push_back({.name = "robot", .requests_before = 100, .requests_during = 100});
  std::ranges::sort(context.services, {}, &incident::ServiceFacts::name);
  const auto more = [&](const char* service, double times) {
    context.series.push_back({.id = std::string("m-") + service,
                              .service = service,
                              .signal = incident::Signal::kTraffic,
                              .metric = "http_server_request_duration_seconds_count",
                              .before = {.count = 60, .median = 10, .high = 10},
                              .during = {.count = 3, .median = 10 * times, .high = 10 * times},
                              .score = 30});
  };
  more("web", 8);
  more("cart", 8);
  more("store", 8);
  EXPECT_EQ(Diagnose(context).ranking[0].service, "web") << "whoever else calls it";
  EXPECT_EQ(Diagnose(context).ranking[0].kind, CauseKind::kTrafficSurge);
  more("robot", 8);
  EXPECT_EQ(Diagnose(context).ranking[0].service, "robot");
}

TEST(DiagnoseTest, ATwentiethOfAProcessorIsNoCause) {
  Context context = OnlineShop();
  context.series = {{.id = "m1",
                     .service = "store",
                     .signal = incident::Signal::kCpu,
                     .metric = "process_cpu_time_seconds_total",
                     .before = {.count = 60, .median = 0.001, .high = 0.002},
                     .during = {.count = 3, .median = 0.04, .high = 0.05},
                     .score = 30}};
  EXPECT_LT(Diagnose(context).ranking[0].confidence, 0.4) << "as good as any other";
  context.series[0].during = {.count = 3, .median = 0.9, .high = 0.95};
  EXPECT_EQ(Diagnose(context).ranking[0].service, "store");
  EXPECT_EQ(Diagnose(context).ranking[0].kind, CauseKind::kCpu);
}

TEST(DiagnoseTest, AFullProcessorExplainsThatItsServiceIsSlow) {
  Context context = OnlineShop();
  context.series = {{.id = "m1",
                     .service = "cart",
                     .signal = incident::Signal::kCpu,
                     .metric = "k8s_pod_cpu_limit_utilization_ratio",
                     .before = {.count = 60, .median = 0.05, .high = 0.06},
                     .during = {.count = 3, .median = 0.99, .high = 1.0},
                     .score = 30}};
  const incident::Summary fast{.count = 50, .mean = 2, .median = 2, .spread = 1, .high = 3};
  const incident::Summary slow{.count = 50, .mean = 90, .median = 90, .spread = 1, .high = 99};
  context.operations = {{.id = "o1",
                         .service = "cart",
                         .operation = "Get",
                         .self_before = fast,
                         .self_during = slow,
                         .score = 30}};
  const Diagnosis diagnosis = Diagnose(context);
  EXPECT_EQ(diagnosis.ranking[0].service, "cart");
  EXPECT_EQ(diagnosis.ranking[0].kind, CauseKind::kCpu);
}

TEST(DiagnoseTest, TheSymptomIsAccountedForByAmounts) {
  // cart waits for store; a third service is slower still, but hardly called.
  Context context = OnlineShop();
  context.services.push_back({.name = "xtra"});
  context.topology.push_back({"web", "xtra"});
  // Metrics alone: no service has spans.
  for (incident::ServiceFacts& service : context.services)
    service.requests_before = service.requests_during = 0;
  context.alert.name = "latency";
  const auto course = [](double before, double worst) {
    std::vector<incident::Point> points;
    for (int minute = 0; minute < 6; ++minute)
      points.push_back({minute * 60'000'000'000, minute < 3 ? before : worst});
    return points;
  };
  const auto golden = [&](const char* service, double traffic, double before, double worst) {
    return incident::GoldenSignals{.id = std::string("g-") + service,
                                   .service = service,
                                   .traffic = course(traffic, traffic),
                                   .latency_ms = course(before, worst),
                                   .latency_before_ms = before};
  };
  context.during = {170'000'000'000, 400'000'000'000};
  context.golden = {golden("cart", 100, 30, 230), golden("store", 100, 10, 205),
                    golden("web", 100, 50, 250), golden("xtra", 1, 10, 2000)};
  const Diagnosis diagnosis = Diagnose(context);
  EXPECT_EQ(diagnosis.ranking[0].service, "store");
}

TEST(DiagnoseTest, PoisonedMemoriesDoNotOutvotePlainEvidence) {
  Context context = OnlineShop();
  context.logs = {Complaint("store", "store.cc:3")};
  incident::LogShift faint = Complaint("web", "web.cc:1");
  faint.score = 4;
  faint.count_during = 3;
  context.logs.push_back(faint);
  Options options;
  for (int i = 0; i < 1000; ++i) options.priors.push_back({.service = "web", .log_odds = 1000});
  options.priors.push_back({.service = "store", .log_odds = -1000});
  EXPECT_EQ(Diagnose(context, options).ranking[0].service, "store");
}

TEST(DiagnoseTest, MemoryBreaksATie) {
  Context context = OnlineShop();
  context.topology.clear();
  context.alert.service.clear();
  context.logs = {Complaint("cart", "cart.cc:2"), Complaint("store", "store.cc:3")};
  Options options{.priors = {{.service = "store", .log_odds = 1}}};
  EXPECT_EQ(Diagnose(context, options).ranking[0].service, "store");
  options.priors[0].service = "cart";
  EXPECT_EQ(Diagnose(context, options).ranking[0].service, "cart");
}

TEST(DiagnoseTest, AFamilyCanBeLeftOut) {
  Context context = OnlineShop();
  context.logs = {Complaint("store", "store.cc:3")};
  const Diagnosis diagnosis = Diagnose(context, {.without = {Family::kLogs}});
  for (const Hypothesis& hypothesis : diagnosis.ranking) EXPECT_TRUE(hypothesis.evidence.empty());
}

TEST(DiagnoseTest, AnEmptyContextHasNoCauses) {
  EXPECT_TRUE(Diagnose({}).ranking.empty());
}

}  // namespace
}  // namespace enclave::rca
