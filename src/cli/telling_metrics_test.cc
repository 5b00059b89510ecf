#include "cli/telling_metrics.h"

#include <gtest/gtest.h>

#include <set>

#include "telemetry/in_memory.h"

namespace enclave::cli {
namespace {

telemetry::Labels Named(const std::string& name) {
  telemetry::Labels labels;
  labels.Set(telemetry::kMetricName, name);
  labels.Set("job", "shop/cart");
  return labels;
}

TEST(TellingMetricsTest, AllIsWhatTells) {
  telemetry::InMemoryMetrics all;
  for (const char* name : {"rpc_server_duration_seconds_bucket", "http_server_requests_total",
                           "container_cpu_usage_seconds_total", "observatory_store_wal_segment"})
    all.Add(Named(name), {{1000, 1}, {2000, 2}});
  TellingMetrics telling(all, 1500);
  const auto any = telemetry::Matcher::Create(telemetry::MatchOp::kNotEqual, "__name__", "");
  ASSERT_TRUE(any);
  const auto set = telling.Select({*any}, {0, 5000});
  ASSERT_TRUE(set);
  std::set<std::string> names;
  std::vector<telemetry::Sample> samples;
  for (std::size_t i = 0; i < (*set)->size(); ++i) {
    names.emplace((*set)->labels(i).Get(telemetry::kMetricName));
    ASSERT_TRUE((*set)->Read(i, samples));
    EXPECT_EQ(samples.size(), 1u) << "nothing from before the bound";
  }
  EXPECT_TRUE(names.contains("http_server_requests_total"));
  EXPECT_TRUE(names.contains("container_cpu_usage_seconds_total"));
  EXPECT_FALSE(names.contains("rpc_server_duration_seconds_bucket"));
}

TEST(TellingMetricsTest, WhatIsAskedForByNameIsPassedOn) {
  telemetry::InMemoryMetrics all;
  all.Add(Named("observatory_store_wal_segment"), {{2000, 2}});
  TellingMetrics telling(all, 1500);
  const auto set = telling.Select(
      {telemetry::Matcher::Equal("__name__", "observatory_store_wal_segment")}, {0, 5000});
  ASSERT_TRUE(set);
  EXPECT_EQ((*set)->size(), 1u);
}

TEST(TellingMetricsTest, NothingIsAskedBeforeTheBound) {
  telemetry::InMemoryMetrics all;
  all.Add(Named("rpc_server_duration_seconds_count"), {{1000, 1}});
  TellingMetrics telling(all, 1500);
  const auto set = telling.Select({}, {0, 1200});
  ASSERT_TRUE(set);
  EXPECT_EQ((*set)->size(), 0u);
}

}  // namespace
}  // namespace enclave::cli
