// Objects, kinds, names, times, quantities and hashes: the small vocabulary of the API.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "kube/hash.h"
#include "kube/kind.h"
#include "kube/names.h"
#include "kube/object.h"
#include "kube/quantity.h"
#include "kube/time.h"

namespace enclave::kube {
namespace {

using ::testing::HasSubstr;

TEST(Object, ReadsMetadata) {
  const Object object(Json::parse(R"({"metadata":{"name":"a","namespace":"b","uid":"u",
      "resourceVersion":"18446744073709551615","deletionTimestamp":"2026-01-02T03:04:05Z"}})"));
  EXPECT_EQ(object.name(), "a");
  EXPECT_EQ(object.ns(), "b");
  EXPECT_EQ(object.uid(), "u");
  EXPECT_EQ(object.revision(), Revision{UINT64_MAX});
  EXPECT_TRUE(object.deleting());
  EXPECT_EQ(Json::parse(object.text()), object.json());
}

TEST(Object, SurvivesForeignShapes) {
  for (const char* text : {"{}", "[]", "null", R"({"metadata":3})", R"({"metadata":{"name":{}}})",
                           R"({"metadata":{"resourceVersion":"12x","deletionTimestamp":null}})"}) {
    const Object object(Json::parse(text));
    EXPECT_EQ(object.name(), "") << text;
    EXPECT_EQ(object.revision(), Revision::kNone) << text;
    EXPECT_FALSE(object.deleting()) << text;
  }
  Json bad;
  bad["metadata"]["name"] = "\xff";
  EXPECT_THAT(Object(bad).text(), HasSubstr("\xef\xbf\xbd"));
}

TEST(Readers, GiveFallbacks) {
  const Json json = Json::parse(
      R"({"a":{"b":5,"s":"x","t":true,"big":18446744073709551615,"f":1.5,"n":-7,"z":null}})");
  EXPECT_EQ(IntAt(json, "a.b"), 5);
  EXPECT_EQ(IntAt(json, "a.n"), -7);
  EXPECT_EQ(IntAt(json, "a.big", 9), 9);
  EXPECT_EQ(IntAt(json, "a.f", 9), 9);
  EXPECT_EQ(IntAt(json, "a.s.deeper", 9), 9);
  EXPECT_EQ(StringAt(json, "a.s"), "x");
  EXPECT_EQ(StringAt(json, "a.b"), "");
  EXPECT_TRUE(BoolAt(json, "a.t"));
  EXPECT_TRUE(BoolAt(json, "a.s", true));
  EXPECT_TRUE(At(json, "a.z").is_null());
  EXPECT_TRUE(At(json, "").is_null());
  EXPECT_TRUE(At(json, "a..b").is_null());
}

TEST(Kind, MakesPaths) {
  EXPECT_EQ(kPod.Path("", ""), "/api/v1/pods");
  EXPECT_EQ(kPod.Path("d", "p", "log"), "/api/v1/namespaces/d/pods/p/log");
  EXPECT_EQ(kDeployment.Path("d"), "/apis/apps/v1/namespaces/d/deployments");
  EXPECT_EQ(kNode.Path("ignored", "n"), "/api/v1/nodes/n");
  EXPECT_EQ(kPod.Path("d", "../x?y"), "/api/v1/namespaces/d/pods/..%2Fx%3Fy");
  EXPECT_EQ(kDeployment.GroupResource(), "deployments.apps");
  EXPECT_EQ(kDeployment.ApiVersion(), "apps/v1");
  EXPECT_EQ(kPod.ApiVersion(), "v1");
}

TEST(Names, FollowTheRfcs) {
  EXPECT_TRUE(ValidateDns1123Label("0-a"));
  EXPECT_TRUE(ValidateDns1123Label(std::string(63, 'a')));
  for (const std::string bad : {"", "-a", "a-", "A", "a.b", "a_b", "\xc3\xa4"}) {
    EXPECT_FALSE(ValidateDns1123Label(bad)) << bad;
  }
  EXPECT_FALSE(ValidateDns1123Label(std::string(64, 'a')));
  EXPECT_TRUE(ValidateDns1123Subdomain("a.b-c.0"));
  for (const std::string bad : {"", ".", "a.", ".a", "a..b", "a.-b", "a/b"}) {
    EXPECT_FALSE(ValidateDns1123Subdomain(bad)) << bad;
  }
  EXPECT_TRUE(ValidateDns1035Label("web"));
  EXPECT_FALSE(ValidateDns1035Label("0web"));
  EXPECT_TRUE(ValidatePortName("http-2"));
  for (const std::string bad : {"", "80", "a--b", "-a", "a-", "http_2", "sixteen-long-xxx"}) {
    EXPECT_FALSE(ValidatePortName(bad)) << bad;
  }
  EXPECT_TRUE(ValidateConfigMapKey("a_B.c-1"));
  for (const std::string bad : {"", ".", "..", "..a", "a/b"}) {
    EXPECT_FALSE(ValidateConfigMapKey(bad)) << bad;
  }
  EXPECT_TRUE(ValidateEnvName("A_1"));
  EXPECT_FALSE(ValidateEnvName("1A"));
  EXPECT_FALSE(ValidateEnvName("A=B"));
}

TEST(Names, LabelsAndAnnotations) {
  for (const std::string good : {"app", "kubernetes.io/name", "A_.-b"}) {
    EXPECT_TRUE(ValidateLabelKey(good)) << good;
  }
  for (const std::string bad : {"", "/a", "a/", "a/b/c", "-a", "A.b/c", "a b"}) {
    EXPECT_FALSE(ValidateLabelKey(bad)) << bad;
  }
  EXPECT_TRUE(ValidateLabelValue(""));
  EXPECT_FALSE(ValidateLabelValue("a b"));
  EXPECT_FALSE(ValidateLabelValue(std::string(64, 'a')));
  EXPECT_TRUE(ValidateLabels(Json()));
  EXPECT_TRUE(ValidateLabels(Json::parse(R"({"a":"b"})")));
  EXPECT_FALSE(ValidateLabels(Json::parse(R"({"a":1})")));
  EXPECT_FALSE(ValidateLabels(Json::parse(R"([1])")));
  EXPECT_TRUE(ValidateAnnotations(Json::parse(R"({"Upper.example/a":"any thing\n"})")));
  EXPECT_FALSE(ValidateAnnotations(Json{{"a", std::string(300 << 10, 'x')}}));
}

TEST(Names, Generated) {
  base::SeededRandom random(1);
  const std::string name = GenerateName("web-", random);
  EXPECT_THAT(name, ::testing::MatchesRegex("web-[bcdfghjklmnpqrstvwxz2456789]{5}"));
  EXPECT_EQ(GenerateName(std::string(80, 'a'), random).size(), 63u);
  EXPECT_NE(GenerateName("a", random), GenerateName("a", random));
}

TEST(Hash, IsFnvInSafeLetters) {
  EXPECT_EQ(Fnv1a32(""), 2166136261U);
  EXPECT_EQ(Fnv1a32("foobar"), 0xbf9cf968U);
  const Json a = Json::parse(R"({"x":1,"y":[2]})");
  const Json b = Json::parse(R"({ "y": [2], "x": 1 })");
  EXPECT_EQ(TemplateHash(a), TemplateHash(b));
  EXPECT_NE(TemplateHash(a), TemplateHash(a, 0));
  EXPECT_NE(TemplateHash(a, 0), TemplateHash(a, 1));
  EXPECT_THAT(TemplateHash(a), ::testing::MatchesRegex("[bcdfghjklmnpqrstvwxz2456789]+"));
}

TEST(Time, FormatsAndParses) {
  const auto time = ParseTime("2026-01-02T03:04:05.678901234Z");
  ASSERT_TRUE(time);
  EXPECT_EQ(FormatTime(*time), "2026-01-02T03:04:05Z");
  EXPECT_EQ(FormatMicroTime(*time), "2026-01-02T03:04:05.678901Z");
  EXPECT_EQ(FormatNanoTime(*time), "2026-01-02T03:04:05.678901234Z");
  EXPECT_EQ(FormatTime(base::WallTime(std::chrono::nanoseconds(-1))), "1969-12-31T23:59:59Z");
  EXPECT_EQ(FormatTime(*ParseTime("2026-01-02T03:04:05+02:30")), "2026-01-02T00:34:05Z");
  EXPECT_EQ(FormatTime(*ParseTime("2026-01-02T23:04:05-02:00")), "2026-01-03T01:04:05Z");
  EXPECT_EQ(FormatNanoTime(*ParseTime("2024-02-29T00:00:00.5Z")), "2024-02-29T00:00:00.500000000Z");
  EXPECT_EQ(FormatNanoTime(*ParseTime("2024-02-29T00:00:00.1234567899Z")),
            "2024-02-29T00:00:00.123456789Z");
}

TEST(Time, RefusesWhatIsNoTime) {
  for (const std::string bad :
       {"", "2026", "2026-01-02", "2026-01-02 03:04:05Z", "2026-01-02T03:04:05",
        "2026-13-02T03:04:05Z", "2026-02-29T03:04:05Z", "2026-01-02T24:04:05Z",
        "2026-01-02T03:60:05Z", "2026-01-02T03:04:60Z", "2026-01-02T03:04:05.Z",
        "2026-01-02T03:04:05ZZ", "2026-01-02T03:04:05+2:00", "2026-01-02T03:04:05+24:00",
        "0001-01-01T00:00:00Z", "9999-01-01T00:00:00Z", "+026-01-02T03:04:05Z"}) {
    EXPECT_FALSE(ParseTime(bad)) << bad;
  }
  EXPECT_EQ(TimeAt(Json{{"a", "nonsense"}}, "a"), std::nullopt);
  EXPECT_TRUE(TimeAt(Json{{"a", "2026-01-02T03:04:05Z"}}, "a"));
}

struct QuantityCase {
  const char* text;
  std::int64_t value;
  std::int64_t milli;
  const char* canonical;
};

TEST(Quantity, ParsesEverySuffix) {
  for (const auto& [text, value, milli, canonical] : std::initializer_list<QuantityCase>{
           {"0", 0, 0, "0"},
           {"-0", 0, 0, "0"},
           {"250m", 1, 250, "250m"},
           {"1000m", 1, 1000, "1"},
           {"0.1", 1, 100, "100m"},
           {".5", 1, 500, "500m"},
           {"5.", 5, 5000, "5"},
           {"+2", 2, 2000, "2"},
           {"-1.5", -1, -1500, "-1500m"},
           {"1n", 1, 1, "1n"},
           {"1500u", 1, 2, "1500u"},
           {"0.1n", 1, 1, "1n"},
           {"-0.1n", 0, 0, "-1n"},
           {"2k", 2000, 2'000'000, "2k"},
           {"1Ki", 1024, 1'024'000, "1Ki"},
           {"1.5Gi", 1610612736, 1610612736000, "1536Mi"},
           {"0.5Ki", 512, 512'000, "512"},
           {"128974848", 128974848, 128974848000, "128974848"},
           {"129e6", 129'000'000, 129'000'000'000, "129e6"},
           {"129M", 129'000'000, 129'000'000'000, "129M"},
           {"1e-3", 1, 1, "1e-3"},
           {"1E3", 1000, 1'000'000, "1e3"},
           {"1E", 1'000'000'000'000'000'000, INT64_MAX, "1E"},
           {"7Ei", 8070450532247928832, INT64_MAX, "7Ei"},
           {"9223372036854775807", INT64_MAX, INT64_MAX, "9223372036854775807"},
           {"0e99999999999", 0, 0, "0"},
           {"1e-99999999999", 1, 1, "1e-9"},
           {"100000000000000000000000e-23", 1, 1000, "1"},
       }) {
    const auto quantity = Quantity::Parse(text);
    ASSERT_TRUE(quantity) << text;
    EXPECT_EQ(quantity->Value(), value) << text;
    EXPECT_EQ(quantity->MilliValue(), milli) << text;
    EXPECT_EQ(quantity->ToString(), canonical) << text;
    EXPECT_EQ(*Quantity::Parse(quantity->ToString()), *quantity) << text;
  }
}

TEST(Quantity, RefusesNonsenseAndOverflow) {
  for (const std::string bad : {"",
                                "-",
                                ".",
                                "m",
                                "1x",
                                "1 Gi",
                                " 1",
                                "1gi",
                                "1K",
                                "1e",
                                "1e+",
                                "1.2.3",
                                "1Kii",
                                "0x10",
                                "9223372036854775808",
                                "8Ei",
                                "10E",
                                "1e19",
                                "1e99999999999",
                                "--1",
                                "1m1"}) {
    EXPECT_FALSE(Quantity::Parse(bad)) << bad;
  }
  EXPECT_FALSE(Quantity::Parse(std::string(2000, '1')));
}

TEST(Quantity, ComparesByAmount) {
  EXPECT_EQ(*Quantity::Parse("1Gi"), *Quantity::Parse("1024Mi"));
  EXPECT_EQ(*Quantity::Parse("1"), *Quantity::Parse("1000m"));
  EXPECT_LT(*Quantity::Parse("1G"), *Quantity::Parse("1Gi"));
  EXPECT_LT(*Quantity::Parse("-1"), Quantity());
  EXPECT_EQ((*Quantity::Parse("1.5") + *Quantity::Parse("500m")).ToString(), "2");
  EXPECT_EQ((*Quantity::Parse("1Gi") - *Quantity::Parse("1Mi")).ToString(), "1023Mi");
  EXPECT_EQ((*Quantity::Parse("9E") + *Quantity::Parse("9E")).Value(), INT64_MAX);
  EXPECT_EQ(Quantity::FromMilli(INT64_MIN).MilliValue(), INT64_MIN);
  EXPECT_EQ(Quantity::FromBytes(1 << 20).ToString(), "1Mi");
}

TEST(Quantity, FromJson) {
  EXPECT_EQ(Quantity::FromJson(Json(2))->Value(), 2);
  EXPECT_EQ(Quantity::FromJson(Json(0.25))->MilliValue(), 250);
  EXPECT_EQ(Quantity::FromJson(Json("3Mi"))->Value(), 3 << 20);
  EXPECT_FALSE(Quantity::FromJson(Json(true)));
  EXPECT_EQ(Quantity::At(Json{{"cpu", "2"}}, "cpu").Value(), 2);
  EXPECT_TRUE(Quantity::At(Json{{"cpu", "x"}}, "cpu").is_zero());
}

}  // namespace
}  // namespace enclave::kube
