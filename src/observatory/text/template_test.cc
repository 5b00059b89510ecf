#include "observatory/text/template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "observatory/text/humanize.h"

namespace enclave::observatory::text {
namespace {

using testing::HasSubstr;

// The text, or "error: ...".
std::string Expand(std::string_view text, double value = 0.5) {
  const auto parsed = Template::Parse(text, Dialect::kAlert);
  if (!parsed) return "refused: " + parsed.error().message();
  TemplateData data;
  data.labels = {{"job", "web"}, {"instance", "web-1:8080"}};
  data.value = value;
  data.external_labels = {{"cluster", "lab"}};
  data.external_url = "http://obs";
  data.query = [](const std::string& expression) -> base::Result<std::vector<Sample>> {
    if (expression == "none") return std::vector<Sample>();
    if (expression == "bad") {
      return base::Fail(base::ErrorKind::kInvalidArgument, "does not parse");
    }
    return std::vector<Sample>{{{{"a", "x"}, {"b", "2"}}, 11}, {{{"a", "y"}, {"b", "1"}}, 21}};
  };
  auto expanded = parsed->Expand(data);
  return expanded ? *expanded : "error: " + expanded.error().message();
}

TEST(TemplateTest, WhatAlertsUse) {
  const std::pair<const char*, const char*> cases[] = {
      {"plain", "plain"},
      {"{{ $labels.job }} {{ .Labels.instance }} {{ $value }} {{ .Value }}",
       "web web-1:8080 0.5 0.5"},
      {"{{$labels.nothing}}|", "|"},
      {"{{ $externalLabels.cluster }} {{ .ExternalURL }} {{ externalURL }} {{ $externalURL }}",
       "lab http://obs http://obs http://obs"},
      {"{{ $value | humanizePercentage }}", "50%"},
      {"{{ humanize 1234567.0 }} {{ 1048576 | humanize1024 }}b", "1.235M 1Mib"},
      {"{{ 3661 | humanizeDuration }} {{ 0 | humanizeTimestamp }}",
       "1h 1m 1s 1970-01-01 00:00:00 +0000 UTC"},
      {"{{ printf \"%.2f and %5.1f|%s|%d|%q|%%|%v\" $value 1.25 \"x\" 7 \"q\" true }}",
       "0.50 and   1.2|x|7|\"q\"|%|true"},
      {"{{ $value | printf \"%.1f\" }}", "0.5"},
      {"{{ printf \"%d\" $value }} {{ printf \"%s\" }}", "%!d(0.5) %!s(MISSING)"},
      {"{{ \"hello world\" | title }} {{ toUpper \"x\" }} {{ toLower \"X\" }}", "Hello World X x"},
      {"{{ if gt $value 0.4 }}high{{ else }}low{{ end }}", "high"},
      {"{{ if eq $labels.job \"api\" }}a{{ else if eq $labels.job \"web\" }}w{{ else }}-{{ end }}",
       "w"},
      {"{{ if and (gt $value 0.1) (ne $labels.job \"\") }}y{{ end }}", "y"},
      {"{{ with $labels.job }}job {{ . }}{{ end }}{{ with $labels.none }}x{{ else }} none{{ end }}",
       "job web none"},
      {"{{ with query \"q\" }}{{ . | first | value | humanize }}{{ end }}", "11"},
      {"{{ with query \"none\" }}x{{ else }}nothing{{ end }}", "nothing"},
      {"{{ range query \"q\" }}{{ .Labels.a }}={{ .Value }} {{ end }}", "x=11 y=21 "},
      {"{{ range sortByLabel \"b\" (query \"q\") }}{{ label \"a\" . }}{{ end }}", "yx"},
      {"{{ range $i, $s := query \"q\" }}{{ $i }}:{{ $s.Labels.b }}{{ $labels.job }};{{ end }}",
       "0:2web;1:1web;"},
      {"{{ range $k, $v := $externalLabels }}{{ $k }}={{ $v }}{{ end }}", "cluster=lab"},
      {"{{ $x := 5 }}{{ if true }}{{ $x = 6 }}{{ end }}{{ $x }}", "6"},
      {"a {{- /* gone */ -}} b {{- \" c\" }}", "ab c"},
      {"{{ (query \"q\" | first).Value }} {{ (index (query \"q\") 1).Labels.a }}", "11 y"},
      {"{{ reReplaceAll \"(.*):\\\\d+\" \"$1\" $labels.instance }} {{ stripPort $labels.instance "
       "}}",
       "web-1 web-1"},
      {"{{ if match \"^w\" $labels.job }}m{{ end }} {{ len (query \"q\") }}", "m 2"},
      {"{{ $labels }}", "map[instance:web-1:8080 job:web]"},
      {"{{ query \"none\" | first }}",
       "error: template: first: first() called on a vector with no"
       " elements"},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(Expand(text), expected) << text;
  EXPECT_THAT(Expand("{{ query \"bad\" }}"), HasSubstr("does not parse"));
}

TEST(TemplateTest, WhatIsNotKnownIsRefusedWhenRead) {
  const std::pair<const char*, const char*> cases[] = {
      {"{{ safeHtml \"x\" }}", "the function \"safeHtml\" is not supported"},
      {"\n{{ $nothing }}", "template line 2: the variable $nothing is not declared"},
      {"{{ if true }}", "if has no end"},
      {"{{ end }}", "end without its beginning"},
      {"{{ else }}", "else without its beginning"},
      {"{{ $value", "{{ has no }}"},
      {"{{ }}", "an empty action"},
      {"{{ template \"x\" }}", "template is not supported"},
      {"{{ \"x }}", "a string does not end"},
      {"{{ humanize }}", "humanize has 0 arguments"},
      {"{{ printf \"%s\" humanize }}", "needs parentheses"},
      {"{{ 1 | 2 }}", "cannot be piped"},
      {"{{ $value 1 }}", "a value has no arguments"},
      {"{{ (1 }}", "( has no )"},
      {"{{ 1x }}", "\"1x\" is no number"},
      {"{{ if $x := 1 }}{{ end }}{{ $x }}", "$x is not declared"},
  };
  for (const auto& [text, why] : cases) {
    EXPECT_THAT(Expand(text), testing::StartsWith("refused: ")) << text;
    EXPECT_THAT(Expand(text), HasSubstr(why)) << text;
  }
}

TEST(HumanizeTest, AsPrometheusHasIt) {
  EXPECT_EQ(Humanize(0), "0");
  EXPECT_EQ(Humanize(1), "1");
  EXPECT_EQ(Humanize(12345.67), "12.35k");
  EXPECT_EQ(Humanize(0.00123), "1.23m");
  EXPECT_EQ(Humanize(-2'000'000), "-2M");
  EXPECT_EQ(Humanize1024(0.5), "0.5");
  EXPECT_EQ(Humanize1024(1024), "1ki");
  EXPECT_EQ(HumanizeDuration(0), "0s");
  EXPECT_EQ(HumanizeDuration(60), "1m 0s");
  EXPECT_EQ(HumanizeDuration(86400), "1d 0h 0m 0s");
  EXPECT_EQ(HumanizeDuration(899.99), "14m 59s");
  EXPECT_EQ(HumanizeDuration(-1.5), "-1.5s");
  EXPECT_EQ(HumanizeDuration(0.0001), "100us");
  EXPECT_EQ(HumanizeTimestamp(1435065584.128), "2015-06-23 13:19:44.128 +0000 UTC");
  EXPECT_EQ(FormatGoFloat(1e21), "1e+21");
  EXPECT_EQ(FormatGoFloat(1e20), "100000000000000000000");
  EXPECT_EQ(FormatGoFloat(0.00001), "1e-05");
  EXPECT_EQ(FormatGoFloat(1234567), "1234567");
  EXPECT_EQ(FormatGoFloat(0.1), "0.1");
}

}  // namespace
}  // namespace enclave::observatory::text
