#include "observatory/ingest/label_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace enclave::observatory::ingest {
namespace {

using telemetry::Labels;
using testing::HasSubstr;

TEST(LabelTextTest, LabelsAreRead) {
  EXPECT_EQ(ParseLabelText("{}").value(), Labels{});
  EXPECT_EQ(ParseLabelText(R"({app="api"})").value(), (Labels{{"app", "api"}}));
  EXPECT_EQ(ParseLabelText("  { b = \"2\" ,\n a=\"1\", }  ").value(),
            (Labels{{"a", "1"}, {"b", "2"}}));
  EXPECT_EQ(ParseLabelText("{raw=`C:\\new \"x\"`}").value(), (Labels{{"raw", "C:\\new \"x\""}}));
  EXPECT_EQ(ParseLabelText(R"({empty="", a="1"})").value(), (Labels{{"a", "1"}}));
}

TEST(LabelTextTest, EscapesAreThoseOfGo) {
  EXPECT_EQ(ParseLabelText(R"({a="\"\\\n\t\r\a\b\f\v"})").value().Get("a"), "\"\\\n\t\r\a\b\f\v");
  EXPECT_EQ(ParseLabelText(R"({a="\x41\102\u00e9\U0001F600"})").value().Get("a"), "AB\u00e9😀");
  EXPECT_EQ(ParseLabelText(R"({a="\xc3\xa9"})").value().Get("a"), "é");
}

TEST(LabelTextTest, FaultsAreNamedWithTheirPlace) {
  const auto why = [](std::string_view text) {
    const auto labels = ParseLabelText(text);
    return labels ? "accepted" : labels.error().message();
  };
  EXPECT_THAT(why(""), HasSubstr("at byte 0: a { is expected"));
  EXPECT_THAT(why(R"({app="api")"), HasSubstr("at byte 10: a comma or } is expected"));
  EXPECT_THAT(why(R"({app="api)"), HasSubstr("closing quote is missing"));
  EXPECT_THAT(why("{app=`api}"), HasSubstr("a ` is missing"));
  EXPECT_THAT(why(R"({app=api})"), HasSubstr("a text in quotes is expected"));
  EXPECT_THAT(why(R"({app:"api"})"), HasSubstr("a = is expected"));
  EXPECT_THAT(why(R"({1app="api"})"), HasSubstr("at byte 1: the name of a label"));
  EXPECT_THAT(why(R"({a="1" b="2"})"), HasSubstr("a comma or }"));
  EXPECT_THAT(why(R"({a="1", a=""})"), HasSubstr("the label a occurs twice"));
  EXPECT_THAT(why(R"({a="\q"})"), HasSubstr("an escape that is not known"));
  EXPECT_THAT(why(R"({a="\x4"})"), HasSubstr("too few digits"));
  EXPECT_THAT(why(R"({a="\777"})"), HasSubstr("stands for no character"));
  EXPECT_THAT(why(R"({a="\ud800"})"), HasSubstr("stands for no character"));
  EXPECT_THAT(why(R"({a="\xff"})"), HasSubstr("not UTF-8"));
  EXPECT_THAT(why(R"({a="1"} x)"), HasSubstr("nothing is expected after }"));
  EXPECT_THAT(why("{a=\"\\"), HasSubstr("ends within an escape"));
}

}  // namespace
}  // namespace enclave::observatory::ingest
