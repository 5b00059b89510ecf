// Each buggy release of the boutique leads from the requests that go wrong to its line of code. The
// line is looked up in the source, by the expression that is wrong there.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "system/eventually.h"
#include "system/laboratory.h"

namespace enclave::system_test {
namespace {

using std::chrono::seconds;

class LaboratoryReleaseTest : public LaboratoryTest {
 protected:
  // Whether a failed trace of the service leads to `place`, with an exception that says so.
  static bool FailsAt(const std::string& service, const std::string& place) {
    std::string seen;
    const bool found = Eventually(seconds(20), [&] {
      for (const Json& trace : FindTraces(
               fmt::format("{{ resource.service.name = \"{}\" && status = error }}", service)))
        for (const SeenSpan& span : SpansOf(trace)) {
          if (span.service != service || !span.failed) continue;
          seen += fmt::format("{} {} {}\n", span.name, span.Place(), span.events.size());
          if (span.Place() == place && span.events.contains("exception")) return true;
        }
      return false;
    });
    EXPECT_TRUE(found) << "wanted " << place << ", seen:\n"
                       << seen.substr(0, std::min<std::size_t>(seen.size(), 2000));
    return found;
  }

  // What users saw: some met the bug, most did not.
  static void ExpectSomeErrors(const Json& seen) {
    EXPECT_GT(IntAt(seen, "all.errors"), 0) << "some users meet the bug\n" << seen.dump();
    EXPECT_LT(IntAt(seen, "all.errors"), IntAt(seen, "all.actions") / 2) << seen.dump();
  }
};

TEST_F(LaboratoryReleaseTest, CurrencyThrowsForCurrenciesWithoutCoins) {
  Release("currencyservice", "v2");
  ExpectSomeErrors(Load(300, 5));
  FailsAt("currencyservice", PlaceOf("src/lab/boutique/currency_converter_v2.cc",
                                     "CoinNanos().at(amount.currency_code())"));
  RollBack("currencyservice");
}

TEST_F(LaboratoryReleaseTest, PaymentRefusesGoodCards) {
  Release("paymentservice", "v2");
  ExpectSomeErrors(Load(400, 6, 40));
  FailsAt("paymentservice",
          PlaceOf("src/lab/boutique/card_v2.cc", "return RefuseCard(\"UnacceptedCreditCard\""));
  RollBack("paymentservice");
}

TEST_F(LaboratoryReleaseTest, CheckoutChargesTooLittle) {
  Release("checkoutservice", "v2");
  const Json seen = Load(400, 7, 40);
  ExpectSomeErrors(seen);
  EXPECT_NE(seen.dump().find("the total says"), std::string::npos) << seen.dump();
  FailsAt("checkoutservice",
          PlaceOf("src/lab/boutique/order_total_v2.cc", "return OrderSum(MakeMoney("));
  RollBack("checkoutservice");
}

TEST_F(LaboratoryReleaseTest, RecommendationAsksTheCatalogueOverAndOver) {
  Release("recommendationservice", "v2");
  EXPECT_EQ(IntAt(Load(100, 8), "all.errors", -1), 0) << "it is only slow";
  const std::string file = "src/lab/boutique/recommender_v2.cc";
  const std::set<std::string> wanted = {PlaceOf(file, "CategoriesOf(id)"),
                                        PlaceOf(file, "CategoriesOf(other)")};
  std::map<std::string, int> calls;
  EXPECT_TRUE(Eventually(seconds(20), [&] {
    for (const Json& trace :
         FindTraces("{ name = \"choose recommendations\" && duration > 10ms }")) {
      calls.clear();
      for (const SeenSpan& span : SpansOf(trace))
        if (span.service == "recommendationservice" &&
            span.name == "hipstershop.ProductCatalogService/GetProduct")
          ++calls[span.Place()];
      // The lines that most calls come from.
      if (calls.size() == 2 && std::ranges::all_of(calls, [&](const auto& line) {
            return wanted.contains(line.first) && line.second > 20;
          }))
        return true;
    }
    return false;
  })) << testing::PrintToString(calls);
  RollBack("recommendationservice");
}

}  // namespace
}  // namespace enclave::system_test
