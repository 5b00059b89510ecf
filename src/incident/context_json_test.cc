#include "incident/context_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "incident/context_fields.h"

namespace enclave::incident {
namespace {

using ::testing::HasSubstr;

// Sets every field to something that is not its default.
class Filler {
 public:
  template <typename T>
  void operator()(const char*, T& value) {
    Fill(value);
  }

 private:
  void Fill(std::string& text) { text = "text \xff \"" + std::to_string(++count_) + "\" é\n"; }
  void Fill(double& number) { number = 1.0 / static_cast<double>(++count_) - 7e-300; }
  void Fill(bool& truth) { truth = true; }
  void Fill(std::int64_t& number) { number = std::numeric_limits<std::int64_t>::min() + ++count_; }
  void Fill(std::uint64_t& number) {
    number = std::numeric_limits<std::uint64_t>::max() - static_cast<std::uint64_t>(++count_);
  }
  template <typename Enum>
    requires std::is_enum_v<Enum>
  void Fill(Enum& value) {
    value = LastOf(value);
  }
  void Fill(std::optional<trace::TraceId>& id) {
    id = trace::TraceId::Parse("4bf92f3577b34da6a3ce929d0e0e4736");
  }
  void Fill(telemetry::Labels& labels) { labels = {{"a\xfe", "b"}, {"c", "d"}}; }
  void Fill(std::map<std::string, std::uint64_t>& counts) { counts = {{"logs", 3}, {"m", 9}}; }
  template <typename T>
  void Fill(std::vector<T>& items) {
    items.resize(2);
    for (T& item : items) Fill(item);
  }
  template <HasFields T>
  void Fill(T& value) {
    VisitFields(*this, value);
  }
  std::int64_t count_ = 0;
};

Context Full() {
  Context context;
  Filler fill;
  VisitFields(fill, context);
  return context;
}

TEST(ContextJsonTest, EveryFieldComesBackExactly) {
  const Context context = Full();
  EXPECT_NE(context, Context());
  const std::string json = ContextToJson(context);
  const auto read = ContextFromJson(json);
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_TRUE(*read == context);
  EXPECT_EQ(ContextToJson(*read), json);
}

// Members that context_fields.h forgets would be missed by the test above too.
TEST(ContextJsonTest, TheListOfFieldsIsComplete) {
  const auto changed = [](auto change) {
    Context context;
    change(context);
    const auto read = ContextFromJson(ContextToJson(context));
    return read && *read == context && context != Context();
  };
  EXPECT_TRUE(changed([](Context& c) { c.onset_score = 0.1; }));
  EXPECT_TRUE(changed([](Context& c) { c.flows.push_back({.ends_after = true}); }));
  EXPECT_TRUE(changed([](Context& c) { c.series.push_back({.caller = "a"}); }));
  EXPECT_TRUE(changed([](Context& c) { c.logs.push_back({.runs_during = 4}); }));
  EXPECT_TRUE(changed([](Context& c) { c.traces.push_back({.before = 4}); }));
  EXPECT_TRUE(changed([](Context& c) { c.changes.push_back({.who = "me"}); }));
}

TEST(ContextJsonTest, NumbersThatAreNotFiniteComeBack) {
  Context context;
  context.series.push_back({.score = std::numeric_limits<double>::infinity()});
  context.series.push_back({.score = -std::numeric_limits<double>::infinity()});
  context.series.push_back({.score = std::numeric_limits<double>::quiet_NaN()});
  const auto read = ContextFromJson(ContextToJson(context));
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(read->series[0].score, std::numeric_limits<double>::infinity());
  EXPECT_EQ(read->series[1].score, -std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isnan(read->series[2].score));
}

TEST(ContextJsonTest, WhatIsNotThereHasItsDefaultAndWhatIsNotKnownIsPassedOver) {
  const auto read = ContextFromJson(
      R"({"format":"enclave.incident/v1","id":"i","colour":"blue","logs":[{"text":"t"}]})");
  ASSERT_TRUE(read) << read.error().message();
  Context expected{.id = "i"};
  expected.logs.push_back({.text = "t"});
  EXPECT_TRUE(*read == expected);
}

TEST(ContextJsonTest, ErrorsSayWhere) {
  const auto error = [](std::string_view fields) {
    const auto read =
        ContextFromJson(R"({"format":"enclave.incident/v1",)" + std::string(fields) + "}");
    return read ? std::string("none") : read.error().message();
  };
  EXPECT_THAT(error(R"("series":[{},{"before":{"mean":"x"}}])"),
              HasSubstr("series[1].before.mean: a number is wanted"));
  EXPECT_THAT(error(R"("series":[{"signal":"smell"}])"),
              HasSubstr("series[0].signal: no such word: \"smell\""));
  EXPECT_THAT(error(R"("logs":7)"), HasSubstr("logs: a list is wanted"));
  EXPECT_THAT(error(R"("alert":{"trace_id":"12"})"), HasSubstr("alert.trace_id: a trace id"));
  EXPECT_THAT(error(R"("alert":{"time_ns":9223372036854775808})"),
              HasSubstr("alert.time_ns: a whole number"));
  EXPECT_THAT(error(R"("services":[{"lines_before":-1}])"),
              HasSubstr("services[0].lines_before: a whole number of at least 0"));
  EXPECT_THAT(error(R"("missing":[3])"), HasSubstr("missing[0]: a text is wanted"));
  EXPECT_THAT(ContextFromJson("{").error().message(), HasSubstr("no JSON object"));
  EXPECT_THAT(ContextFromJson("{}").error().message(), HasSubstr("format"));
}

}  // namespace
}  // namespace enclave::incident
