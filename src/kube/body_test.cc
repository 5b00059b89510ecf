#include "kube/body.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kube/status.h"

namespace enclave::kube {
namespace {

using base::Error;
using base::ErrorKind;
using ::testing::HasSubstr;

Json Yaml(std::string_view text) {
  const auto parsed = ParseYaml(text);
  EXPECT_TRUE(parsed) << text << ": " << parsed.error().ToString();
  return parsed ? *parsed : Json("failed");
}

std::string YamlError(std::string_view text) {
  const auto parsed = ParseYaml(text);
  EXPECT_FALSE(parsed) << text << " gives " << *parsed;
  return parsed ? "" : parsed.error().message();
}

TEST(JsonBody, IsStrict) {
  EXPECT_EQ(*ParseJson(R"( {"a":[1,-2,1.5,"x",true,null]} )"),
            Json::parse(R"({"a":[1,-2,1.5,"x",true,null]})"));
  EXPECT_EQ((*ParseJson(R"({"a":1,"a":2})"))["a"], 2);
  for (const char* bad : {"", "  \n", "{", "{}x", "{a:1}", "[1,]", "nul", "'a'", "NaN", "01",
                          "1e999", "\"\xff\"", "\"\x01\"", "{\"a\":1}{}", "// x\n{}"}) {
    const auto parsed = ParseJson(bad);
    ASSERT_FALSE(parsed) << bad;
    EXPECT_EQ(parsed.error().kind(), ErrorKind::kInvalidArgument);
    EXPECT_NO_THROW((void)Json(parsed.error().message()).dump()) << "the message is UTF-8";
  }
  EXPECT_THAT(ParseJson("{\n \"a\" 1}").error().message(), HasSubstr("line 2, column 6"));
}

TEST(JsonBody, BoundsDepth) {
  const std::string deep = std::string(128, '[') + std::string(128, ']');
  EXPECT_TRUE(ParseJson(deep));
  EXPECT_FALSE(ParseJson("[" + deep + "]"));
  EXPECT_TRUE(ParseJson("\"\\\"" + std::string(1000, '[') + "\""));
  EXPECT_FALSE(ParseJson(std::string(1'000'000, '[')));
}

TEST(YamlBody, ScalarsAsKubectlReadsThem) {
  const Json value = Yaml(R"(
t: [true, True, yes, on, y]
f: [false, No, OFF, n]
z: [null, ~, Null, ]
i: [0, -7, 0644, 0o17, 0x1F, 0b101, 1_000, 18446744073709551615, -9223372036854775808, +3]
d: [1.5, -.5, 1e3, 3.0, 1., 1e400]
s: [2026-01-02, 1.2.3, 08, "true", 'null', "12", 12a, 0x, a_1, "", -, 1e, .]
2: int key
true: bool key
lit: |
  two
  lines
tag: !!str 12
)");
  EXPECT_EQ(value["t"], Json::parse("[true,true,true,true,true]"));
  EXPECT_EQ(value["f"], Json::parse("[false,false,false,false]"));
  EXPECT_EQ(value["z"], Json::parse("[null,null,null]"));
  EXPECT_EQ(value["i"], Json::parse("[0,-7,420,15,31,5,1000,18446744073709551615,"
                                    "-9223372036854775808,3]"));
  EXPECT_EQ(value["d"], Json::parse(R"([1.5,-0.5,1000,3,1,"1e400"])"));
  EXPECT_TRUE(value["d"][3].is_number_integer());
  EXPECT_EQ(value["s"], Json::parse(R"(["2026-01-02","1.2.3",8,"true","null","12","12a","0x","a_1",
                                        "","-","1e","."])"));
  EXPECT_EQ(value["2"], "int key");
  EXPECT_EQ(value["true"], "bool key");
  EXPECT_EQ(value["lit"], "two\nlines\n");
  EXPECT_EQ(value["tag"], "12");
}

TEST(YamlBody, AnchorsAndMerge) {
  EXPECT_EQ(Yaml("a: &x {k: 1, l: 2}\nb: *x\nc: {<<: *x, k: 3}\nd:\n  <<: [{m: 1}, *x, {m: 2}]\n"),
            Json::parse(R"({"a":{"k":1,"l":2},"b":{"k":1,"l":2},"c":{"k":3,"l":2},
                            "d":{"m":1,"k":1,"l":2}})"));
  EXPECT_EQ(Yaml("\"<<\": 1")["<<"], 1);
  EXPECT_THAT(YamlError("<<: 3"), HasSubstr("merges a map"));
  EXPECT_THAT(YamlError("&a [*a]"), HasSubstr("within its own anchor"));
}

TEST(YamlBody, BoundsExpansionAndDepth) {
  std::string laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 10; ++i) {
    laughs += fmt::format("a{}: &a{} [", i, i);
    for (int k = 0; k < 10; ++k) laughs += fmt::format("*a{},", i - 1);
    laughs += "]\n";
  }
  EXPECT_THAT(YamlError(laughs), HasSubstr("more than"));
  EXPECT_EQ(YamlError(std::string(200, '[') + std::string(200, ']')).substr(0, 13),
            "invalid YAML:");
  EXPECT_EQ(YamlError(std::string(100'000, '[')).substr(0, 13), "invalid YAML:");
  std::string steps = "- &a0 {}\n";
  for (int i = 1; i < 140; ++i) steps += fmt::format("- &a{} {{k: *a{}}}\n", i, i - 1);
  EXPECT_THAT(YamlError(steps), HasSubstr("deeper than"));
}

TEST(YamlBody, ErrorsNameThePlace) {
  EXPECT_THAT(YamlError("a: 1\nb: [1\n"), HasSubstr("line "));
  EXPECT_THAT(YamlError("a: 1\na: 2\n"), HasSubstr("line 2, column 4: the key \"a\" stands twice"));
  EXPECT_THAT(YamlError("ok: 1\nb: \x01\n"), HasSubstr("line 2, column 4"));
  EXPECT_THAT(YamlError("b: \xff\n"), HasSubstr("not allowed"));
  EXPECT_THAT(YamlError("? [a]\n: b\n"), HasSubstr("scalar"));
  EXPECT_THAT(YamlError("a: .inf"), HasSubstr("no JSON"));
  EXPECT_THAT(YamlError("a: !!int x"), HasSubstr("!!int"));
  EXPECT_THAT(YamlError("a: *nobody"), HasSubstr("line 1"));
  EXPECT_THAT(YamlError("a: 1\n---\nb: 1\n"), HasSubstr("found 2"));
  EXPECT_THAT(YamlError(""), HasSubstr("found 0"));
  EXPECT_THAT(YamlError("a: 1\n]\n"), HasSubstr("line 2"));
  for (const char* stray : {"]", "}", ",", "a\n---\n}"}) YamlError(stray);
}

TEST(Manifests, SplitsFiles) {
  const auto documents =
      ParseManifests("# head\n---\na: 1\n---\n---\n# only a comment\n---\nb: 2\n...\n");
  ASSERT_TRUE(documents);
  EXPECT_EQ(Json(*documents), Json::parse(R"([{"a":1},{"b":2}])"));
  EXPECT_EQ(Json(*ParseManifests("{\"a\":\t1}")), Json::parse(R"([{"a":1}])"));
  EXPECT_EQ(Json(*ParseManifests("{a: 1}")), Json::parse(R"([{"a":1}])"));
  EXPECT_TRUE(ParseManifests("")->empty());
  EXPECT_THAT(ParseManifests("{\"a\":").error().message(), HasSubstr("JSON"));
}

TEST(Body, ByContentType) {
  EXPECT_TRUE(DecodeBody("", "{}"));
  EXPECT_TRUE(DecodeBody("Application/JSON; charset=utf-8", "{}"));
  EXPECT_TRUE(DecodeBody("application/merge-patch+json", "{}"));
  EXPECT_EQ((*DecodeBody("application/yaml", "a: 1"))["a"], 1);
  EXPECT_EQ((*DecodeBody("application/apply-patch+yaml", "{\"a\": 1}"))["a"], 1);
  for (const char* type : {"application/vnd.kubernetes.protobuf", "text/plain", "json", ";"}) {
    const auto decoded = DecodeBody(type, "x");
    ASSERT_FALSE(decoded) << type;
  }
  EXPECT_EQ(DecodeBody("text/plain", "{}").error().kind(), ErrorKind::kUnsupportedMedia);
  EXPECT_EQ(*PatchTypeOf("application/json-patch+json"), PatchType::kJson);
  EXPECT_EQ(*PatchTypeOf("application/merge-patch+json;x=y"), PatchType::kMerge);
  EXPECT_EQ(*PatchTypeOf("application/strategic-merge-patch+json"), PatchType::kStrategicMerge);
  EXPECT_EQ(PatchTypeOf("application/json").error().kind(), ErrorKind::kUnsupportedMedia);
}

TEST(Status, GoesBothWays) {
  for (int k = 0; k <= static_cast<int>(ErrorKind::kInternal); ++k) {
    const auto kind = static_cast<ErrorKind>(k);
    const Json status = ToStatus(Error(kind, "why"), {.name = "n", .kind = "pods"});
    EXPECT_TRUE(IsStatus(status));
    EXPECT_EQ(status["code"], HttpStatusOf(kind));
    EXPECT_EQ(status["details"], Json::parse(R"({"name":"n","kind":"pods"})"));
    if (kind == ErrorKind::kCancelled) continue;  // there is nobody to read it
    EXPECT_EQ(FromStatus(status).kind(), kind) << status;
    EXPECT_EQ(FromHttpAnswer(HttpStatusOf(kind), status.dump()).message(), "why");
  }
  EXPECT_EQ(ToStatus(Error(ErrorKind::kNotFound, "m")),
            Json::parse(R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",
                            "message":"m","reason":"NotFound","code":404})"));
}

TEST(Status, ReadsForeignAnswers) {
  EXPECT_EQ(FromHttpAnswer(404, "404 page not found\n").message(),
            "the server answered 404: 404 page not found");
  EXPECT_EQ(FromHttpAnswer(502, "").kind(), ErrorKind::kUnavailable);
  EXPECT_EQ(FromHttpAnswer(418, "").kind(), ErrorKind::kInvalidArgument);
  EXPECT_EQ(FromHttpAnswer(599, "").kind(), ErrorKind::kInternal);
  EXPECT_EQ(FromHttpAnswer(409, "{}").kind(), ErrorKind::kConflict);
  EXPECT_EQ(FromHttpAnswer(409, R"({"kind":"Status","apiVersion":"v1"})").kind(),
            ErrorKind::kConflict);
  EXPECT_EQ(FromStatus(Json::parse(R"({"reason":"Gone","code":"x","message":3})")).kind(),
            ErrorKind::kExpired);
  EXPECT_EQ(
      RetryAfterOf(ToStatus(Error(ErrorKind::kResourceExhausted, "x"), {.retry_after_seconds = 7})),
      std::chrono::seconds(7));
  EXPECT_EQ(RetryAfterOf(Json()), std::nullopt);
}

TEST(Status, Sentences) {
  EXPECT_EQ(NotFoundError(kDeployment, "web").message(), "deployments.apps \"web\" not found");
  EXPECT_EQ(AlreadyExistsError(kPod, "p").message(), "pods \"p\" already exists");
  EXPECT_EQ(ConflictError(kPod, "p").kind(), ErrorKind::kConflict);
  EXPECT_EQ(SuccessStatus({.name = "n"})["status"], "Success");
}

}  // namespace
}  // namespace enclave::kube
