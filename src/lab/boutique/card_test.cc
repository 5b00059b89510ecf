#include "lab/boutique/card.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace enclave::lab::boutique {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const base::WallTime kToday = std::chrono::sys_days(std::chrono::year(2026) / 11 / 25);

hipstershop::CreditCardInfo Card(const std::string& number, int year = 2030, int month = 1) {
  hipstershop::CreditCardInfo card;
  card.set_credit_card_number(number);
  card.set_credit_card_expiration_year(year);
  card.set_credit_card_expiration_month(month);
  return card;
}

TEST(CardTest, LuhnFindsSlips) {
  EXPECT_TRUE(PassesLuhn("4432801561520454"));
  EXPECT_TRUE(PassesLuhn("5555555555554444"));
  EXPECT_TRUE(PassesLuhn("4222222222222"));  // an odd number of digits
  EXPECT_FALSE(PassesLuhn("4432801561520455"));
  EXPECT_FALSE(PassesLuhn("4432801561502454"));  // two digits changed places
  EXPECT_FALSE(PassesLuhn(""));
  EXPECT_FALSE(PassesLuhn("0"));
  EXPECT_FALSE(PassesLuhn("443280156152045x"));
}

TEST(CardTest, EveryWrongDigitIsFound) {
  const std::string good = "4432801561520454";
  for (std::size_t i = 0; i < good.size(); ++i)
    for (char digit = '0'; digit <= '9'; ++digit) {
      std::string changed = good;
      changed[i] = digit;
      EXPECT_EQ(PassesLuhn(changed), changed == good) << changed;
    }
}

TEST(CardTest, NetworksAreToldByTheirDigits) {
  EXPECT_EQ(NetworkOf("4432801561520454"), CardNetwork::kVisa);
  EXPECT_EQ(NetworkOf("5105105105105100"), CardNetwork::kMastercard);
  EXPECT_EQ(NetworkOf("2223003122003222"), CardNetwork::kMastercard);
  EXPECT_EQ(NetworkOf("378282246310005"), CardNetwork::kAmericanExpress);
  EXPECT_EQ(NetworkOf("6011111111111117"), CardNetwork::kUnknown);
  EXPECT_EQ(NetworkOf("44"), CardNetwork::kUnknown);
}

TEST(CardTest, SpacesAndDashesAreLeftOut) {
  EXPECT_EQ(CardDigits("4432-8015 6152-0454"), "4432801561520454");
  EXPECT_EQ(CardDigits("4432x"), "");
}

TEST(CardTest, ACardIsGoodUntilTheEndOfItsMonth) {
  EXPECT_FALSE(IsExpired(2026, 11, kToday));
  EXPECT_FALSE(IsExpired(2027, 1, kToday));
  EXPECT_TRUE(IsExpired(2026, 10, kToday));
  EXPECT_TRUE(IsExpired(2025, 12, kToday));
}

TEST(CardTest, OnlyVisaAndMastercardAreTaken) {
  const auto visa = CheckCard(Card("4432-8015-6152-0454"), kToday);
  ASSERT_TRUE(visa) << visa.error().message;
  EXPECT_EQ(visa->network, CardNetwork::kVisa);
  EXPECT_EQ(visa->last_four, "****0454");
  EXPECT_TRUE(CheckCard(Card("5555555555554444"), kToday));
  EXPECT_THAT(CheckCard(Card("378282246310005"), kToday).error().message, HasSubstr("amex"));
  EXPECT_THAT(CheckCard(Card("4432801561520455"), kToday).error().message, HasSubstr("not valid"));
  EXPECT_FALSE(CheckCard(Card("4432801561520454", 2030, 13), kToday));
  const auto expired = CheckCard(Card("4432801561520454", 2026, 10), kToday);
  EXPECT_THAT(expired.error().message, HasSubstr("10/2026"));
  EXPECT_THAT(expired.error().message, Not(HasSubstr("44328015")));
  EXPECT_EQ(expired.error().type, "ExpiredCreditCard");
  EXPECT_THAT(expired.error().where.file_name(), HasSubstr("card.cc"));
}

TEST(ReleaseTest, PaymentV2TakesARangeForTwoNumbers) {
  EXPECT_FALSE(CheckCardNoElectron(Card("4026000000000002"), kToday));  // Electron indeed
  EXPECT_TRUE(CheckCardNoElectron(Card("4111111111111111"), kToday));
  EXPECT_TRUE(CheckCardNoElectron(Card("5555555555554444"), kToday));
  // An ordinary card between 4405 and 4508.
  EXPECT_FALSE(CheckCardNoElectron(Card("4432801561520454"), kToday));
}

}  // namespace
}  // namespace enclave::lab::boutique
