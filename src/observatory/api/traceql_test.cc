#include "traceql.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace enclave::observatory::api {
namespace {

using testing::HasSubstr;

telemetry::Span ExampleSpan() {
  return {.trace_id = *trace::TraceId::Parse("0123456789abcdef0123456789abcdef"),
          .span_id = *trace::SpanId::Parse("0123456789abcdef"),
          .name = "GET /cart",
          .kind = telemetry::SpanKind::kServer,
          .status = telemetry::SpanStatus::kError,
          .status_message = "boom",
          .start_ns = 1'000'000'000,
          .end_ns = 3'500'000'000,
          .resource = {{"service.name", std::string("cart")}},
          .attributes = {{"http.status_code", std::int64_t{503}},
                         {"cached", true},
                         {"ratio", 0.5},
                         {"user agent", std::string("curl")}}};
}

bool Selects(const std::string& query) {
  const auto filter = SpanFilter::Parse(query);
  EXPECT_TRUE(filter) << query << ": " << filter.error().message();
  return filter && filter->Matches(ExampleSpan(), {.root_service = "frontend",
                                                   .root_name = "GET /",
                                                   .duration_ns = 5'000'000'000});
}

TEST(TraceQlTest, ConditionsThatHold) {
  for (const char* query : {"",
                            "{}",
                            "{ }",
                            R"({ resource.service.name = "cart" })",
                            R"({ .service.name = "cart" })",
                            R"({ name = "GET /cart" && duration > 1s })",
                            "{ status = error }",
                            "{ kind = server }",
                            R"({ statusMessage =~ "bo+m" })",
                            "{ span.http.status_code >= 500 }",
                            R"({ .http.status_code = 503 })",
                            "{ .cached = true }",
                            "{ span.ratio < 0.6 }",
                            "{ duration = 2.5s }",
                            "{ duration <= 2500ms }",
                            R"({ rootServiceName = "frontend" })",
                            R"({ rootName != "x" && traceDuration > 4s })",
                            "{ nestedSetParent < 0 }",
                            "{ true }",
                            R"({ status = ok || (duration > 2s && .cached = true) })",
                            R"({ span."user agent" = "curl" })",
                            "{ .missing = nil }",
                            "{ .cached != nil }",
                            R"({ name !~ "POST.*" })",
                            R"({ trace:id = "0123456789abcdef0123456789abcdef" })",
                            "{ span:duration > 2s }"})
    EXPECT_TRUE(Selects(query)) << query;
}

TEST(TraceQlTest, ConditionsThatDoNot) {
  for (const char* query :
       {R"({ resource.service.name = "web" })", R"({ span.service.name = "cart" })",
        "{ status = ok }", "{ duration > 3s }", R"({ .missing = "x" })", R"({ .missing != "x" })",
        R"({ name =~ "GET" })", "{ .cached = false }", "{ .http.status_code < 500 }", "{ false }",
        R"({ status = error && kind = client })", "{ .cached = nil }", "{ nestedSetParent > 0 }"})
    EXPECT_FALSE(Selects(query)) << query;
}

TEST(TraceQlTest, AndBindsTighterThanOr) {
  EXPECT_TRUE(Selects("{ true || false && false }"));
  EXPECT_FALSE(Selects("{ (true || false) && false }"));
}

TEST(TraceQlTest, WhatTheLanguageHasBeyondIsRefusedByName) {
  for (const auto& [query, what] :
       {std::pair{"{ true } | count() > 2", "| count() > 2"},
        std::pair{"{ true } >> { true }", ">>"}, std::pair{"{ true } && { true }", "&&"},
        std::pair{"{ childCount > 2 }", "childCount"},
        std::pair{"{ event.name = \"x\" }", "event.name"}}) {
    const auto filter = SpanFilter::Parse(query);
    ASSERT_FALSE(filter) << query;
    EXPECT_EQ(filter.error().kind(), base::ErrorKind::kUnprocessable) << query;
    EXPECT_THAT(filter.error().message(), HasSubstr(what));
    EXPECT_THAT(filter.error().message(), HasSubstr("not supported"));
  }
}

TEST(TraceQlTest, BrokenQueriesSayWhere) {
  for (const char* query : {"duration > 1s", "{", "{ name = }", "{ name \"x\" }", "{ name = \"x }",
                            "{ (true }", "{ true true }", "{ name =~ 3 }", "{ name =~ \"(\" }",
                            "{ duration > 1parsec }", "{ = 1 }"}) {
    const auto filter = SpanFilter::Parse(query);
    ASSERT_FALSE(filter) << query;
    EXPECT_EQ(filter.error().kind(), base::ErrorKind::kInvalidArgument) << query;
    EXPECT_THAT(filter.error().message(), HasSubstr("at position"));
  }
  EXPECT_FALSE(SpanFilter::Parse("{ " + std::string(100, '(')));
}

TEST(TraceQlTest, TagsOfTheOlderSearch) {
  const auto matches = [](const char* tags) {
    const auto filter = SpanFilter::ParseTags(tags);
    EXPECT_TRUE(filter) << tags;
    return filter && filter->Matches(ExampleSpan(), {});
  };
  EXPECT_TRUE(matches(""));
  EXPECT_TRUE(matches("service.name=cart http.status_code=503"));
  EXPECT_TRUE(matches("name=\"GET /cart\" error=true"));
  EXPECT_FALSE(matches("service.name=web"));
  EXPECT_FALSE(SpanFilter::ParseTags("service.name"));
  EXPECT_FALSE(SpanFilter::ParseTags("a=\"open"));
}

TEST(TraceQlTest, WhatAnIndexKnowsIsHandedDown) {
  telemetry::SpanQuery query{.range = {0, 1}};
  SpanFilter::Parse(
      R"({ resource.service.name = "cart" && name = "GET" && status = error && duration > 1s &&)"
      R"( duration < 5s && .zone = "a" && (kind = server || kind = client) })")
      ->Narrow(&query);
  EXPECT_EQ(query.service, "cart");
  EXPECT_EQ(query.operation, "GET");
  EXPECT_EQ(query.status, telemetry::SpanStatus::kError);
  EXPECT_EQ(query.min_duration_ns, 1'000'000'000);
  EXPECT_EQ(query.max_duration_ns, 5'000'000'000);
  ASSERT_EQ(query.tags.size(), 1u);
  EXPECT_EQ(query.tags[0].key, "zone");

  telemetry::SpanQuery wide{.range = {0, 1}};
  SpanFilter::Parse(R"({ name = "a" || name = "b" })")->Narrow(&wide);
  EXPECT_FALSE(wide.operation) << "an alternative narrows nothing";
}

}  // namespace
}  // namespace enclave::observatory::api
