#include "memory/exchange.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "memory/test_support.h"

namespace enclave::memory {
namespace {

using testing::Confirmed;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::IncidentOf;
using ::testing::Not;
using testing::TempDir;

std::unique_ptr<Ledger> OpenLedger(const TempDir& directory) {
  auto ledger = Ledger::Open({.directory = directory.path()});
  EXPECT_TRUE(ledger) << ledger.error().ToString();
  return std::move(*ledger);
}

std::vector<std::string> Lines(const Ledger& ledger) {
  std::vector<std::string> lines;
  EXPECT_TRUE(Export(ledger, [&](std::string_view line) -> base::Result<> {
    lines.emplace_back(line);
    return {};
  }));
  return lines;
}

base::Result<Ledger::Merged> ImportLines(Ledger& ledger, std::vector<std::string> lines) {
  std::size_t next = 0;
  return Import(ledger, [&]() -> base::Result<std::optional<std::string>> {
    if (next == lines.size()) return std::nullopt;
    return lines[next++];
  });
}

TEST(ExchangeTest, WhatIsExportedCanBeImportedOnceAndAgain) {
  const TempDir from_directory;
  const TempDir to_directory;
  const auto from = OpenLedger(from_directory);
  Incident incident = IncidentOf({"cart", "code error"}, 3);
  incident.outcomes = {Confirmed("cart", "code error", 5),
                       {.about = About::kAction,
                        .action = "roll back \"cart\" \xc3\xa4",
                        .sayer = Sayer::kAgent,
                        .said_by = "agent",
                        .time_ns = -7}};
  ASSERT_TRUE(from->Add(incident));
  ASSERT_TRUE(from->Add(IncidentOf({"payment", "cpu"}, 4)));
  const auto lines = Lines(*from);
  ASSERT_EQ(lines.size(), 3u);

  const auto to = OpenLedger(to_directory);
  auto merged = ImportLines(*to, lines);
  ASSERT_TRUE(merged) << merged.error().ToString();
  EXPECT_EQ(merged->added, 2u);
  EXPECT_EQ(merged->outcomes, 2u);
  EXPECT_EQ(*to->Get(incident.id), *from->Get(incident.id));
  EXPECT_EQ(*to->Get(incident.id), incident);
  EXPECT_EQ(Lines(*to), lines);

  // Once more: nothing but a new outcome.
  ASSERT_TRUE(from->Say(incident.id, Confirmed("cart", "code error", 99)));
  merged = ImportLines(*to, Lines(*from));
  ASSERT_TRUE(merged);
  EXPECT_EQ(merged->added, 0u);
  EXPECT_EQ(merged->known, 2u);
  EXPECT_EQ(merged->outcomes, 1u);
  EXPECT_EQ(Lines(*to), Lines(*from));
}

TEST(ExchangeTest, MalformedLinesAreNumberedAndNothingIsImported) {
  const TempDir directory;
  const auto ledger = OpenLedger(directory);
  const std::string good = IncidentLine(IncidentOf({"cart", "cpu"}, 1));
  const auto merged =
      ImportLines(*ledger, {HeaderLine(kEvidenceDimensions), good, "{", "", R"({"id":"x"})", good});
  ASSERT_FALSE(merged);
  EXPECT_EQ(merged.error().kind(), base::ErrorKind::kInvalidArgument);
  EXPECT_THAT(merged.error().message(), HasSubstr("nothing was imported"));
  EXPECT_THAT(merged.error().message(), HasSubstr("line 3: is not a JSON object"));
  EXPECT_THAT(merged.error().message(), HasSubstr("line 5: \"timeNs\" must be"));
  EXPECT_THAT(merged.error().message(), Not(HasSubstr("line 6")));
  EXPECT_EQ(*ledger->Size(), 0u);

  std::vector<std::string> many(40, "rubbish");
  many.front() = HeaderLine(kEvidenceDimensions);
  EXPECT_THAT(ImportLines(*ledger, many).error().message(), HasSubstr("and 29 more"));
}

TEST(ExchangeTest, TheHeaderMustFit) {
  const TempDir directory;
  const auto ledger = OpenLedger(directory);
  EXPECT_THAT(ImportLines(*ledger, {}).error().message(), HasSubstr("no header"));
  EXPECT_THAT(ImportLines(*ledger, {"{}"}).error().message(), HasSubstr("line 1"));
  EXPECT_THAT(ImportLines(*ledger, {HeaderLine(192)}).error().message(),
              HasSubstr("\"dimensions\" is 192, this memory has 128"));
  EXPECT_TRUE(ImportLines(*ledger, {HeaderLine(kEvidenceDimensions)}));
}

TEST(ExchangeTest, FieldsAreChecked) {
  const std::string line = IncidentLine(IncidentOf({"cart", "cpu"}, 1));
  ASSERT_TRUE(ParseIncidentLine(line, kEvidenceDimensions));
  const auto with = [&](std::string_view field, std::string_view value) {
    auto changed = nlohmann::json::parse(line);
    changed[std::string(field)] = nlohmann::json::parse(value);
    const auto parsed = ParseIncidentLine(changed.dump(), kEvidenceDimensions);
    return parsed ? std::string("fine") : parsed.error().message();
  };
  EXPECT_THAT(with("id", "\"\""), HasSubstr("needs an id"));
  EXPECT_THAT(with("id", "\"two\\nlines\""), HasSubstr("one line of UTF-8"));
  EXPECT_THAT(with("timeNs", "1.5"), HasSubstr("whole number"));
  EXPECT_THAT(with("timeNs", "18446744073709551615"), HasSubstr("whole number"));
  EXPECT_THAT(with("confidence", "2"), HasSubstr("between 0 and 1"));
  EXPECT_THAT(with("fingerprint", "\"AAAA\""), HasSubstr("128 numbers"));
  EXPECT_THAT(with("fingerprint", '"' + std::string(682, 'A') + "AA==\""),
              HasSubstr("128 numbers"));
  EXPECT_THAT(with("fingerprint", '"' + std::string(683, 'A') + "=\""), HasSubstr("length 1"));
  EXPECT_THAT(with("features", R"([["none", 1, "x"]])"), HasSubstr("no known family"));
  EXPECT_THAT(with("features", R"([["logs", -1, "x"]])"), HasSubstr("positive"));
  EXPECT_THAT(with("summary", "[]"), HasSubstr("must be an object"));
  EXPECT_THAT(with("outcomes", R"([{"about":"cause","sayer":"human","timeNs":1,"good":true}])"),
              HasSubstr("must name the cause"));
  EXPECT_THAT(
      with("outcomes", R"([{"about":"action","sayer":"human","timeNs":1,"good":1,"action":"x"}])"),
      HasSubstr("true or false"));
  EXPECT_EQ(with("unknown", "1"), "fine");
}

}  // namespace
}  // namespace enclave::memory
