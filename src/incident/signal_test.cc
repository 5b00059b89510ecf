#include "incident/signal.h"

#include <gtest/gtest.h>

namespace enclave::incident {
namespace {

TEST(SignalOfTest, KnowsTheConventionsOfPrometheusAndOpenTelemetry) {
  EXPECT_EQ(SignalOf("container_cpu_usage_seconds_total").signal, Signal::kCpu);
  EXPECT_EQ(SignalOf("job:requests:increase1m").signal, Signal::kTraffic);
  EXPECT_EQ(SignalOf("job:slow_requests:increase1m").signal, Signal::kOther);
  EXPECT_EQ(SignalOf("rpc_server_active_requests").signal, Signal::kOther);
  EXPECT_TRUE(SignalOf("container_cpu_usage_seconds_total").is_counter);
  EXPECT_EQ(SignalOf("k8s_pod_memory_limit_utilization_ratio").signal, Signal::kMemory);
  EXPECT_TRUE(SignalOf("k8s_pod_memory_limit_utilization_ratio").is_ratio);
  EXPECT_EQ(SignalOf("kube_pod_container_status_restarts_total").signal, Signal::kRestarts);
  EXPECT_EQ(SignalOf("http_server_request_duration_seconds").signal, Signal::kLatency);
  EXPECT_EQ(SignalOf("rpc_client_errors_total").signal, Signal::kErrors);
  EXPECT_TRUE(SignalOf("service_availability_ratio").good_is_high);
  EXPECT_EQ(SignalOf("http_requests_total").signal, Signal::kTraffic);
  EXPECT_EQ(SignalOf("kubelet_volume_stats_used_bytes").signal, Signal::kDisk);
  EXPECT_EQ(SignalOf("x509_cert_expiry_seconds").signal, Signal::kCertificate);
  EXPECT_TRUE(SignalOf("node_cpu_seconds_total").of_node);
  EXPECT_EQ(SignalOf("CpuUsageRate").signal, Signal::kCpu);
  EXPECT_EQ(SignalOf("go_goroutines").signal, Signal::kOther);
}

TEST(SignalOfTest, LeavesOutThePartsOfHistograms) {
  EXPECT_EQ(SignalOf("http_server_request_duration_seconds_bucket").signal, Signal::kOther);
  EXPECT_EQ(SignalOf("http_server_request_duration_seconds_count").signal, Signal::kOther);
}

TEST(ServiceOfTest, PrefersWhatNamesAService) {
  EXPECT_EQ(ServiceOf({{"service_name", "cart"}, {"job", "x"}}), "cart");
  EXPECT_EQ(ServiceOf({{"job", "shop/cart"}}), "cart");
  EXPECT_EQ(ServiceOf({{"pod", "cart-7b6dc75c45-2z9p2"}, {"container", "server"}}), "cart");
  EXPECT_EQ(ServiceOf({{"le", "1"}}), "");
}

TEST(WithoutPodHashTest, KnowsWhoMadeThePod) {
  EXPECT_EQ(WithoutPodHash("ad-service-5f6585d649-fnmft"), "ad-service");
  EXPECT_EQ(WithoutPodHash("redis-cart-0"), "redis-cart");
  EXPECT_EQ(WithoutPodHash("agent-x7k2p"), "agent");
  EXPECT_EQ(WithoutPodHash("frontend"), "frontend");
}

}  // namespace
}  // namespace enclave::incident
