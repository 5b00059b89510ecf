#include "telemetry/templates/line_head.h"

#include <gtest/gtest.h>

namespace enclave::telemetry::templates {
namespace {

struct Case {
  const char* line;
  const char* level;
  const char* location;
  const char* message;
};

void PrintTo(const Case& value, std::ostream* out) {
  *out << value.line;
}

class LineHeadTest : public testing::TestWithParam<Case> {};

TEST_P(LineHeadTest, IsSplit) {
  const LineHead head = SplitHead(GetParam().line);
  EXPECT_EQ(head.level, GetParam().level);
  EXPECT_EQ(head.location, GetParam().location);
  EXPECT_EQ(head.message, GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    Text, LineHeadTest,
    testing::Values(
        Case{"16:48:42.424 INFO  t.s.BookingServiceImpl#532 TraceID: "
             "0af7651916cd43dd8448eb211c80319c SpanID: b7ad6b7169203331 [find][all done][n: 3]",
             "INFO", "t.s.BookingServiceImpl#532", "[find][all done][n: 3]"},
        Case{"2024-01-02 10:11:12,345 ERROR [main] com.shop.Orders - cannot save order 7", "ERROR",
             "com.shop.Orders", "cannot save order 7"},
        Case{"2024-01-02 10:11:12.345 [http-nio-80-exec-1] WARN  c.s.Cart - slow", "WARN",
             "c.s.Cart", "slow"},
        Case{"2024-01-02T10:11:12.345+01:00  INFO 1 --- [           main] c.s.Application          "
             ": Started in 3 s",
             "INFO", "c.s.Application", "Started in 3 s"},
        Case{"E0102 15:04:05.678901       1 controller.go:114] sync failed", "E",
             "controller.go:114", "sync failed"},
        Case{"I20240102 15:04:05.678901 12345 server.cc:9] listening on 80", "I", "server.cc:9",
             "listening on 80"},
        Case{"2024-01-02T10:11:12.345Z\tINFO\tserver/main.go:42\tlistening\t{\"port\": 80}", "INFO",
             "server/main.go:42", "listening\t{\"port\": 80}"},
        Case{"2024/01/02 10:11:12 main.go:42: listening on :80", "", "main.go:42",
             "listening on :80"},
        Case{"2024/01/02 10:11:12 [error] 31#31: *1 connect() failed", "error", "",
             "*1 connect() failed"},
        Case{"level=error ts=2024-01-02T10:11:12Z caller=api.go:12 msg=\"no such \\\"key\\\"\" k=7",
             "error", "api.go:12", "no such \"key\""},
        Case{"2024-01-02 10:11:12,345 - shop.cart - WARNING - cart 7 is empty", "WARNING",
             "shop.cart", "cart 7 is empty"},
        Case{"ERROR:root:cannot connect", "ERROR", "root", "cannot connect"},
        Case{"[2024-01-02 10:11:12 +0000] [31] [INFO] Booting worker with pid: 31", "INFO", "",
             "Booting worker with pid: 31"},
        Case{"Jan  2 10:11:12 ERROR cannot write", "ERROR", "", "cannot write"},
        Case{"2024-01-02T10:11:12.345678901Z stderr F level=warn msg=late", "warn", "", "late"},
        Case{"10:11:12 WARN  Foo.bar(Foo.java:12) - odd", "WARN", "Foo.bar(Foo.java:12)", "odd"}));

INSTANTIATE_TEST_SUITE_P(
    Json, LineHeadTest,
    testing::Values(
        Case{R"({"severity":"INFO","message":"order placed","caller":"orders.cc:12"})", "INFO",
             "orders.cc:12", "order placed"},
        Case{R"({"time":"2024-01-02T10:11:12.000001Z","severity":"ERROR","service":"cart",)"
             R"("message":"no \"such\" cart","trace_id":"0af7651916cd43dd8448eb211c80319c",)"
             R"("span_id":"b7ad6b7169203331","code.filepath":"cart.cc","code.lineno":31})",
             "ERROR", "cart.cc:31", "no \"such\" cart"},
        Case{R"({"level":"info","ts":1704189072.1,"logger":"a.b","msg":"ready","n":{"a":[1,"}"]}})",
             "info", "a.b", "ready"},
        Case{R"({"level":30,"time":1704189072,"pid":1,"msg":"charged"})", "30", "", "charged"},
        Case{R"({"log":"10:11:12 WARN  a.B#4 [x] late\n","stream":"stdout","time":"2024"})", "WARN",
             "a.B#4", "[x] late"},
        Case{R"({"log":"{\"message\":\"TraceID: 0af7651916cd43dd8448eb211c80319c SpanID: )"
             R"(b7ad6b7169203331 found \\\"x\\\"\",\"severity\":\"info\"}\n","stream":"stdout"})",
             "info", "", "found \"x\""},
        Case{R"({"msg":"caf\u00e9 \ud83d\ude00"})", "", "", "café 😀"},
        Case{R"({"a":1})", "", "", R"({"a":1})"},
        Case{R"({"msg":"cut of)", "", "", R"({"msg":"cut of)"}));

// What may belong to the message stays in it.
INSTANTIATE_TEST_SUITE_P(
    Plain, LineHeadTest,
    testing::Values(
        Case{"", "", "", ""}, Case{"   \n", "", "", ""},
        Case{"Error connecting to db-1: refused", "", "", "Error connecting to db-1: refused"},
        Case{"[core] started", "", "", "[core] started"},
        Case{"x=1 is what it says", "", "", "x=1 is what it says"},
        Case{"10:11:12 INFO [find][3 rows] in 4 ms", "INFO", "", "[find][3 rows] in 4 ms"},
        Case{"trace of the request", "", "", "trace of the request"},
        Case{"E1234 is no klog line", "", "", "E1234 is no klog line"},
        Case{"GetCart called with userId=7 trace_id=0af7651916cd43dd8448eb211c80319c", "", "",
             "GetCart called with userId=7"},
        Case{"done [traceId: 0af7651916cd43dd8448eb211c80319c, spanId: "
             "b7ad6b7169203331]",
             "", "", "done"}));

TEST(LineHead, KeepsTheIds) {
  const LineHead head = SplitHead(
      "TraceID: 0af7651916cd43dd8448eb211c80319c SpanID: b7ad6b7169203331 Get cart of user 7");
  EXPECT_EQ(head.trace_id, "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(head.span_id, "b7ad6b7169203331");
  EXPECT_EQ(head.message, "Get cart of user 7");
}

TEST(LineHead, TheIdsAreTakenInAStepOfTheirOwn) {
  LineHead head = SplitFront(
      "16:51:24.967 INFO  u.c.UserController#48 TraceID: 2f182d58875095cc70b2a50fdda3e7cd Get "
      "user");
  EXPECT_EQ(head.location, "u.c.UserController#48");
  EXPECT_EQ(head.message, "TraceID: 2f182d58875095cc70b2a50fdda3e7cd Get user");
  EXPECT_EQ(head.trace_id, "");
  TakeTraceIds(&head);
  EXPECT_EQ(head.message, "Get user");
  EXPECT_EQ(head.trace_id, "2f182d58875095cc70b2a50fdda3e7cd");
}

TEST(LineHead, UnescapedTextLivesAsLongAsTheHead) {
  LineHead kept;
  {
    const std::string line = R"({"msg":"a \"quoted\" word that is too long for a short string"})";
    kept = SplitHead(line);
  }
  EXPECT_EQ(kept.message, "a \"quoted\" word that is too long for a short string");
}

TEST(LineHead, LevelsMeanTheSameInEverySpelling) {
  EXPECT_EQ(LevelOf("WARN"), Level::kWarn);
  EXPECT_EQ(LevelOf("Warning"), Level::kWarn);
  EXPECT_EQ(LevelOf("E"), Level::kError);
  EXPECT_EQ(LevelOf("50"), Level::kError);
  EXPECT_EQ(LevelOf("fatal"), Level::kError);
  EXPECT_EQ(LevelOf("information"), Level::kInfo);
  EXPECT_EQ(LevelOf("TRACE"), Level::kDebug);
  EXPECT_EQ(LevelOf("banana"), Level::kUnknown);
  EXPECT_EQ(LevelOf(""), Level::kUnknown);
}

}  // namespace
}  // namespace enclave::telemetry::templates
