#include "observatory/ingest/metric_name.h"

#include <gtest/gtest.h>

namespace enclave::observatory::ingest {
namespace {

TEST(MetricNameTest, UnitsBecomeWordsAtTheEnd) {
  EXPECT_EQ(MetricName("http.server.request.duration", "s", NameKind::kOther),
            "http_server_request_duration_seconds");
  EXPECT_EQ(MetricName("process.memory.usage", "By", NameKind::kOther),
            "process_memory_usage_bytes");
  EXPECT_EQ(MetricName("system.disk.io", "By/s", NameKind::kOther),
            "system_disk_io_bytes_per_second");
  EXPECT_EQ(MetricName("flow", "m/h", NameKind::kOther), "flow_meters_per_hour");
  EXPECT_EQ(MetricName("queue.size", "{item}", NameKind::kOther), "queue_size");
  EXPECT_EQ(MetricName("queue.rate", "{item}/s", NameKind::kOther), "queue_rate_per_second");
  EXPECT_EQ(MetricName("oddity", "furlong", NameKind::kOther), "oddity_furlong");
  EXPECT_EQ(MetricName("oddity", "a.b*c", NameKind::kOther), "oddity_a_b_c");
}

TEST(MetricNameTest, UnitsThatTheNameHasAreNotRepeated) {
  EXPECT_EQ(MetricName("request_duration_seconds", "s", NameKind::kOther),
            "request_duration_seconds");
  EXPECT_EQ(MetricName("bytes.read", "By", NameKind::kOther), "bytes_read");
}

TEST(MetricNameTest, KindsHaveTheirSuffix) {
  EXPECT_EQ(MetricName("requests", "{request}", NameKind::kCounter), "requests_total");
  EXPECT_EQ(MetricName("requests.total", "", NameKind::kCounter), "requests_total");
  EXPECT_EQ(MetricName("total.bytes", "By", NameKind::kCounter), "bytes_total");
  EXPECT_EQ(MetricName("cpu.time", "s", NameKind::kCounter), "cpu_time_seconds_total");
  EXPECT_EQ(MetricName("cpu.utilization", "1", NameKind::kGauge), "cpu_utilization_ratio");
  EXPECT_EQ(MetricName("cpu.utilization", "1", NameKind::kOther), "cpu_utilization");
  EXPECT_EQ(MetricName("errors", "1", NameKind::kCounter), "errors_total");
}

TEST(MetricNameTest, OtherCharactersBecomeOneUnderscore) {
  EXPECT_EQ(MetricName("a..b--c  d", "", NameKind::kOther), "a_b_c_d");
  EXPECT_EQ(MetricName("ns:metric", "", NameKind::kOther), "ns:metric");
  EXPECT_EQ(MetricName("2xx", "", NameKind::kOther), "_2xx");
  EXPECT_EQ(MetricName("größe", "", NameKind::kOther), "gr_e");
  EXPECT_EQ(MetricName("...", "s", NameKind::kOther), "");
  EXPECT_EQ(MetricName("", "", NameKind::kOther), "");
}

TEST(MetricNameTest, UnitsAsMetadata) {
  EXPECT_EQ(UnitName("ms"), "milliseconds");
  EXPECT_EQ(UnitName("By/s"), "bytes_per_second");
  EXPECT_EQ(UnitName("1"), "");
  EXPECT_EQ(UnitName("{call}"), "");
  EXPECT_EQ(UnitName("{call}/min"), "per_min");
}

TEST(LabelNameTest, NamesAreClassicAndNeverReserved) {
  EXPECT_EQ(LabelName("k8s.pod.name"), "k8s_pod_name");
  EXPECT_EQ(LabelName("plain"), "plain");
  EXPECT_EQ(LabelName("2xx"), "key_2xx");
  EXPECT_EQ(LabelName("__name__"), "_name_");
  EXPECT_EQ(LabelName("a//b"), "a_b");
  EXPECT_EQ(LabelName("..."), "");
  EXPECT_EQ(LabelName(""), "");
}

}  // namespace
}  // namespace enclave::observatory::ingest
