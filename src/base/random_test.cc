#include "base/random.h"

#include <array>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace enclave::base {
namespace {

TEST(RandomTest, SeedsGiveTheReferenceSequenceOfSplitMix64) {
  SeededRandom random(1234567);
  // From the reference implementation by Vigna.
  EXPECT_EQ(random.Next(), 6457827717110365317ULL);
  EXPECT_EQ(random.Next(), 3203168211198807973ULL);
  EXPECT_EQ(random.Next(), 9817491932198370423ULL);
}

TEST(RandomTest, BelowCoversItsRangeEvenly) {
  SeededRandom random(1);
  std::array<int, 7> counts{};
  for (int i = 0; i < 70'000; ++i) ++counts.at(random.Below(7));
  for (const int count : counts) EXPECT_NEAR(count, 10'000, 500);
  EXPECT_EQ(random.Below(1), 0u);
}

TEST(RandomTest, UnitStaysInItsInterval) {
  SeededRandom random(2);
  double sum = 0;
  for (int i = 0; i < 10'000; ++i) {
    const double value = random.Unit();
    ASSERT_GE(value, 0.0);
    ASSERT_LT(value, 1.0);
    sum += value;
  }
  EXPECT_NEAR(sum / 10'000, 0.5, 0.02);
}

TEST(RandomTest, TextDrawsFromTheAlphabetOnly) {
  SeededRandom random(3);
  const std::string text = random.Text("abc", 1000);
  EXPECT_EQ(text.size(), 1000u);
  EXPECT_EQ(text.find_first_not_of("abc"), std::string::npos);
  EXPECT_EQ(std::set<char>(text.begin(), text.end()).size(), 3u);
  EXPECT_EQ(random.Text("abc", 0), "");
}

TEST(RandomTest, UuidsAreVersionFour) {
  SeededRandom seeded(4);
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    const std::string uuid = seeded.Uuid();
    EXPECT_THAT(uuid, testing::MatchesRegex(
                          "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"));
    seen.insert(uuid);
  }
  EXPECT_EQ(seen.size(), 100u);
}

TEST(RandomTest, TheSystemsGeneratorDoesNotRepeat) {
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(SystemRandom().Next());
  EXPECT_EQ(seen.size(), 1000u);
}

}  // namespace
}  // namespace enclave::base
