#include "json_writer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>

namespace enclave::observatory::api {
namespace {

std::string ValueText(double value) {
  std::string out;
  AppendSampleValue(&out, value);
  return out;
}

// Expected texts are what Go's strconv.FormatFloat(v, 'f', -1, 64) gives, and 'e' outside of
// [1e-6, 1e21).
TEST(JsonWriterTest, ValuesLookAsPrometheusWritesThem) {
  EXPECT_EQ(ValueText(0), "0");
  EXPECT_EQ(ValueText(-0.0), "-0");
  EXPECT_EQ(ValueText(1), "1");
  EXPECT_EQ(ValueText(-17.25), "-17.25");
  EXPECT_EQ(ValueText(0.1), "0.1");
  EXPECT_EQ(ValueText(1.0 / 3), "0.3333333333333333");
  EXPECT_EQ(ValueText(0.000001), "0.000001");
  EXPECT_EQ(ValueText(0.0000001), "1e-07");
  EXPECT_EQ(ValueText(1e20), "100000000000000000000");
  EXPECT_EQ(ValueText(1.2345e20), "123450000000000000000");
  EXPECT_EQ(ValueText(-9007199254740993.0), "-9007199254740992");
  EXPECT_EQ(ValueText(123456789012345680000.0), "123456789012345680000");
  EXPECT_EQ(ValueText(1e21), "1e+21");
  EXPECT_EQ(ValueText(std::numeric_limits<double>::max()), "1.7976931348623157e+308");
  EXPECT_EQ(ValueText(std::nan("")), "NaN");
  EXPECT_EQ(ValueText(INFINITY), "+Inf");
  EXPECT_EQ(ValueText(-INFINITY), "-Inf");
}

TEST(JsonWriterTest, SecondsHaveThreeDecimalsOrNone) {
  const auto text = [](std::int64_t ms) {
    std::string out;
    AppendSeconds(&out, ms);
    return out;
  };
  EXPECT_EQ(text(1435781451781), "1435781451.781");
  EXPECT_EQ(text(12000), "12");
  EXPECT_EQ(text(1500), "1.500");
  EXPECT_EQ(text(1007), "1.007");
  EXPECT_EQ(text(-250), "-0.250");
  EXPECT_EQ(text(0), "0");
}

TEST(JsonWriterTest, CommasStandBetweenWhateverIsWritten) {
  std::string out;
  JsonWriter json(&out);
  json.BeginObject().Key("a").BeginArray().EndArray().Key("b").BeginArray();
  json.Integer(1).Bool(false).Raw("null").Number(1.5).String("x:").BeginObject().EndObject();
  json.Point(1500, 2).EndArray().Key("c").LabelSet({{"le", "0.5"}, {"a", "b"}}).EndObject();
  EXPECT_EQ(out, R"({"a":[],"b":[1,false,null,1.5,"x:",{},[1.500,"2"]],"c":{"a":"b","le":"0.5"}})");
}

TEST(JsonWriterTest, TextsAreEscapedAndAlwaysUtf8) {
  std::string out;
  JsonWriter(&out).BeginArray().String("a\"b\\c\n\x01").String("gr\u00fcn").String("\xff");
  EXPECT_EQ(out, "[\"a\\\"b\\\\c\\n\\u0001\",\"gr\u00fcn\",\"\ufffd\"");
}

TEST(JsonWriterTest, NumbersThatJsonHasNotAreNull) {
  std::string out;
  JsonWriter(&out).BeginArray().Number(std::nan("")).Number(INFINITY).EndArray();
  EXPECT_EQ(out, "[null,null]");
}

}  // namespace
}  // namespace enclave::observatory::api
