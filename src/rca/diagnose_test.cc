#include "rca/diagnose.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

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

TEST(DiagnoseTest, WhoIsNotReachedIsNotMerelyFarAway) {
  Context context = OnlineShop();
  for (incident::ServiceFacts& facts : context.services)
    if (facts.name == "store") facts.requests_during = 0;
  context.traces = {{.id = "t1",
                     .service = "store",
                     .operation = "store/Get",
                     .path = {"web", "cart", "store"},
                     .message = "connection refused",
                     .unanswered = true,
                     .like_it = 20}};
  context.edges = {
      {.id = "e1",
       .caller = "cart",
       .callee = "store",
       .gap_before = {.count = 50, .mean = 1, .median = 1, .spread = 1, .high = 2},
       .gap_during = {.count = 50, .mean = 700, .median = 700, .spread = 1, .high = 710},
       .score = 90}};
  EXPECT_EQ(Diagnose(context).ranking[0].service, "store");
  EXPECT_EQ(Diagnose(context).ranking[0].kind, CauseKind::kDependencyDown);
}

TEST(DiagnoseTest, WhomOthersReachIsNotWhyOneDoesNot) {
  Context context = OnlineShop();
  context.topology.push_back({"web", "store"});
  context.traces = {{.id = "t1",
                     .service = "store",
                     .operation = "store/Get",
                     .path = {"web", "cart", "store"},
                     .message = "connection refused",
                     .unanswered = true,
                     .like_it = 20}};
  context.changes = {{.id = "c1",
                      .time_ns = 0,
                      .service = "cart",
                      .kind = incident::ChangeKind::kConfiguration,
                      .object = "Deployment shop/cart"}};
  EXPECT_EQ(Diagnose(context).ranking[0].service, "cart");
  EXPECT_EQ(Diagnose(context).ranking[0].kind, CauseKind::kConfiguration);
  Context unchanged = context;
  unchanged.changes.clear();
  EXPECT_EQ(Diagnose(unchanged).ranking[0].service, "store") << "others may just not have called";
  context.traces.push_back(context.traces[0]);
  context.traces[1].id = "t2";
  context.traces[1].path = {"web", "store"};
  EXPECT_EQ(Diagnose(context).ranking[0].service, "store") << "nobody reaches it";
}

TEST(DiagnoseTest, WhoTakesAnotherWayBecauseItWasChangedIsNotStoppedByWhomItCalls) {
  Context context = OnlineShop();
  const incident::FlowShift lost{.id = "f1",
                                 .service = "cart",
                                 .operation = "choose",
                                 .callee = "cart",
                                 .step = "write",
                                 .share_before = 0.84,
                                 .share_during = 0.13,
                                 .score = -60};
  incident::FlowShift ends = lost;
  ends.id = "f2";
  ends.callee = "store";
  ends.step = "store/List";
  ends.ends_after = true;
  ends.share_before = 0.19;
  ends.share_during = 0.88;
  ends.score = 60;
  context.flows = {lost, ends};
  EXPECT_EQ(Diagnose(context).ranking[0].service, "store") << "nothing else would stop it there";
  context.changes = {{.id = "c1",
                      .time_ns = 0,
                      .service = "cart",
                      .kind = incident::ChangeKind::kRollout,
                      .object = "Deployment shop/cart"}};
  EXPECT_EQ(Diagnose(context).ranking[0].service, "cart");
  EXPECT_EQ(Diagnose(context).ranking[0].kind, CauseKind::kBadRelease);
  EXPECT_GT(Diagnose(context).ranking[0].confidence, 0.9);
  context.changes.push_back(context.changes[0]);
  context.changes[1].id = "c2";
  context.changes[1].service = "store";
  context.changes[1].object = "Deployment shop/store";
  EXPECT_EQ(Diagnose(context).ranking[0].service, "store") << "both were changed";
  context.changes.pop_back();
  context.during.from_ns = 3600 * 1'000'000'000LL;
  EXPECT_EQ(Diagnose(context).ranking[0].service, "store") << "an hour is long ago";
}

TEST(DiagnoseTest, AnEarlierIncidentInTheWindowHidesNoSaturation) {
  Context context = OnlineShop();
  context.series = {
      {.id = "m1",
       .service = "store",
       .signal = incident::Signal::kCpu,
       .metric = "k8s_pod_cpu_limit_utilization_ratio",
       // Two of nineteen minutes were at the limit as well.
       .before = {.count = 19, .mean = 0.31, .median = 0.25, .spread = 0.05, .high = 0.87},
       .during = {.count = 3, .mean = 0.66, .median = 0.84, .spread = 0.05, .high = 0.87},
       .score = 5}};
  EXPECT_EQ(Diagnose(context).ranking[0].service, "store");
  EXPECT_EQ(Diagnose(context).ranking[0].kind, CauseKind::kCpu);
  // Whose load goes up and down all the time is at its limit often.
  context.series[0].before.spread = 0.25;
  for (const Hypothesis& hypothesis : Diagnose(context).ranking)
    EXPECT_THAT(hypothesis.evidence, testing::IsEmpty()) << hypothesis.service;
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
  std::swap(context.series[0].service, context.series[1].service);
  context.series.resize(1);
  for (const Hypothesis& hypothesis : Diagnose(context).ranking)
    EXPECT_NE(hypothesis.kind, CauseKind::kTrafficSurge) << "the users ask no more than before";
  context.series.clear();
  more("web", 8);
  more("robot", 8);
  EXPECT_EQ(Diagnose(context).ranking[0].service, "robot");
  for (incident::SeriesShift& shift : context.series) shift.before.median = 5;
  EXPECT_EQ(Diagnose(context).ranking[0].kind, CauseKind::kTrafficSurge) << "far more than it grew";
  for (incident::SeriesShift& shift : context.series) shift.before.median = 1;
  for (const Hypothesis& hypothesis : Diagnose(context).ranking)
    EXPECT_NE(hypothesis.kind, CauseKind::kTrafficSurge) << "it grew before as well";
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
  for (int i = 0; i < 1000; ++i) options.priors.push_back({.service = "web", .share = 1000});
  options.priors.push_back({.service = "store", .doubt = 1000});
  EXPECT_EQ(Diagnose(context, options).ranking[0].service, "store");
  // Not even where what they rest on cannot be seen; there they may when the evidence is close.
  options.priors[0].unseen = 1;
  EXPECT_EQ(Diagnose(context, options).ranking[0].service, "store");
  context.topology.clear();
  context.logs = {Complaint("store", "store.cc:3"), Complaint("cart", "cart.cc:2")};
  for (incident::LogShift& shift : context.logs) shift.score = 4;
  EXPECT_EQ(Diagnose(context, options).ranking[0].service, "web");
}

TEST(DiagnoseTest, MemoryNamesAServiceOfWhichNothingIsSeen) {
  Context context = OnlineShop();
  context.topology.clear();
  context.alert.service.clear();
  context.logs = {Complaint("cart", "cart.cc:2"), Complaint("store", "store.cc:3")};
  for (incident::LogShift& shift : context.logs) shift.score = 4;
  const Options options{
      .priors = {
          {.service = "mail", .kind = "network delay", .share = 0.37, .why = "it was so twice"}}};
  const Diagnosis diagnosis = Diagnose(context, options);
  const auto mail = std::ranges::find(diagnosis.ranking, "mail", &Hypothesis::service);
  ASSERT_NE(mail, diagnosis.ranking.end());
  EXPECT_NEAR(mail->confidence, 0.37, 1e-9);
  EXPECT_EQ(mail->kind, CauseKind::kNetworkDelay);
  ASSERT_EQ(mail->evidence.size(), 1U);
  EXPECT_EQ(mail->evidence[0].id, kByMemory);
  EXPECT_EQ(mail->evidence[0].sentence, "by memory: it was so twice");
  double sum = 0;
  for (const Hypothesis& hypothesis : diagnosis.ranking) sum += hypothesis.confidence;
  EXPECT_NEAR(sum, 1, 1e-9);
}

TEST(DiagnoseTest, WhoOnlyWatchesIsNoSuspectUnlessItIsIll) {
  Context context = OnlineShop();
  context.services.insert(context.services.begin(), {.name = "agent", .requests_during = 5});
  context.topology.insert(context.topology.begin(), {"agent", "web"});
  context.logs = {Complaint("store", "store.cc:3")};
  const auto names = [&](const Diagnosis& diagnosis) {
    std::vector<std::string> services;
    for (const Hypothesis& hypothesis : diagnosis.ranking) services.push_back(hypothesis.service);
    return services;
  };
  EXPECT_THAT(names(Diagnose(context)), testing::Not(testing::Contains("agent")));
  context.facts = {{.id = "k1", .service = "agent", .kind = "Pod", .reason = "OOMKilled"}};
  EXPECT_THAT(names(Diagnose(context)), testing::Contains("agent"));
}

// checkout is asked as often as before, and asks nobody any more: it fails on the way there, though
// the users' errors are counted at the entry alone.
TEST(DiagnoseTest, WhoNoLongerCallsOthersFailsBeforeItDoes) {
  Context context;
  for (const char* name : {"checkout", "mail", "pay", "web"})
    context.services.push_back({.name = name});
  context.topology = {{"checkout", "mail"}, {"checkout", "pay"}, {"web", "checkout"}};
  context.alert.service = "web";
  context.during = {170'000'000'000, 400'000'000'000};
  const auto course = [](double before, double during) {
    std::vector<incident::Point> points;
    for (int minute = 0; minute < 6; ++minute)
      points.push_back({minute * 60'000'000'000, minute < 3 ? before : during});
    return points;
  };
  const auto golden = [&](const char* service, double before, double during) {
    return incident::GoldenSignals{
        .id = std::string("g-") + service,
        .service = service,
        .traffic = course(before, during),
        .error_share = service == std::string("web") ? course(0, 0.06) : course(1, 1),
        .error_before = service == std::string("web") ? 0.0 : 1.0};
  };
  context.golden = {golden("checkout", 16, 18), golden("mail", 16, 0), golden("pay", 16, 0),
                    golden("web", 500, 520)};
  const Diagnosis diagnosis = Diagnose(context);
  EXPECT_EQ(diagnosis.ranking[0].service, "checkout");
  EXPECT_EQ(diagnosis.ranking[0].kind, CauseKind::kCodeError);
  // Without that the entry is likely, and no more: the errors may be those of whom it calls.
  context.golden = {golden("checkout", 16, 18), golden("mail", 16, 17), golden("pay", 16, 17),
                    golden("web", 500, 520)};
  const Diagnosis blind = Diagnose(context);
  EXPECT_EQ(blind.ranking[0].service, "web");
  EXPECT_LT(blind.ranking[0].confidence, 0.9);
}

// The caller waits longer than the one called takes: the way to it is slow. The caller's other ways
// are not.
TEST(DiagnoseTest, ACallThatBothEndsReportTellsOfTheWay) {
  Context context;
  for (const char* name : {"cart", "checkout", "mail", "web"})
    context.services.push_back({.name = name});
  context.topology = {{"checkout", "mail"}, {"web", "cart"}, {"web", "checkout"}};
  context.alert.service = "web";
  context.series = {{.id = "m1",
                     .service = "checkout",
                     .caller = "web",
                     .on_the_way = true,
                     .signal = incident::Signal::kLatency,
                     .metric = "mesh_request_duration_seconds",
                     .before = {.count = 60, .median = 0.001, .high = 0.002},
                     .during = {.count = 3, .median = 0.3, .high = 0.3},
                     .score = 20}};
  const Diagnosis diagnosis = Diagnose(context);
  EXPECT_EQ(diagnosis.ranking[0].service, "checkout");
  EXPECT_EQ(diagnosis.ranking[0].kind, CauseKind::kNetworkDelay);
}

TEST(DiagnoseTest, MemoryBreaksATie) {
  Context context = OnlineShop();
  context.topology.clear();
  context.alert.service.clear();
  context.logs = {Complaint("cart", "cart.cc:2"), Complaint("store", "store.cc:3")};
  Options options{.priors = {{.service = "store", .share = 0.3}}};
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
