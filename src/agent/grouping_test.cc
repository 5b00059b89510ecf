#include "agent/grouping.h"

#include <deque>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/test_support.h"

namespace enclave::agent {
namespace {

using PlacingKind = Placing::Kind;
using testing::SizeIs;

constexpr std::int64_t kSecond = 1'000'000'000;

class GroupingTest : public testing::Test {
 protected:
  Placing Ask(const AlertEvent& alert) {
    std::vector<const Record*> list;
    for (const Record& record : records) list.push_back(&record);
    return Place(alert, list, neighbours, policy, alert.time_ns);
  }
  Record& Open(const std::string& id, const AlertEvent& alert) {
    records.push_back({.id = id,
                       .stage = Stage::kDetected,
                       .opened_ns = alert.time_ns,
                       .last_alert_ns = alert.time_ns,
                       .alerts = {alert},
                       .services = {alert.service}});
    return records.back();
  }
  void Close(Record& record, Stage outcome, std::int64_t time_ns) {
    record.stage = Stage::kLearned;
    record.outcome = outcome;
    record.closed_ns = time_ns;
  }

  GroupingPolicy policy{.window = std::chrono::minutes(5),
                        .hops = 1,
                        .linger = std::chrono::minutes(10),
                        .max_open = 2};
  Neighbourhood neighbours{{{"front", "cart"}, {"cart", "redis"}, {"front", "ads"}}};
  std::deque<Record> records;
};

TEST_F(GroupingTest, TicketsJoinAndOpenNothing) {
  AlertEvent ticket = Firing("cart", 10 * kSecond);
  ticket.name = "BurnsSlowly";
  ticket.labels.Set("severity", "ticket");
  EXPECT_EQ(Ask(ticket).kind, PlacingKind::kIgnore);
  Open("inc-1", Firing("cart", 5 * kSecond));
  EXPECT_EQ(Ask(ticket).kind, PlacingKind::kJoin);
}

TEST_F(GroupingTest, NeighboursInTimeAreOneIncident) {
  EXPECT_EQ(Ask(Firing("cart", 1)).kind, PlacingKind::kOpen);
  Open("inc-1", Firing("cart", 1));
  EXPECT_EQ(Ask(Firing("front", kSecond)).incident, "inc-1");
  EXPECT_EQ(Ask(Firing("redis", kSecond)).kind, PlacingKind::kJoin);
  EXPECT_EQ(Ask(Firing("ads", kSecond)).kind, PlacingKind::kOpen) << "two calls away";
  EXPECT_EQ(Ask(Firing("front", 400 * kSecond)).kind, PlacingKind::kOpen) << "much later";
}

TEST_F(GroupingTest, TheSameAlertStaysWithItsIncident) {
  Open("inc-1", Firing("cart", 1));
  EXPECT_EQ(Ask(Firing("cart", 4000 * kSecond)).kind, PlacingKind::kJoin);
  AlertEvent over = Firing("cart", 5 * kSecond);
  over.firing = false;
  EXPECT_EQ(Ask(over).kind, PlacingKind::kJoin);
  over.service = "mail";
  over.labels.Set("service", "mail");
  EXPECT_EQ(Ask(over).kind, PlacingKind::kIgnore) << "the end of what never began";
}

TEST_F(GroupingTest, LateNewsOfARepairedIncidentOpenNoOther) {
  Close(Open("inc-1", Firing("cart", 1)), Stage::kResolved, 60 * kSecond);
  AlertEvent repeated = Firing("cart", 90 * kSecond);
  repeated.starts_ns = 1;
  EXPECT_EQ(Ask(repeated).kind, PlacingKind::kAbsorb);
  AlertEvent late = Firing("front", 70 * kSecond);
  late.starts_ns = 50 * kSecond;
  EXPECT_EQ(Ask(late).kind, PlacingKind::kAbsorb) << "it began before the repair";
  late.starts_ns = 65 * kSecond;
  EXPECT_EQ(Ask(late).kind, PlacingKind::kOpen) << "it began after it";
  repeated.time_ns = 800 * kSecond;
  EXPECT_EQ(Ask(repeated).kind, PlacingKind::kOpen) << "it goes on for too long";
}

TEST_F(GroupingTest, WhatPeopleHaveIsTheirsWhileItFires) {
  Close(Open("inc-1", Firing("cart", 1)), Stage::kEscalated, 60 * kSecond);
  AlertEvent repeated = Firing("cart", 8000 * kSecond);
  repeated.starts_ns = 1;
  EXPECT_EQ(Ask(repeated).kind, PlacingKind::kAbsorb);
}

TEST_F(GroupingTest, OpenIncidentsAreBounded) {
  Open("inc-1", Firing("cart", 1));
  Open("inc-2", Firing("ads", 1));
  EXPECT_EQ(Ask(Firing("mail", kSecond)).kind, PlacingKind::kIgnore);
}

TEST(WebhookTest, ReadsAlertmanagersBody) {
  const auto alerts = ParseWebhook(R"({"version": "4", "status": "firing", "alerts": [
    {"status": "firing", "labels": {"alertname": "ServiceErrors", "job": "boutique/cartservice",
     "namespace": "boutique"}, "annotations": {"summary": "it fails",
     "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"}, "startsAt": "2026-01-02T03:04:05Z"},
    {"status": "resolved", "labels": {"alertname": "PodNotReady",
     "pod": "cartservice-6d4cf56db6-x2x7k"}},
    {"status": "firing", "labels": {"severity": "page"}}]})",
                                   7);
  ASSERT_TRUE(alerts) << alerts.error().message();
  ASSERT_THAT(*alerts, SizeIs(2)) << "one has no name";
  EXPECT_EQ((*alerts)[0].service, "cartservice");
  EXPECT_EQ((*alerts)[0].ns, "boutique");
  EXPECT_TRUE((*alerts)[0].trace);
  EXPECT_TRUE((*alerts)[0].firing);
  EXPECT_EQ((*alerts)[1].service, "cartservice") << "told from the pod's name";
  EXPECT_FALSE((*alerts)[1].firing);
  EXPECT_EQ(AlertFromJson(ToJson((*alerts)[0])), (*alerts)[0]);
  EXPECT_FALSE(ParseWebhook("[]", 0));
  EXPECT_FALSE(ParseWebhook("{", 0));
  EXPECT_FALSE(ParseWebhook(R"({"alerts": 3})", 0));
}

}  // namespace
}  // namespace enclave::agent
