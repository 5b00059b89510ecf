#include "telemetry/templates/csv_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace enclave::telemetry::templates {
namespace {

using Records = std::vector<std::vector<std::string>>;

// Read in blocks of every size, which must make no difference.
Records Read(std::string_view text, std::size_t block) {
  CsvReader reader;
  Records records;
  const auto take = [&records](const std::vector<std::string_view>& fields) -> base::Result<> {
    records.emplace_back(fields.begin(), fields.end());
    return {};
  };
  for (std::size_t at = 0; at < text.size(); at += block)
    EXPECT_TRUE(reader.Take(text.substr(at, block), take).has_value());
  EXPECT_TRUE(reader.End(take).has_value());
  return records;
}

TEST(CsvReader, ReadsWhatTheRfcSays) {
  const std::string_view text =
      "a,b,c\r\n1,\"x, \"\"y\"\"\nz\",\n\n\"\",say \"hi\",\"end\"\r\nlast";
  const Records expected{
      {"a", "b", "c"}, {"1", "x, \"y\"\nz", ""}, {"", "say \"hi\"", "end"}, {"last"}};
  for (std::size_t block = 1; block < 20; ++block) EXPECT_EQ(Read(text, block), expected);
  EXPECT_EQ(Read("", 4), Records());
  EXPECT_EQ(Read("x,", 4), (Records{{"x", ""}}));
}

TEST(CsvReader, StopsAtAnError) {
  CsvReader reader;
  int seen = 0;
  const auto take = [&seen](const std::vector<std::string_view>&) -> base::Result<> {
    ++seen;
    return base::Fail(base::ErrorKind::kInvalidArgument, "no");
  };
  EXPECT_FALSE(reader.Take("a\nb\nc\n", take).has_value());
  EXPECT_EQ(seen, 1);
}

TEST(CsvReader, AQuoteThatNeverEndsIsAnError) {
  CsvReader reader;
  const auto take = [](const std::vector<std::string_view>&) -> base::Result<> { return {}; };
  base::Result<> taken = reader.Take("\"", take);
  const std::string block(std::size_t{1} << 20U, 'x');
  for (int i = 0; i < 20 && taken; ++i) taken = reader.Take(block, take);
  ASSERT_FALSE(taken.has_value());
  EXPECT_EQ(taken.error().kind(), base::ErrorKind::kTooLarge);
}

TEST(CsvField, QuotesWhereItMust) {
  EXPECT_EQ(CsvField("a b"), "a b");
  EXPECT_EQ(CsvField("a,b"), "\"a,b\"");
  EXPECT_EQ(CsvField("a \"b\"\n"), "\"a \"\"b\"\"\n\"");
}

}  // namespace
}  // namespace enclave::telemetry::templates
