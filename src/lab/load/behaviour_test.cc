#include "lab/load/behaviour.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "net/http.h"

namespace enclave::lab::load {
namespace {

TEST(BehaviourTest, ActionsComeByTheirWeights) {
  base::SeededRandom random(7);
  constexpr int kDraws = 190'000;
  std::map<Action, int> seen;
  for (int i = 0; i < kDraws; ++i) ++seen[ChooseAction(random)];
  for (const ActionKind& kind : kActions) {
    const double wanted = static_cast<double>(kind.weight) * kDraws / 19;
    EXPECT_NEAR(seen[kind.action], wanted, wanted * 0.05) << kind.name;
  }
}

TEST(BehaviourTest, WaitsAreBetweenOneAndTenSeconds) {
  base::SeededRandom random(7);
  double sum = 0;
  for (int i = 0; i < 10'000; ++i) {
    const auto wait = ChooseWait(random, 1.0);
    EXPECT_GE(wait, std::chrono::seconds(1));
    EXPECT_LT(wait, std::chrono::seconds(10));
    sum += std::chrono::duration<double>(wait).count();
  }
  EXPECT_NEAR(sum / 10'000, kMeanWaitSeconds, 0.1);
  EXPECT_LT(ChooseWait(random, 0.001), std::chrono::milliseconds(10));
}

TEST(BehaviourTest, CardsPassLuhnsCheck) {
  base::SeededRandom random(7);
  for (int i = 0; i < 200; ++i) {
    std::string path;
    std::vector<std::pair<std::string, std::string>> fields;
    net::ParseTarget("/?" + ChooseCheckoutForm(random, 2026), &path, &fields);
    std::map<std::string, std::string> form(fields.begin(), fields.end());
    const std::string card = form["credit_card_number"];
    ASSERT_EQ(card.size(), 16u);
    EXPECT_EQ(card[0], '4');
    int sum = 0;
    for (std::size_t at = 0; at < card.size(); ++at) {
      int digit = card[card.size() - 1 - at] - '0';
      if (at % 2 == 1) digit = digit * 2 > 9 ? digit * 2 - 9 : digit * 2;
      sum += digit;
    }
    EXPECT_EQ(sum % 10, 0) << card;
    EXPECT_GT(std::stoi(form["credit_card_expiration_year"]), 2026);
    EXPECT_EQ(form["credit_card_cvv"].size(), 3u);
    EXPECT_EQ(form["zip_code"].size(), 5u);
    EXPECT_THAT(form["email"], testing::EndsWith("@example.com"));
    EXPECT_EQ(form["country"], "United States");
  }
}

TEST(BehaviourTest, TheSameSeedMakesTheSameChoices) {
  base::SeededRandom one(42);
  base::SeededRandom other(42);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(ChooseAction(one), ChooseAction(other));
    EXPECT_EQ(ChooseWait(one, 1), ChooseWait(other, 1));
    EXPECT_EQ(ChooseCheckoutForm(one, 2026), ChooseCheckoutForm(other, 2026));
  }
}

}  // namespace
}  // namespace enclave::lab::load
