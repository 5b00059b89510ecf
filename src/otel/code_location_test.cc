#include "otel/code_location.h"

#include <gtest/gtest.h>

namespace enclave::otel {
namespace {

std::source_location HereFrom(std::source_location where = std::source_location::current()) {
  return where;
}

TEST(CodeLocationTest, APlaceIsFileFunctionAndLine) {
  const std::source_location here = HereFrom();
  const telemetry::Attributes& attributes = CodeAttributes(here);
  ASSERT_EQ(attributes.size(), 3u);
  EXPECT_EQ(telemetry::ToText(attributes[0].value), "src/otel/code_location_test.cc");
  EXPECT_TRUE(telemetry::ToText(attributes[1].value).ends_with("TestBody")) << here.function_name();
  EXPECT_EQ(telemetry::ToText(attributes[2].value), std::to_string(here.line()));
  EXPECT_EQ(&CodeAttributes(here), &attributes) << "made once";
}

TEST(CodeLocationTest, NamesLoseTypeAndParameters) {
  EXPECT_EQ(BareFunctionName("int main(int, char **)"), "main");
  EXPECT_EQ(BareFunctionName("base::Result<std::map<int, std::string>> shop::(anonymous "
                             "namespace)::Cart::Sum(const std::vector<int> &) const"),
            "shop::(anonymous namespace)::Cart::Sum");
  EXPECT_EQ(BareFunctionName("auto shop::Run()::(anonymous class)::operator()(int) const"),
            "shop::Run");
  EXPECT_EQ(BareFunctionName("shop::Cart::Cart()"), "shop::Cart::Cart");
  EXPECT_EQ(BareFunctionName("main"), "main");
  EXPECT_EQ(BareFunctionName(""), "");
  EXPECT_EQ(BareFunctionName("x (anonymous y"), "x (anonymous y");
}

TEST(CodeLocationTest, CallSitesNestOnTheirThread) {
  EXPECT_EQ(ScopedCallSite::Current(), nullptr);
  const std::source_location outer = HereFrom();
  const std::source_location inner = HereFrom();
  {
    const ScopedCallSite first(outer);
    {
      const ScopedCallSite second(inner);
      EXPECT_EQ(ScopedCallSite::Current(), &inner);
    }
    EXPECT_EQ(ScopedCallSite::Current(), &outer);
  }
  EXPECT_EQ(ScopedCallSite::Current(), nullptr);
}

}  // namespace
}  // namespace enclave::otel
