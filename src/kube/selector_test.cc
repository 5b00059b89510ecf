#include "kube/selector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace enclave::kube {
namespace {

using ::testing::HasSubstr;

const Json kLabels = Json::parse(R"({"app":"web","env":"prod","n":"5","empty":""})");

bool Selects(std::string_view text, const Json& labels = kLabels) {
  const auto selector = LabelSelector::Parse(text);
  EXPECT_TRUE(selector) << text << ": " << selector.error().ToString();
  return selector && selector->Matches(labels);
}

TEST(LabelSelector, Selects) {
  for (const char* text : {"",
                           "  ",
                           "app",
                           "app=web",
                           "app == web",
                           "app!=db",
                           "missing!=x",
                           "app in (web,db)",
                           "app notin (db)",
                           "missing notin (a)",
                           "!missing",
                           "! missing",
                           "empty=",
                           "empty in ()",
                           "empty in (,a)",
                           "app=web,env=prod,!x",
                           "n>4",
                           "n<6",
                           " app\tin\n( web , db ) , env",
                           "in!=a",
                           "notin notin (in)"}) {
    EXPECT_TRUE(Selects(text)) << text;
  }
  for (const char* text :
       {"app=db", "app!=web", "app in (a,b)", "app notin (web)", "!app", "missing",
        "missing=", "app=web,env=dev", "n>5", "n<5", "app>1", "missing in (a)"}) {
    EXPECT_FALSE(Selects(text)) << text;
  }
  EXPECT_TRUE(Selects("!a", Json()));
  EXPECT_FALSE(Selects("a", Json::parse("[]")));
  EXPECT_FALSE(Selects("a=1", Json::parse(R"({"a":1})")));
}

TEST(LabelSelector, NamesThePlaceOfAFault) {
  for (const auto& [text, position] : std::initializer_list<std::pair<const char*, int>>{
           {",", 0},       {"a,", 2},         {"a=b,,c", 4}, {"a=b c", 4},     {"a in b", 5},
           {"a in (b", 7}, {"a in (b c)", 8}, {"a in", 4},   {"!", 1},         {"!a=b", 2},
           {"=a", 0},      {"a=(b)", 2},      {"a===b", 3},  {"a>x", 2},       {"a>", 2},
           {"-a=b", 0},    {"a/b/c", 0},      {"a=b$", 2},   {"a in (b$)", 6}, {"a b", 2},
           {"a)", 1}}) {
    const auto selector = LabelSelector::Parse(text);
    ASSERT_FALSE(selector) << text;
    EXPECT_EQ(selector.error().kind(), base::ErrorKind::kInvalidArgument);
    EXPECT_THAT(selector.error().message(), HasSubstr("at position " + std::to_string(position)))
        << text;
  }
}

TEST(LabelSelector, CanonicalTextParsesBack) {
  const auto selector = LabelSelector::Parse("z, b notin(2,1,1),a == x,!c,d>1, e in (,q)");
  ASSERT_TRUE(selector);
  EXPECT_EQ(selector->ToString(), "a=x,b notin (1,2),!c,d>1,e in (,q),z");
  EXPECT_EQ(LabelSelector::Parse(selector->ToString())->ToString(), selector->ToString());
  EXPECT_TRUE(LabelSelector::Parse("")->empty());
}

TEST(LabelSelector, FromJson) {
  const auto nothing = LabelSelector::FromJson(Json());
  ASSERT_TRUE(nothing);
  EXPECT_FALSE(nothing->Matches(kLabels));
  EXPECT_FALSE(nothing->empty());
  EXPECT_FALSE(LabelSelector::Parse(nothing->ToString())->Matches(kLabels));
  EXPECT_TRUE(LabelSelector::FromJson(Json::object())->Matches(kLabels));

  const auto selector = LabelSelector::FromJson(Json::parse(R"({"matchLabels":{"app":"web"},
      "matchExpressions":[{"key":"env","operator":"In","values":["prod","dev"]},
                          {"key":"x","operator":"DoesNotExist"}]})"));
  ASSERT_TRUE(selector);
  EXPECT_EQ(selector->ToString(), "app=web,env in (dev,prod),!x");
  EXPECT_TRUE(selector->Matches(kLabels));

  for (const char* bad :
       {"3", R"({"matchLabels":{"a":1}})", R"({"matchLabels":{"-":"a"}})",
        R"({"matchExpressions":{}})", R"({"matchExpressions":[{"key":"a","operator":"Is"}]})",
        R"({"matchExpressions":[{"key":"a","operator":"In"}]})",
        R"({"matchExpressions":[{"key":"a","operator":"In","values":[1]}]})",
        R"({"matchExpressions":[{"key":"a","operator":"Exists","values":["x"]}]})",
        R"({"matchExpressions":[7]})"}) {
    EXPECT_FALSE(LabelSelector::FromJson(Json::parse(bad))) << bad;
  }
}

TEST(LabelSelector, FromMap) {
  EXPECT_TRUE(LabelSelector::FromMap(Json::parse(R"({"app":"web"})")).Matches(kLabels));
  EXPECT_FALSE(LabelSelector::FromMap(Json::parse(R"({"app":"db"})")).Matches(kLabels));
  EXPECT_TRUE(LabelSelector::FromMap(Json()).Matches(kLabels));
}

TEST(FieldSelector, SelectsByPath) {
  const Json pod = Json::parse(
      R"({"metadata":{"name":"a,b"},"spec":{"nodeName":"n","ok":true,"x":3},"status":{}})");
  for (const char* text : {"", "spec.nodeName=n", "spec.nodeName==n,status.phase!=Failed",
                           "status.phase=", "metadata.name=a\\,b", ",spec.ok=true,", "spec.x=3"}) {
    const auto selector = FieldSelector::Parse(text);
    ASSERT_TRUE(selector) << text;
    EXPECT_TRUE(selector->Matches(pod)) << text;
    EXPECT_EQ(FieldSelector::Parse(selector->ToString())->ToString(), selector->ToString());
  }
  EXPECT_FALSE(FieldSelector::Parse("spec.nodeName!=n")->Matches(pod));
  EXPECT_FALSE(FieldSelector::Parse("metadata.name=a")->Matches(pod));
  EXPECT_EQ(FieldSelector::Equal("a", "x,y=\\").ToString(), "a=x\\,y\\=\\\\");
  for (const char* bad : {"a", "=b", "a=b=c", "a=\\x", "a=\\", "!=b", "a!b"}) {
    EXPECT_FALSE(FieldSelector::Parse(bad)) << bad;
  }
}

}  // namespace
}  // namespace enclave::kube
