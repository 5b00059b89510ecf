#include "lab/boutique/frontend_form.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace enclave::lab::boutique {
namespace {

using base::ErrorKind;
using testing::HasSubstr;

constexpr std::string_view kGoodCheckout =
    "email=a%40b.c&street_address=1+Mill+Road&zip_code=01234&city=Z%C3%BCrich&state=CA&country=US&"
    "credit_card_number=4432-8015-6152-0454&credit_card_expiration_month=1&"
    "credit_card_expiration_year=2039&credit_card_cvv=672";

Form ParsedForm(std::string_view body) {
  auto form = Form::Parse(body);
  EXPECT_TRUE(form);
  return form ? std::move(*form) : Form();
}

TEST(FormTest, DecodesFields) {
  const Form form = ParsedForm("a=1&b=x+y%26z&&c&a=2&=3");
  EXPECT_EQ(form.Get("a"), "1");
  EXPECT_EQ(form.Get("b"), "x y&z");
  EXPECT_EQ(form.Get("c"), "");
  EXPECT_EQ(form.Get("none"), "");
  EXPECT_EQ(form.size(), 5u);
}

TEST(FormTest, IsBounded) {
  EXPECT_EQ(Form::Parse(std::string(kMaxFormBytes + 1, 'a')).error().kind(), ErrorKind::kTooLarge);
  EXPECT_EQ(Form::Parse("a=" + std::string(kMaxFieldBytes + 1, 'a')).error().kind(),
            ErrorKind::kTooLarge);
  std::string many;
  for (std::size_t i = 0; i <= kMaxFormFields; ++i) many += "a=1&";
  EXPECT_EQ(Form::Parse(many).error().kind(), ErrorKind::kTooLarge);
  EXPECT_EQ(Form::Parse("a=%FF").error().kind(), ErrorKind::kInvalidArgument);
  EXPECT_EQ(Form::Parse("a=%0A").error().kind(), ErrorKind::kInvalidArgument);
}

TEST(CartAdditionTest, ChecksProductAndQuantity) {
  const auto good = ReadCartAddition(ParsedForm("product_id=6E92ZMYYFZ&quantity=10"));
  ASSERT_TRUE(good);
  EXPECT_EQ(good->product_id, "6E92ZMYYFZ");
  EXPECT_EQ(good->quantity, 10);
  for (const char* body :
       {"", "product_id=A", "product_id=A&quantity=0", "product_id=A&quantity=11",
        "product_id=A&quantity=-1", "product_id=A&quantity=1.5", "product_id=A&quantity=1x",
        "product_id=A&quantity=99999999999", "quantity=1", "product_id=a/b&quantity=1"}) {
    const auto bad = ReadCartAddition(ParsedForm(body));
    ASSERT_FALSE(bad) << body;
    EXPECT_EQ(bad.error().kind(), ErrorKind::kUnprocessable) << body;
  }
}

TEST(CheckoutFormTest, ReadsAnOrder) {
  const auto checkout = ReadCheckout(ParsedForm(kGoodCheckout));
  ASSERT_TRUE(checkout) << checkout.error().ToString();
  EXPECT_EQ(checkout->email, "a@b.c");
  EXPECT_EQ(checkout->city, "Z\xC3\xBCrich");
  EXPECT_EQ(checkout->zip_code, 1234);
  EXPECT_EQ(checkout->card_number, "4432-8015-6152-0454");
  EXPECT_EQ(checkout->card_year, 2039);
  EXPECT_EQ(checkout->card_cvv, 672);
}

TEST(CheckoutFormTest, SaysWhatIsMissingOrWrong) {
  const std::string good(kGoodCheckout);
  const auto with = [&](const std::string& field, const std::string& value) {
    const std::size_t at = good.find(field + "=") + field.size() + 1;
    const std::size_t end = std::min(good.find('&', at), good.size());
    return good.substr(0, at) + value + good.substr(end);
  };
  const std::vector<std::tuple<std::string, std::string, std::string>> cases = {
      {"email", "", "e-mail address is missing"},
      {"email", "nobody", "is not one"},
      {"email", "%40b", "is not one"},
      {"street_address", "++", "street is missing"},
      {"city", std::string(101, 'a'), "longer"},
      {"zip_code", "1e4", "number from 0"},
      {"credit_card_number", "4432x", "other than digits"},
      {"credit_card_expiration_month", "13", "1 to 12"},
      {"credit_card_expiration_year", "39", "2000 to 2200"},
      {"credit_card_cvv", "12345", "0 to 9999"}};
  for (const auto& [field, value, why] : cases) {
    const auto bad = ReadCheckout(ParsedForm(with(field, value)));
    ASSERT_FALSE(bad) << field;
    EXPECT_EQ(bad.error().kind(), ErrorKind::kUnprocessable);
    EXPECT_THAT(bad.error().message(), HasSubstr(why));
  }
}

TEST(CookieTest, FindsTheOneThatIsMeant) {
  net::Request request;
  request.headers["Cookie"] = "xshop_currency=EUR; shop_currency=JPY;shop_session-id=abc";
  EXPECT_EQ(Cookie(request, kCurrencyCookie), "JPY");
  EXPECT_EQ(Cookie(request, kSessionCookie), "abc");
  EXPECT_EQ(Cookie(request, "currency"), std::nullopt);
  EXPECT_EQ(Cookie(net::Request(), "a"), std::nullopt);
}

TEST(SessionTest, OnlyIdsOfOursCount) {
  EXPECT_TRUE(IsSessionId("6e1d9c0a-0b7c-4a6e-9d52-0f1c2b3a4d5e"));
  EXPECT_FALSE(IsSessionId(""));
  EXPECT_FALSE(IsSessionId("6e1d9c0a-0b7c-4a6e-9d52-0f1c2b3a4d5"));
  EXPECT_FALSE(IsSessionId("6e1d9c0a-0b7c-4a6e-9d52-0f1c2b3a4d5'"));
  EXPECT_FALSE(IsSessionId("6e1d9c0ax0b7cx4a6ex9d52x0f1c2b3a4d5e"));
}

TEST(PathTest, ProductsHavePlainIds) {
  EXPECT_EQ(ProductOfPath("/product/6E92ZMYYFZ"), "6E92ZMYYFZ");
  EXPECT_EQ(ProductOfPath("/product/"), std::nullopt);
  EXPECT_EQ(ProductOfPath("/product/a/b"), std::nullopt);
  EXPECT_EQ(ProductOfPath("/product/" + std::string(65, 'A')), std::nullopt);
  EXPECT_EQ(ProductOfPath("/products/A"), std::nullopt);
}

}  // namespace
}  // namespace enclave::lab::boutique
