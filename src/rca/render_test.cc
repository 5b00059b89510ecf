#include "rca/render.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "rca/layout.h"

namespace enclave::rca {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

incident::Context DrawnShop() {
  incident::Context context{.alert = {.name = "latency", .service = "web"}};
  context.topology = {{"cart", "db"}, {"web", "cart"}, {"web", "<ads>"}};
  context.during = {.from_ns = 1'700'000'090'000'000'000, .to_ns = 1'700'000'240'000'000'000};
  context.series.push_back(
      {.id = "m1",
       .service = "db",
       .metric = "cpu & more",
       .before = {.median = 0.2},
       .points = {{1'700'000'000'000'000'000, 0.2}, {1'700'000'100'000'000'000, 0.9}}});
  return context;
}

Diagnosis Blamed() {
  Diagnosis diagnosis{.summary = "db: cpu"};
  diagnosis.ranking.push_back({.service = "db",
                               .kind = CauseKind::kCpu,
                               .confidence = 0.8,
                               .evidence = {{.id = "m1", .weight = 3, .sentence = "1 < 2"}},
                               .path = {"db", "cart", "web"},
                               .sentence = "db: cpu"});
  diagnosis.ranking.push_back({.service = "cart", .confidence = 0.1, .lost_because = "it follows"});
  return diagnosis;
}

std::size_t Count(std::string_view text, std::string_view part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1))
    ++count;
  return count;
}

TEST(RenderTest, ThePictureShowsServicesCallsPathAndPlots) {
  const std::string svg = ToSvg(DrawnShop(), Blamed());
  EXPECT_EQ(Count(svg, "<rect class=\"box"), 4u);
  EXPECT_EQ(Count(svg, "class=\"call\""), 3u);
  EXPECT_EQ(Count(svg, "class=\"path\""), 2u);
  EXPECT_EQ(Count(svg, "box cause"), 1u);
  EXPECT_EQ(Count(svg, "box symptom"), 1u);
  EXPECT_EQ(Count(svg, "<polyline"), 1u);
  EXPECT_THAT(svg, HasSubstr("80 % cpu"));
}

TEST(RenderTest, TextFromOutsideIsEscapedAndNothingIsLoaded) {
  const std::string html = ToHtml(DrawnShop(), Blamed());
  EXPECT_THAT(html, HasSubstr("&lt;ads&gt;"));
  EXPECT_THAT(html, HasSubstr("cpu &amp; more"));
  EXPECT_THAT(html, HasSubstr("1 &lt; 2"));
  EXPECT_THAT(html, HasSubstr("it follows"));
  for (const char* active : {"<script", "<ads>", "src=", "href=", "@import", "url("})
    EXPECT_THAT(html, Not(HasSubstr(active)));
  EXPECT_EQ(EscapeXml("a<b>&\"'\x01\n"), "a&lt;b&gt;&amp;&quot;&#39;  ");
}

TEST(RenderTest, NothingAndThousandsCanBeDrawn) {
  EXPECT_THAT(ToSvg({}, {}), HasSubstr("</svg>"));
  incident::Context large;
  for (int i = 0; i < 3000; ++i) {
    large.services.push_back({.name = "s" + std::to_string(i)});
    large.topology.push_back({"s" + std::to_string(i / 3), "s" + std::to_string(i)});
  }
  EXPECT_EQ(Count(ToSvg(large, {}), "<rect class=\"box"), kMostDrawnServices);
}

TEST(RenderTest, Times) {
  EXPECT_EQ(FormatTime(1'674'982'266'123'456'789), "2023-01-29 08:51:06Z");
  EXPECT_EQ(FormatTime(0), "1970-01-01 00:00:00Z");
}

TEST(LayoutTest, CallersStandLeftOfCalleesAndNoTwoInOnePlace) {
  const auto places = LayOut(5, {{0, 1}, {0, 2}, {1, 3}, {2, 3}, {3, 4}, {4, 1}});
  EXPECT_EQ(places[0].column, 0u);
  EXPECT_LT(places[1].column, places[3].column);
  EXPECT_LT(places[3].column, places[4].column);  // the call back closes a circle
  for (std::size_t i = 0; i < places.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      EXPECT_FALSE(places[i].column == places[j].column && places[i].row == places[j].row);
  EXPECT_TRUE(LayOut(0, {}).empty());
}

}  // namespace
}  // namespace enclave::rca
