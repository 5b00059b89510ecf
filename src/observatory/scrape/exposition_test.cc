#include "observatory/scrape/exposition.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "observatory/scrape/gzip.h"

namespace enclave::observatory::scrape {
namespace {

using telemetry::Labels;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr auto kText = ExpositionFormat::kPrometheusText;
constexpr auto kOpen = ExpositionFormat::kOpenMetrics;

// Every entry as a line of text, or the error as the last one.
std::vector<std::string> ReadAll(std::string_view text, ExpositionFormat format) {
  std::vector<std::string> lines;
  ExpositionParser parser(text, format);
  telemetry::Batch batch;
  while (true) {
    const auto entry = parser.Next();
    if (!entry) {
      lines.push_back("error: " + entry.error().message());
      return lines;
    }
    switch (*entry) {
      case ExpositionParser::Entry::kEnd:
        return lines;
      case ExpositionParser::Entry::kType:
        lines.push_back(
            fmt::format("type {} {}", parser.metric(), static_cast<int>(parser.type())));
        break;
      case ExpositionParser::Entry::kHelp:
        lines.push_back(fmt::format("help {} {}", parser.metric(), parser.description()));
        break;
      case ExpositionParser::Entry::kUnit:
        lines.push_back(fmt::format("unit {} {}", parser.metric(), parser.description()));
        break;
      case ExpositionParser::Entry::kSample: {
        std::vector<telemetry::LabelView> views;
        if (const auto read = parser.ReadSeries(views, batch); !read) {
          lines.push_back("error: " + read.error().message());
          return lines;
        }
        std::vector<telemetry::Label> labels;
        for (const auto& view : views) {
          labels.push_back({std::string(view.name), std::string(view.value)});
        }
        std::string line =
            fmt::format("{} {}", Labels::From(std::move(labels)).ToString(), parser.value());
        if (parser.time_ms()) line += fmt::format(" @{}", *parser.time_ms());
        if (parser.has_exemplar()) {
          const auto exemplar = parser.ReadExemplar(7);
          if (!exemplar) {
            lines.push_back("error: " + exemplar.error().message());
            return lines;
          }
          line += fmt::format(" # {} {} @{}", exemplar->labels.ToString(), exemplar->value,
                              exemplar->time_ms);
          if (exemplar->trace_id) line += " trace " + exemplar->trace_id->ToString();
          if (exemplar->span_id) line += " span " + exemplar->span_id->ToString();
        }
        lines.push_back(line);
        break;
      }
    }
  }
}

TEST(ExpositionTest, PrometheusText) {
  EXPECT_THAT(ReadAll("# HELP http_requests_total All requests.\\nOf \\\\ everybody.\n"
                      "# TYPE http_requests_total counter\n"
                      "http_requests_total{code=\"200\",method=\"get\"} 1027 1395066363000\n"
                      "http_requests_total { code = \"400\" , } 3\n"
                      "\n# an ordinary comment\n"
                      "  spaced\t 1e3  \n"
                      "a{x=\"c:\\\\dir\\n\\\"quoted\\\"\",y=\"}\"} -0.5\n"
                      "not NaN\nplus +Inf\nminus -inf",
                      kText),
              ElementsAre("help http_requests_total All requests.\nOf \\ everybody.",
                          "type http_requests_total 1",
                          "http_requests_total{code=\"200\", method=\"get\"} 1027 @1395066363000",
                          "http_requests_total{code=\"400\"} 3", "spaced 1000",
                          "a{x=\"c:\\\\dir\\n\\\"quoted\\\"\", y=\"}\"} -0.5", "not nan",
                          "plus inf", "minus -inf"));
}

TEST(ExpositionTest, OpenMetricsWithExemplars) {
  EXPECT_THAT(
      ReadAll("# TYPE foo_seconds histogram\n# UNIT foo_seconds seconds\n"
              "# HELP foo_seconds How \\\"long\\\".\n"
              "foo_seconds_bucket{le=\"0.1\"} 8 # {} 0.054\n"
              "foo_seconds_bucket{le=\"1.0\"} 11 1520879607.789 "
              "# {trace_id=\"5b8aa5a2d2c872e8321cf37308d69df2\",span_id=\"051581bf3cb55c13\","
              "user=\"a b\"} 0.67 1520879606.5\n"
              "foo_seconds_created 1520430000.123\n"
              "# EOF\n",
              kOpen),
      ElementsAre("type foo_seconds 3", "unit foo_seconds seconds",
                  "help foo_seconds How \"long\".",
                  "foo_seconds_bucket{le=\"0.1\"} 8 # {} 0.054 @7",
                  "foo_seconds_bucket{le=\"1.0\"} 11 @1520879607789 # {user=\"a b\"} 0.67 "
                  "@1520879606500 trace 5b8aa5a2d2c872e8321cf37308d69df2 span 051581bf3cb55c13",
                  "foo_seconds_created 1520430000.123"));
}

TEST(ExpositionTest, QuotedNamesOfPrometheus3) {
  for (const auto format : {kText, kOpen}) {
    EXPECT_THAT(
        ReadAll("# TYPE \"http.server.duration\" gauge\n"
                "{\"http.server.duration\",\"service.name\"=\"w\\\\eb\",x=\"1\"} 2\n"
                "{\"größe\"} 3\n# EOF\n",
                format),
        ElementsAre("type http.server.duration 2",
                    "http.server.duration{service.name=\"w\\\\eb\", x=\"1\"} 2", "größe 3"));
  }
}

TEST(ExpositionTest, FaultsAreNamedWithTheirLine) {
  const std::tuple<const char*, ExpositionFormat, const char*> cases[] = {
      {"a 1\nb\n", kText, "line 2: \"b\" has no value"},
      {"a x\n", kText, "line 1: \"x\" is no number"},
      {"a 1 x\n", kText, "line 1: \"x\" is no timestamp"},
      {"a 1 2 3\n", kText, "line 1: unexpected \"3\" after the sample"},
      {"a{b=\"1\n", kText, "line 1: a label set does not end"},
      {"a{b=1} 1\n", kText, "the value of the label \"b\" must be quoted"},
      {"a{b=\"1\"c=\"2\"} 1\n", kText, "expected , or }"},
      {"a{9=\"1\"} 1\n", kText, "\"9\" is no label name"},
      {"9a 1\n", kText, "\"9a\" is no metric name"},
      {"{a=\"1\"} 1\n", kText, "a sample has no metric name"},
      {"a{\"b\"} 1\n", kText, "a second metric name \"b\""},
      {"a{b=\"\xff\"} 1\n", kText, "the label \"b\" is not UTF-8"},
      {"# TYPE a nonsense\n", kText, "\"nonsense\" is no type of metric"},
      {"a nan(1)\n", kText, "is no number"},
      {"a 1\n", kOpen, "line 2: the text ends without # EOF"},
      {"a 1\n# EOF\nb 1\n", kOpen, "line 2: there is text after # EOF"},
      {"\n# EOF\n", kOpen, "line 1: an empty line"},
      {"# a comment\n# EOF\n", kOpen, "expected TYPE, HELP, UNIT or EOF"},
      {"# TYPE a gauge\n# UNIT a seconds\n# EOF\n", kOpen, "line 2: the unit \"seconds\""},
      {"a 1 # x\n# EOF\n", kOpen, "expected an exemplar"},
      {"a 1 # {a=\"b\"} x\n# EOF\n", kOpen, "the exemplar has no number"},
  };
  for (const auto& [text, format, why] : cases) {
    const auto lines = ReadAll(text, format);
    ASSERT_FALSE(lines.empty()) << text;
    EXPECT_THAT(lines.back(), HasSubstr(why)) << text;
    EXPECT_THAT(lines.back(), testing::StartsWith("error: line ")) << text;
  }
}

TEST(ExpositionTest, NothingIsNothing) {
  EXPECT_THAT(ReadAll("", kText), IsEmpty());
  EXPECT_THAT(ReadAll("# EOF", kOpen), IsEmpty());
  EXPECT_THAT(ReadAll("", kOpen), ElementsAre(HasSubstr("cut off")));
}

TEST(ExpositionTest, TheFormatIsThatOfTheContentType) {
  EXPECT_EQ(FormatOf("application/openmetrics-text; version=1.0.0; charset=utf-8"), kOpen);
  EXPECT_EQ(FormatOf("Application/OpenMetrics-Text"), kOpen);
  EXPECT_EQ(FormatOf("text/plain; version=0.0.4"), kText);
  EXPECT_EQ(FormatOf(""), kText);
}

TEST(GzipTest, BoundsAndFaults) {
  EXPECT_EQ(Gunzip("not gzip", 100).error().kind(), base::ErrorKind::kInvalidArgument);
  EXPECT_EQ(Gunzip("", 100).error().kind(), base::ErrorKind::kInvalidArgument);
  // gzip of "hello"
  constexpr unsigned char kHello[] = {0x1f, 0x8b, 0x08, 0,    0,    0,    0,    0,    0,
                                      0x03, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x86,
                                      0xa6, 0x10, 0x36, 0x05, 0,    0,    0};
  const std::string_view hello(reinterpret_cast<const char*>(kHello), sizeof kHello);
  EXPECT_EQ(*Gunzip(hello, 100), "hello");
  EXPECT_EQ(Gunzip(hello, 4).error().kind(), base::ErrorKind::kTooLarge);
  EXPECT_EQ(Gunzip(hello.substr(0, 15), 100).error().kind(), base::ErrorKind::kInvalidArgument);
}

}  // namespace
}  // namespace enclave::observatory::scrape
