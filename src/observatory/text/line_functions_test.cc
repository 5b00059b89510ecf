#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "observatory/text/template.h"

namespace enclave::observatory::text {
namespace {

using ::testing::HasSubstr;

std::string OfLine(std::string_view text) {
  const auto parsed = Template::Parse(text, Dialect::kLine);
  if (!parsed) return "refused: " + parsed.error().message();
  TemplateData data;
  data.labels = {{"job", "web"}, {"path", "/api/v1/x"}, {"took", "1.5"}, {"n", "7"}};
  data.line = "GET /api";
  auto expanded = parsed->Expand(data);
  return expanded ? *expanded : "error: " + expanded.error().message();
}

TEST(LineFunctionsTest, AsLokiHasThem) {
  const std::pair<const char*, const char*> cases[] = {
      {"{{.job}} {{ .none }}|{{ $.path }}", "web |/api/v1/x"},
      {"{{ __line__ }} {{ __line__ | lower }}", "GET /api get /api"},
      {"{{ ToUpper .job }}{{ .job | upper }}{{ ToLower \"A\" }}{{ \"a b\" | title }}",
       "WEBWEBaA B"},
      {"{{ Replace .path \"/\" \"-\" -1 }} {{ .path | replace \"/\" \".\" }}",
       "-api-v1-x .api.v1.x"},
      {"{{ trim \"  a \" }}|{{ trimAll \"$\" \"$5$\" }}|{{ trimPrefix \"/\" .path }}|{{ trimSuffix "
       "\"x\" .path }}",
       "a|5|api/v1/x|/api/v1/"},
      {"{{ TrimLeft \"xxa\" \"x\" }}{{ TrimRight \"axx\" \"x\" }}{{ TrimSpace \" a \" }}", "aaa"},
      {"{{ .path | substr 1 4 }} {{ substr 5 -1 .path }} {{ trunc 4 .path }} {{ trunc -3 .path }}",
       "api v1/x /api 1/x"},
      {"{{ alignLeft 5 .job }}|{{ alignRight 5 .job }}|{{ alignRight 2 .job }}", "web  |  web|eb"},
      {"{{ if contains \"v1\" .path }}y{{ end }}{{ if hasPrefix \"x\" .path }}n{{ end }}", "y"},
      {"{{ regexReplaceAll \"/v(\\\\d)\" .path \"/${1}!\" }}", "/api/1!/x"},
      {"{{ regexReplaceAllLiteral \"v\\\\d\" .path \"$1\" }}", "/api/$1/x"},
      {"{{ regexReplaceAll \"x*\" \"ab\" \"-\" }}", "-a-b-"},
      {"{{ count \"/\" .path }} {{ default \"-\" .none }} {{ .job | default \"-\" }}", "3 - web"},
      {"{{ add .n 1 2 }} {{ sub 10 .n }} {{ mul 2 .n }} {{ div .n 2 }} {{ mod .n 4 }}",
       "10 3 14 3 3"},
      {"{{ addf .took 1 }} {{ divf 3 2 }} {{ max 1 .n 3 }} {{ minf 1.5 0.5 }}", "2.5 1.5 7 0.5"},
      {"{{ int .took }} {{ float64 .n | printf \"%.1f\" }} {{ floor 1.7 }} {{ round 1.257 2 }}",
       "1 7.0 1 1.26"},
      {"{{ urlencode \"a b/c\" }} {{ urldecode \"a+b%2Fc\" }}", "a+b%2Fc a b/c"},
      {"{{ range $k, $v := . }}{{ $k }}={{ $v }};{{ end }}",
       "job=web;n=7;path=/api/v1/x;took=1.5;"},
      {"{{ div 1 0 }}", "error: template: div: a division by zero"},
      {"{{ repeat 3 \"ab\" }}", "ababab"},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(OfLine(text), expected) << text;
}

TEST(LineFunctionsTest, TheTextIsBoundedAndWhatIsOfAlertsIsRefused) {
  EXPECT_THAT(OfLine("{{ repeat 999999 .path }}"), HasSubstr("too long"));
  EXPECT_THAT(OfLine("{{ repeat 9999 .path | replace \"/\" (repeat 9999 \"-\") }}"),
              HasSubstr("too long"));
  EXPECT_THAT(OfLine("{{ regexReplaceAll \"\" (repeat 9999 .path) (repeat 9999 \"-\") }}"),
              HasSubstr("too long"));
  EXPECT_THAT(OfLine("{{ $labels.job }}"), HasSubstr("refused: template line 1: the variable"));
  EXPECT_THAT(OfLine("{{ query \"up\" }}"), HasSubstr("the function \"query\" is not supported"));
  const auto alert = Template::Parse("{{ __line__ }}", Dialect::kAlert);
  EXPECT_FALSE(alert);
}

}  // namespace
}  // namespace enclave::observatory::text
