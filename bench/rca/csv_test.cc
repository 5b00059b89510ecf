#include "bench/rca/csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

namespace enclave::bench::rca {
namespace {

using ::testing::ElementsAre;

// Each row's fields joined by '|'; "!" for a malformed one, with its line.
std::vector<std::string> Rows(std::string text) {
  CsvReader reader(text);
  std::vector<std::string> rows;
  std::vector<std::string_view> fields;
  for (;;) {
    const CsvReader::Row row = reader.Next(fields);
    if (row == CsvReader::Row::kEnd) return rows;
    std::string joined = std::to_string(reader.line()) + ":";
    if (row == CsvReader::Row::kMalformed) joined += "!";
    for (std::size_t i = 0; i < fields.size(); ++i)
      joined += (i == 0 ? "" : "|") + std::string(fields[i]);
    rows.push_back(joined);
  }
}

TEST(CsvTest, FieldsAndLines) {
  EXPECT_THAT(Rows("a,b\r\n\n1,\n,2"), ElementsAre("1:a|b", "3:1|", "4:|2"));
  EXPECT_THAT(Rows(""), ElementsAre());
  EXPECT_THAT(Rows("a,\n"), ElementsAre("1:a|"));
}

TEST(CsvTest, QuotesHoldCommasLineEndsAndQuotes) {
  EXPECT_THAT(Rows("\"a,b\",\"say \"\"hi\"\"\"\n\"x\ny\",z\nq"),
              ElementsAre("1:a,b|say \"hi\"", "2:x\ny|z", "4:q"));
  EXPECT_THAT(Rows("\"\",\"\"\"\"\n"), ElementsAre("1:|\""));
}

TEST(CsvTest, AMalformedRowDoesNotTakeTheNextWithIt) {
  EXPECT_THAT(Rows("a,\"b\"c\nd,e\n"), ElementsAre("1:!", "2:d|e"));
  EXPECT_THAT(Rows("a,\"b\nd,e\n"), ElementsAre("1:!", "2:d|e"));
  EXPECT_THAT(Rows("\"x\"\"y\"z,\"q\nlast"), ElementsAre("1:!", "2:last"));
}

TEST(CsvTest, NumbersAndTimes) {
  EXPECT_EQ(ParseNumber("0.25"), 0.25);
  EXPECT_TRUE(std::isnan(*ParseNumber("nan")));
  EXPECT_FALSE(ParseNumber("0.25s"));
  EXPECT_FALSE(ParseNumber(""));
  EXPECT_EQ(ParseInteger("-7"), -7);
  EXPECT_FALSE(ParseInteger("7.0"));
  EXPECT_EQ(ParseGoTimeNs("2023-01-29 08:41:09.043078357 +0000 UTC m=+0.119240217"),
            1674981669043078357);
  EXPECT_EQ(ParseGoTimeNs("2023-01-29 08:41:09 +0000 UTC"), 1674981669000000000);
  EXPECT_FALSE(ParseGoTimeNs("2023-01-29 08:41:09 +0800 CST"));
  EXPECT_FALSE(ParseGoTimeNs("2023-02-30 08:41:09 +0000 UTC"));
  EXPECT_FALSE(ParseGoTimeNs("2023-01-29 24:41:09 +0000 UTC"));
  EXPECT_FALSE(ParseGoTimeNs("-023-01-29 08:41:09 +0000 UTC"));
  EXPECT_FALSE(ParseGoTimeNs("2023-01-29"));
}

}  // namespace
}  // namespace enclave::bench::rca
