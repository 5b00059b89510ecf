#include "observatory/ingest/decompress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <snappy.h>

#include "observatory/ingest/ingest_testing.h"

namespace enclave::observatory::ingest {
namespace {

using base::ErrorKind;
using testing::HasSubstr;

std::string Repeated(std::size_t size) {
  std::string text;
  while (text.size() < size) text += "the same line again and again\n";
  text.resize(size);
  return text;
}

class DecompressTest : public testing::Test {
 protected:
  ByteBudget budget_{64 << 20};
  ByteBudget::Hold hold_{budget_};
};

TEST_F(DecompressTest, GzipOfAnySizeComesBack) {
  for (const std::size_t size : {0u, 1u, 4095u, 4096u, 4097u, 70'000u, 3'000'000u}) {
    const std::string text = Repeated(size);
    const auto plain = Inflate(Gzip(text), ZlibFormat::kGzip, 4 << 20, hold_);
    ASSERT_TRUE(plain) << plain.error().message();
    EXPECT_EQ(*plain, text);
  }
}

TEST_F(DecompressTest, MembersOfGzipFollowEachOther) {
  const auto plain = Inflate(Gzip("one,") + Gzip("two"), ZlibFormat::kGzip, 100, hold_);
  ASSERT_TRUE(plain) << plain.error().message();
  EXPECT_EQ(*plain, "one,two");
}

TEST_F(DecompressTest, TheBoundIsOfWhatComesOut) {
  const std::string bomb = Gzip(Repeated(10'000'000));
  EXPECT_LT(bomb.size(), 100'000u);
  const auto over = Inflate(bomb, ZlibFormat::kGzip, 1 << 20, hold_);
  ASSERT_FALSE(over);
  EXPECT_EQ(over.error().kind(), ErrorKind::kTooLarge);
  EXPECT_LT(hold_.charged(), 3u << 20);

  const std::string exact = Repeated(1000);
  EXPECT_TRUE(Inflate(Gzip(exact), ZlibFormat::kGzip, 1000, hold_));
  EXPECT_FALSE(Inflate(Gzip(exact), ZlibFormat::kGzip, 999, hold_));
}

TEST_F(DecompressTest, BrokenGzipIsRefused) {
  const std::string whole = Gzip(Repeated(5000));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto cut =
        Inflate(std::string_view(whole).substr(0, size), ZlibFormat::kGzip, 1 << 20, hold_);
    ASSERT_FALSE(cut) << size;
    EXPECT_EQ(cut.error().kind(), ErrorKind::kInvalidArgument);
  }
  EXPECT_FALSE(Inflate(whole + "x", ZlibFormat::kGzip, 1 << 20, hold_));
  EXPECT_FALSE(Inflate("plain text", ZlibFormat::kGzip, 1 << 20, hold_));
  EXPECT_FALSE(Inflate(Deflate("a", 15) + "rest", ZlibFormat::kZlib, 1 << 20, hold_));
}

TEST_F(DecompressTest, SnappysAnnouncedLengthIsCheckedBeforeItIsBelieved) {
  // 4 GiB - 1, and nothing behind it.
  const auto huge = Unsnappy("\xff\xff\xff\xff\x0f", 1 << 20, hold_);
  ASSERT_FALSE(huge);
  EXPECT_EQ(huge.error().kind(), ErrorKind::kTooLarge);
  EXPECT_EQ(hold_.charged(), 0u);

  std::string compressed;
  const std::string text = Repeated(100'000);
  snappy::Compress(text.data(), text.size(), &compressed);
  EXPECT_EQ(Unsnappy(compressed, 100'000, hold_).value(), text);
  EXPECT_EQ(Unsnappy(compressed, 99'999, hold_).error().kind(), ErrorKind::kTooLarge);
  compressed.resize(compressed.size() / 2);
  EXPECT_EQ(Unsnappy(compressed, 100'000, hold_).error().kind(), ErrorKind::kInvalidArgument);
  EXPECT_EQ(Unsnappy("", 100'000, hold_).error().kind(), ErrorKind::kInvalidArgument);
}

TEST_F(DecompressTest, ContentEncodingsByName) {
  EXPECT_EQ(DecodeContent("", "plain", 10, hold_).value(), "plain");
  EXPECT_EQ(DecodeContent("Identity", "plain", 10, hold_).value(), "plain");
  EXPECT_EQ(DecodeContent(" GZIP ", Gzip("zipped"), 10, hold_).value(), "zipped");
  EXPECT_EQ(DecodeContent("deflate", Deflate("zipped", 15), 10, hold_).value(), "zipped");
  EXPECT_EQ(DecodeContent("", "plain", 4, hold_).error().kind(), ErrorKind::kTooLarge);
  const auto unknown = DecodeContent("br", "plain", 10, hold_);
  EXPECT_EQ(unknown.error().kind(), ErrorKind::kUnsupportedMedia);
  EXPECT_THAT(unknown.error().message(), HasSubstr("\"br\""));
}

TEST(ByteBudgetTest, HoldsShareOneBound) {
  ByteBudget budget(1 << 20);
  ByteBudget::Hold first(budget);
  EXPECT_TRUE(first.Charge(900 << 10));
  {
    ByteBudget::Hold second(budget);
    const auto busy = second.Charge(200 << 10);
    ASSERT_FALSE(busy);
    EXPECT_EQ(busy.error().kind(), ErrorKind::kResourceExhausted);
    ByteBudget::Hold third(budget);
    const auto never = third.Charge((1 << 20) + 1);
    ASSERT_FALSE(never);
    EXPECT_EQ(never.error().kind(), ErrorKind::kTooLarge);
  }
  EXPECT_GE(budget.used(), 900u << 10);
  {
    const ByteBudget::Hold moved(std::move(first));
    EXPECT_GE(budget.used(), 900u << 10);
  }
  EXPECT_EQ(budget.used(), 0u);
  ByteBudget::Hold whole(budget);
  EXPECT_TRUE(whole.Charge(1 << 20)) << "the bound itself can be reached";
}

}  // namespace
}  // namespace enclave::observatory::ingest
