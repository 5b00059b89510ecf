#include "base/quote.h"

#include <gtest/gtest.h>

namespace enclave::base {
namespace {

TEST(QuoteTest, PlainTextStandsInQuotes) {
  EXPECT_EQ(Quote("nginx:1.25"), "\"nginx:1.25\"");
  EXPECT_EQ(Quote(""), "\"\"");
}

TEST(QuoteTest, QuotesAndControlCharactersAreEscaped) {
  EXPECT_EQ(Quote("a\"b\\c\n\t\x01"), R"("a\"b\\c\n\t\u0001")");
  EXPECT_EQ(Quote(std::string_view("\0", 1)), R"("\u0000")");
}

TEST(QuoteTest, CharactersOutsideAsciiStay) {
  EXPECT_EQ(Quote("größe"), "\"größe\"");
}

TEST(QuoteTest, BytesThatAreNoUtf8AreReplaced) {
  EXPECT_EQ(Quote("a\xFF"
                  "b"),
            "\"a\xEF\xBF\xBD"
            "b\"");
  // A character that was cut in the middle.
  EXPECT_EQ(Quote("\xC3"), "\"\xEF\xBF\xBD\"");
}

}  // namespace
}  // namespace enclave::base
