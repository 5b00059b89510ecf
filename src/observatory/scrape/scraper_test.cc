#include "observatory/scrape/scraper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "base/simulated_executor.h"
#include "observatory/scrape/recording_sink.h"

namespace enclave::observatory::scrape {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// Answers by URL, after a delay.
class FakeFetcher final : public Fetcher {
 public:
  struct Page {
    net::Response response;
    base::Duration delay{};
    std::optional<base::Error> error{};
  };

  explicit FakeFetcher(base::Executor& executor) : executor_(executor) {}

  base::Result<std::unique_ptr<Endpoint>> Open(const Target& target) override {
    class FakeEndpoint final : public Endpoint {
     public:
      FakeEndpoint(FakeFetcher& owner, std::string url) : owner_(owner), url_(std::move(url)) {}
      void Get(Done done) override {
        ++owner_.under_way_;
        owner_.most_under_way_ = std::max(owner_.most_under_way_, owner_.under_way_);
        const Page page = owner_.pages[url_];
        owner_.executor_.After(page.delay, [this, page, done = std::move(done)] {
          --owner_.under_way_;
          if (page.error) {
            done(base::Fail(*page.error));
          } else {
            done(page.response);
          }
        });
      }

     private:
      FakeFetcher& owner_;
      std::string url_;
    };
    return std::make_unique<FakeEndpoint>(*this, target.Url());
  }

  void Serve(const std::string& url, const std::string& body, const std::string& type = "") {
    pages[url].response.body = body;
    pages[url].response.headers["Content-Type"] = type;
  }
  int most_under_way() const { return most_under_way_; }

  std::map<std::string, Page> pages;

 private:
  base::Executor& executor_;
  int under_way_ = 0;
  int most_under_way_ = 0;
};

class ScraperTest : public testing::Test {
 protected:
  void Apply(const std::string& jobs) {
    const auto config = ParseScrapeConfig(
        "global: {scrape_interval: 10s, scrape_timeout: 5s}\nscrape_configs:\n" + jobs, "t");
    ASSERT_TRUE(config) << config.error().ToString();
    scraper_.Apply(*config);
  }
  // Values of a series; a staleness marker is "stale".
  std::vector<std::string> Values(const std::string& series) const {
    std::vector<std::string> values;
    for (const telemetry::Sample& sample : sink_.Of(series)) {
      values.push_back(telemetry::IsStale(sample.value) ? "stale"
                                                        : fmt::format("{}", sample.value));
    }
    return values;
  }

  base::SimulatedExecutor executor_;
  FakeFetcher fetcher_{executor_};
  telemetry::InlineWorkers workers_{executor_};
  RecordingSink sink_;
  Scraper scraper_{executor_, fetcher_, workers_, sink_, {.max_concurrent = 2}};
};

constexpr const char* kWebJob = "- job_name: web\n  static_configs: [{targets: [web:80]}]\n";

TEST_F(ScraperTest, ScrapesEachIntervalAtTheTargetsOwnPlace) {
  fetcher_.Serve("http://web:80/metrics", "a{x=\"1\"} 1\n");
  Apply(kWebJob);
  executor_.RunFor(seconds(30));
  const auto samples = sink_.Of(R"(a{instance="web:80", job="web", x="1"})");
  ASSERT_THAT(samples, SizeIs(3));
  EXPECT_EQ(samples[1].time_ms - samples[0].time_ms, 10'000);
  EXPECT_EQ(samples[2].time_ms - samples[1].time_ms, 10'000);
  EXPECT_THAT(Values(R"(up{instance="web:80", job="web"})"), ElementsAre("1", "1", "1"));
  EXPECT_THAT(Values(R"(scrape_series_added{instance="web:80", job="web"})"),
              ElementsAre("1", "0", "0"));
  EXPECT_THAT(Values(R"(scrape_samples_scraped{instance="web:80", job="web"})"),
              ElementsAre("1", "1", "1"));
  const auto targets = scraper_.Targets();
  ASSERT_THAT(targets, SizeIs(1));
  EXPECT_EQ(targets[0].health, TargetStatus::Health::kUp);
  EXPECT_THAT(RenderTargets(targets, scraper_.Dropped()),
              HasSubstr(R"("scrapeUrl":"http://web:80/metrics")"));
}

TEST_F(ScraperTest, VanishedSeriesGetAStalenessMarkerOnce) {
  fetcher_.Serve("http://web:80/metrics", "a 1\nb 1\n");
  Apply(kWebJob);
  executor_.RunFor(seconds(10));
  fetcher_.Serve("http://web:80/metrics", "a 2\n");
  executor_.RunFor(seconds(20));
  EXPECT_THAT(Values(R"(a{instance="web:80", job="web"})"), ElementsAre("1", "2", "2"));
  EXPECT_THAT(Values(R"(b{instance="web:80", job="web"})"), ElementsAre("1", "stale"));
}

TEST_F(ScraperTest, SeriesWithTimesOfTheirOwnEndOnlyWhereTheJobSaysSo) {
  const std::string sample = fmt::format(
      "b 1 {}\n",
      std::chrono::duration_cast<std::chrono::milliseconds>(executor_.WallNow().time_since_epoch())
          .count());
  for (const char* tracked : {"false", "true"}) {
    fetcher_.Serve("http://web:80/metrics", "a 1\n" + sample);
    Apply(
        fmt::format("- job_name: {0}\n  track_timestamps_staleness: {0}\n"
                    "  static_configs: [{{targets: [web:80]}}]\n",
                    tracked));
    executor_.RunFor(seconds(10));
    fetcher_.Serve("http://web:80/metrics", "a 2\n");
    executor_.RunFor(seconds(10));
  }
  EXPECT_THAT(Values(R"(b{instance="web:80", job="false"})"), ElementsAre("1"));
  EXPECT_THAT(Values(R"(b{instance="web:80", job="true"})"), ElementsAre("1", "stale"));
}

TEST_F(ScraperTest, ATargetThatFailsIsDownAndItsSeriesEnd) {
  fetcher_.Serve("http://web:80/metrics", "a 1\n");
  Apply(kWebJob);
  executor_.RunFor(seconds(10));
  fetcher_.pages["http://web:80/metrics"].response.status = 500;
  executor_.RunFor(seconds(10));
  EXPECT_EQ(scraper_.Targets().at(0).last_error, "the target answered with HTTP status 500");
  fetcher_.pages["http://web:80/metrics"].response.status = 200;
  fetcher_.Serve("http://web:80/metrics", "a 2\nbroken\n");
  executor_.RunFor(seconds(10));
  EXPECT_THAT(scraper_.Targets().at(0).last_error, HasSubstr("line 2"));
  fetcher_.Serve("http://web:80/metrics", "a 3\n");
  executor_.RunFor(seconds(10));
  EXPECT_THAT(Values(R"(up{instance="web:80", job="web"})"), ElementsAre("1", "0", "0", "1"));
  EXPECT_THAT(Values(R"(a{instance="web:80", job="web"})"), ElementsAre("1", "stale", "3"));
}

TEST_F(ScraperTest, ATargetThatGoesAwayEndsAllItsSeries) {
  fetcher_.Serve("http://web:80/metrics", "a 1\n");
  Apply(kWebJob);
  executor_.RunFor(seconds(10));
  Apply("");
  executor_.RunFor(seconds(20));
  EXPECT_THAT(Values(R"(a{instance="web:80", job="web"})"), ElementsAre("1", "stale"));
  EXPECT_THAT(Values(R"(up{instance="web:80", job="web"})"), ElementsAre("1", "stale"));
  EXPECT_THAT(scraper_.Targets(), IsEmpty());
}

TEST_F(ScraperTest, AReloadWithoutChangeGoesOnAsBefore) {
  fetcher_.Serve("http://web:80/metrics", "a 1\n");
  Apply(kWebJob);
  executor_.RunFor(seconds(10));
  Apply(kWebJob);
  executor_.RunFor(seconds(10));
  EXPECT_THAT(Values(R"(a{instance="web:80", job="web"})"), ElementsAre("1", "1"));
}

TEST_F(ScraperTest, AFailedWriteLosesNoStalenessMarker) {
  fetcher_.Serve("http://web:80/metrics", "a 1\nb 1\n");
  Apply(kWebJob);
  executor_.RunFor(seconds(10));
  fetcher_.Serve("http://web:80/metrics", "a 2\n");
  sink_.FailNext(base::Error(base::ErrorKind::kUnavailable, "disk full"));
  executor_.RunFor(seconds(10));
  EXPECT_THAT(scraper_.Targets().at(0).last_error, HasSubstr("disk full"));
  executor_.RunFor(seconds(10));
  EXPECT_THAT(Values(R"(b{instance="web:80", job="web"})"), ElementsAre("1", "stale"));
}

TEST_F(ScraperTest, LabelsThatClashAreRenamedOrHonoured) {
  fetcher_.Serve("http://web:80/metrics", "a{job=\"mine\",instance=\"i\"} 1\n");
  Apply(kWebJob);
  executor_.RunFor(seconds(10));
  EXPECT_THAT(Values("a{exported_instance=\"i\", exported_job=\"mine\", instance=\"web:80\", "
                     "job=\"web\"}"),
              ElementsAre("1"));
  Apply("- job_name: web\n  honor_labels: true\n  static_configs: [{targets: [web:80]}]\n");
  executor_.RunFor(seconds(10));
  EXPECT_THAT(Values("a{instance=\"i\", job=\"mine\"}"), ElementsAre("1"));
}

TEST_F(ScraperTest, LimitsAndRelabellingOfMetrics) {
  fetcher_.Serve("http://web:80/metrics", "a 1\nb 1\ngo_c 1\n");
  Apply(std::string(kWebJob) +
        "  sample_limit: 2\n"
        "  metric_relabel_configs: [{source_labels: [__name__], regex: go_.*, action: drop}]\n");
  executor_.RunFor(seconds(10));
  EXPECT_THAT(Values(R"(up{instance="web:80", job="web"})"), ElementsAre("1"));
  EXPECT_THAT(Values(R"(scrape_samples_post_metric_relabeling{instance="web:80", job="web"})"),
              ElementsAre("2"));
  fetcher_.Serve("http://web:80/metrics", "a 1\nb 1\nc 1\n");
  executor_.RunFor(seconds(10));
  EXPECT_THAT(scraper_.Targets().at(0).last_error, HasSubstr("sample_limit"));
  EXPECT_THAT(Values(R"(a{instance="web:80", job="web"})"), ElementsAre("1", "stale"));
}

TEST_F(ScraperTest, OwnTimestampsAreKeptAndNotMarkedStale) {
  fetcher_.Serve("http://web:80/metrics", "a 1 1700000000000\n");
  Apply(kWebJob);
  executor_.RunFor(seconds(10));
  fetcher_.Serve("http://web:80/metrics", "");
  executor_.RunFor(seconds(10));
  const auto samples = sink_.Of(R"(a{instance="web:80", job="web"})");
  ASSERT_THAT(samples, SizeIs(1));
  EXPECT_EQ(samples[0].time_ms, 1'700'000'000'000);
}

TEST_F(ScraperTest, ExemplarsAndMetadataAreWrittenOnce) {
  fetcher_.Serve("http://web:80/metrics",
                 "# TYPE a counter\n# HELP a Text.\n"
                 "a_total 5 # {trace_id=\"5b8aa5a2d2c872e8321cf37308d69df2\"} 0.5\n# EOF\n",
                 "application/openmetrics-text; version=1.0.0");
  Apply(kWebJob);
  executor_.RunFor(seconds(20));
  std::size_t exemplars = 0;
  for (const auto& written : sink_.samples()) exemplars += written.exemplars.size();
  EXPECT_EQ(exemplars, 1u);
  ASSERT_TRUE(sink_.metadata().contains("a_total"));
  EXPECT_EQ(sink_.metadata().at("a_total").help, "Text.");
  EXPECT_EQ(sink_.metadata().at("a_total").type, telemetry::MetricType::kCounter);
}

TEST_F(ScraperTest, RequestsUnderWayAreBounded) {
  std::string targets;
  for (int i = 0; i < 8; ++i) {
    targets += fmt::format("{}web{}:80", i == 0 ? "" : ", ", i);
    fetcher_.pages[fmt::format("http://web{}:80/metrics", i)].delay = seconds(4);
  }
  Apply("- job_name: web\n  static_configs: [{targets: [" + targets + "]}]\n");
  executor_.RunFor(seconds(60));
  EXPECT_EQ(fetcher_.most_under_way(), 2);
  std::size_t missed = 0;
  for (const TargetStatus& status : scraper_.Targets()) {
    EXPECT_EQ(status.health, TargetStatus::Health::kUp) << status.target.Url();
    missed += status.missed;
  }
  EXPECT_GT(missed, 0u) << "eight times four seconds do not fit twice into ten";
}

TEST_F(ScraperTest, DiscoveredTargetsComeAndGo) {
  fetcher_.Serve("http://10.0.0.1:80/metrics", "a 1\n");
  Apply(
      "- job_name: pods\n  kubernetes_sd_configs: [{role: pod}]\n"
      "  relabel_configs: [{source_labels: [keep], regex: \"yes\", action: keep}]\n");
  scraper_.SetDiscovered(
      "pods", 0,
      {{{"__address__", "10.0.0.1:80"}, {"keep", "yes"}}, {{"__address__", "10.0.0.2:80"}}});
  executor_.RunFor(seconds(10));
  EXPECT_THAT(scraper_.Targets(), SizeIs(1));
  EXPECT_EQ(scraper_.Dropped().at("pods"), 1u);
  scraper_.SetDiscovered("pods", 0, {});
  executor_.RunFor(seconds(10));
  EXPECT_THAT(Values(R"(a{instance="10.0.0.1:80", job="pods", keep="yes"})"),
              ElementsAre("1", "stale"));
}

}  // namespace
}  // namespace enclave::observatory::scrape
