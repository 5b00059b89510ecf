// The observatory and the real Prometheus get the same samples and the same questions. Debian's
// Prometheus is a 2.42: samples never fall on the edge of a range here, since 3.x leaves the left
// edge out and 2.x does not; what is different beyond that is named beside its query.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <random>

#include "system/command.h"
#include "system/enclave_fixture.h"
#include "system/eventually.h"
#include "system/fetched.h"
#include "system/http_probe.h"
#include "system/remote_write.h"

namespace enclave::system_test {
namespace {

using std::chrono::seconds;

constexpr const char* kHere = "127.0.0.1";
constexpr int kPrometheusPort = 29490;
constexpr int kOurPort = 29491;
constexpr std::int64_t kStepMs = 15'000;
constexpr int kSamples = 240;  // an hour

// Counters that restart, gauges, histograms, gaps and values that are no numbers.
std::vector<WrittenSeries> Data(std::int64_t begin_ms) {
  std::mt19937_64 chance(7);
  std::vector<WrittenSeries> all;
  for (int instance = 0; instance < 6; ++instance) {
    const std::string name = fmt::format("10.0.0.{}:80", instance);
    const std::string job = instance % 2 == 0 ? "api" : "web";
    for (const char* code : {"200", "404", "500"}) {
      WrittenSeries counter{
          {{"__name__", "requests_total"}, {"instance", name}, {"job", job}, {"code", code}}, {}};
      double value = 0;
      for (int i = 0; i < kSamples; ++i) {
        value += static_cast<double>(chance() % 50);
        if (chance() % 90 == 0) value = 0;
        if (chance() % 40 == 0) continue;
        counter.samples.emplace_back(begin_ms + i * kStepMs, value);
      }
      all.push_back(counter);
    }
    WrittenSeries gauge{{{"__name__", "temperature"}, {"instance", name}, {"job", job}}, {}};
    for (int i = 0; i < kSamples; ++i) {
      double value =
          20 + 10 * std::sin(i / 20.0 + instance) + static_cast<double>(chance() % 100) / 50;
      if (instance == 5 && i % 60 == 7) value = std::nan("");
      if (instance == 4 && i % 60 == 9) value = HUGE_VAL;
      gauge.samples.emplace_back(begin_ms + i * kStepMs, value);
    }
    all.push_back(gauge);
    std::vector<double> sums(5, 0);
    static const char* const kBounds[] = {"0.1", "0.5", "1", "5", "+Inf"};
    std::vector<WrittenSeries> buckets;
    for (const char* bound : kBounds)
      buckets.push_back({{{"__name__", "duration_seconds_bucket"},
                          {"instance", name},
                          {"job", job},
                          {"le", bound}},
                         {}});
    for (int i = 0; i < kSamples; ++i) {
      double below = 0;
      for (std::size_t bucket = 0; bucket < 5; ++bucket) {
        below += static_cast<double>(chance() % 8);
        sums[bucket] += below;
        buckets[bucket].samples.emplace_back(begin_ms + i * kStepMs, sums[bucket]);
      }
    }
    all.insert(all.end(), buckets.begin(), buckets.end());
  }
  all.push_back({{{"__name__", "build_info"}, {"job", "api"}, {"version", "1.2"}}, {}});
  all.push_back({{{"__name__", "build_info"}, {"job", "web"}, {"version", "2.0"}}, {}});
  for (std::size_t i = all.size() - 2; i < all.size(); ++i)
    for (int at = 0; at < kSamples; ++at) all[i].samples.emplace_back(begin_ms + at * kStepMs, 1);
  return all;
}

std::vector<std::string> Questions() {
  std::vector<std::string> questions;
  std::ifstream file(TestFile("promql/questions.txt"));
  for (std::string line; std::getline(file, line);)
    if (!line.empty() && line[0] != '#') questions.push_back(line);
  return questions;
}

// Equal but for the last digits of sums that were added in another order.
bool SameNumber(const std::string& ours, const std::string& theirs) {
  if (ours == theirs) return true;
  const double a = std::strtod(ours.c_str(), nullptr);
  const double b = std::strtod(theirs.c_str(), nullptr);
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return std::abs(a - b) <= 1e-9 * (std::abs(a) + std::abs(b)) || std::abs(a - b) < 1e-12;
}

bool SamePoint(const Json& ours, const Json& theirs) {
  return ours.size() == 2 && theirs.size() == 2 && ours[0] == theirs[0] &&
         SameNumber(ours[1].get<std::string>(), theirs[1].get<std::string>());
}

// "" when both answers say the same, else what differs first.
std::string Difference(const Json& ours, const Json& theirs) {
  if (At(ours, "resultType") != At(theirs, "resultType"))
    return fmt::format("type {} instead of {}", At(ours, "resultType").dump(),
                       At(theirs, "resultType").dump());
  const Json& a = At(ours, "result");
  const Json& b = At(theirs, "result");
  if (!b.empty() && !b[0].is_object()) return SamePoint(a, b) ? "" : a.dump() + " : " + b.dump();
  std::map<std::string, Json> wanted;
  for (const Json& series : b) wanted[At(series, "metric").dump()] = series;
  if (a.size() != b.size()) return fmt::format("{} series instead of {}", a.size(), b.size());
  for (const Json& series : a) {
    const std::string metric = At(series, "metric").dump();
    if (!wanted.contains(metric)) return metric + " should not be there";
    Json points = series.contains("values") ? series["values"] : Json::array({series["value"]});
    const Json& other = wanted[metric];
    const Json theirs_points =
        other.contains("values") ? other["values"] : Json::array({other["value"]});
    if (points.size() != theirs_points.size())
      return fmt::format("{}: {} points instead of {}", metric, points.size(),
                         theirs_points.size());
    for (std::size_t i = 0; i < points.size(); ++i)
      if (!SamePoint(points[i], theirs_points[i]))
        return fmt::format("{}: {} instead of {}", metric, points[i].dump(),
                           theirs_points[i].dump());
  }
  return "";
}

TEST(PromqlDifferenceTest, AnswersAreThoseOfPrometheus) {
  const std::string prometheus = FetchedFromDebian("prometheus", "usr/bin/prometheus");
  if (prometheus.empty()) GTEST_SKIP() << "Debian's prometheus is not to be had here";
  const std::filesystem::path folder = MakeFolder("difference");
  std::ofstream(folder / "prometheus.yml") << "{}\n";
  Background theirs({prometheus, "--config.file=" + (folder / "prometheus.yml").string(),
                     "--storage.tsdb.path=" + (folder / "theirs").string(),
                     "--web.enable-remote-write-receiver",
                     "--enable-feature=promql-negative-offset",
                     fmt::format("--web.listen-address={}:{}", kHere, kPrometheusPort)});
  Background ours({EnclaveBinary(), "observatory", "--state", (folder / "ours").string(), "--http",
                   fmt::format("{}:{}", kHere, kOurPort)});
  for (const int port : {kPrometheusPort, kOurPort})
    ASSERT_TRUE(Eventually(seconds(30), [port] {
      return HttpGet(kHere, port, "/-/ready").status == 200;
    })) << ours.Printed();

  const auto now =
      std::chrono::system_clock::now().time_since_epoch() / std::chrono::milliseconds(1);
  const std::int64_t end = now / 60'000 * 60'000;
  // Seven seconds off the grid of every evaluation below.
  const std::vector<WrittenSeries> data = Data(end - kSamples * kStepMs + 7'000);
  for (const int port : {kPrometheusPort, kOurPort})
    for (const WrittenSeries& series : data)
      ASSERT_EQ(RemoteWrite(kHere, port, {series}) / 100, 2) << port;

  int same = 0;
  const std::vector<std::string> questions = Questions();
  EXPECT_GT(questions.size(), 90u);
  for (const std::string& query : questions) {
    const std::string text = PercentEscaped(query);
    for (const std::string& path :
         {fmt::format("/api/v1/query?query={}&time={}", text, end / 1000),
          fmt::format("/api/v1/query_range?query={}&start={}&end={}&step=60", text,
                      end / 1000 - 1800, end / 1000)}) {
      if (path.contains("query_range") && query[0] == '"') continue;  // texts have no range
      const Json mine = Json::parse(HttpGet(kHere, kOurPort, path).body, nullptr, false);
      const Json real = Json::parse(HttpGet(kHere, kPrometheusPort, path).body, nullptr, false);
      ASSERT_EQ(StringAt(real, "status"), "success") << query << real.dump();
      EXPECT_EQ(StringAt(mine, "status"), "success") << query << mine.dump();
      const std::string difference = Difference(At(mine, "data"), At(real, "data"));
      EXPECT_EQ(difference, "") << query;
      if (difference.empty()) ++same;
    }
  }
  fmt::print("enclave tests: {} answers are those of Prometheus\n", same);
  RemoveFolder(folder);
}

}  // namespace
}  // namespace enclave::system_test
