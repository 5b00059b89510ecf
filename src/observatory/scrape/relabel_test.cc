#include "observatory/scrape/relabel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "observatory/scrape/scrape_config.h"
#include "observatory/scrape/target.h"

namespace enclave::observatory::scrape {
namespace {

using telemetry::Labels;
using testing::ElementsAre;
using testing::HasSubstr;

std::vector<RelabelRule> Rules(const std::string& yaml) {
  std::vector<RelabelRule> rules;
  const auto node = telemetry::ParseConfig(yaml, "r");
  EXPECT_TRUE(node) << yaml << node.error().ToString();
  if (!node) return rules;
  for (const auto& child : node->children) {
    auto rule = ReadRelabelRule(child, "r");
    EXPECT_TRUE(rule) << rule.error().ToString();
    if (rule) rules.push_back(*rule);
  }
  return rules;
}

// "dropped", or the labels that remain.
std::string After(const std::string& yaml, Labels labels) {
  return Relabel(Rules(yaml), labels) ? labels.ToString() : "dropped";
}

TEST(RelabelTest, EachAction) {
  const Labels labels{{"a", "foo"}, {"b", "bar"}, {"c", "baz"}};
  const std::pair<const char*, const char*> cases[] = {
      {"[{source_labels: [a], regex: f(.*), replacement: ch$1-$1, target_label: d}]",
       R"({a="foo", b="bar", c="baz", d="choo-oo"})"},
      {"[{source_labels: [a, b], regex: f(.*);(.*)r, replacement: '${2}x${1}', target_label: a}]",
       R"({a="baxoo", b="bar", c="baz"})"},
      {"[{source_labels: [a], regex: o, target_label: d}]", R"({a="foo", b="bar", c="baz"})"},
      {"[{source_labels: [a], target_label: d}]", R"({a="foo", b="bar", c="baz", d="foo"})"},
      {"[{target_label: a, replacement: ''}]", R"({b="bar", c="baz"})"},
      {"[{source_labels: [a], regex: '(?P<n>f)oo', replacement: '${n}_$$1', target_label: d}]",
       R"({a="foo", b="bar", c="baz", d="f_$1"})"},
      {"[{source_labels: [a], regex: 'f(o)o', replacement: v, target_label: 'x_$1'}]",
       R"({a="foo", b="bar", c="baz", x_o="v"})"},
      {"[{source_labels: [a], regex: foo, action: keep}]", R"({a="foo", b="bar", c="baz"})"},
      {"[{source_labels: [a], regex: fo, action: keep}]", "dropped"},
      {"[{source_labels: [a, b], separator: '-', regex: foo-bar, action: drop}]", "dropped"},
      {"[{source_labels: [a], action: keepequal, target_label: b}]", "dropped"},
      {"[{source_labels: [a], action: dropequal, target_label: b}]",
       R"({a="foo", b="bar", c="baz"})"},
      {"[{regex: '(b|c)', action: labelmap, replacement: m_$1}]",
       R"({a="foo", b="bar", c="baz", m_b="bar", m_c="baz"})"},
      {"[{regex: b.*, action: labeldrop}]", R"({a="foo", c="baz"})"},
      {"[{regex: b.*, action: labelkeep}]", R"({b="bar"})"},
      {"[{source_labels: [a], action: uppercase, target_label: d}]",
       R"({a="foo", b="bar", c="baz", d="FOO"})"},
      // As Prometheus' own tests have it.
      {"[{source_labels: [c], action: hashmod, modulus: 1000, target_label: d}]",
       R"({a="foo", b="bar", c="baz", d="976"})"},
  };
  for (const auto& [yaml, expected] : cases) EXPECT_EQ(After(yaml, labels), expected) << yaml;
}

TEST(RelabelTest, FaultsHaveTheirLine) {
  const std::pair<const char*, const char*> cases[] = {
      {"\n- action: nonsense\n", "r:2: unknown action \"nonsense\""},
      {"- source_labels: [a]\n", "r:1: the action replace needs a target_label"},
      {"- {action: hashmod, target_label: a}\n", "needs a modulus"},
      {"- action: keep\n  regex: '('\n", "r:2: the regular expression"},
      {"- {action: keep, typo: 1}\n", "r:1: \"typo\" of a relabel config is not supported"},
  };
  for (const auto& [yaml, why] : cases) {
    const auto node = telemetry::ParseConfig(yaml, "r");
    const auto rule = ReadRelabelRule(node->children.at(0), "r");
    ASSERT_FALSE(rule) << yaml;
    EXPECT_THAT(rule.error().message(), HasSubstr(why));
  }
}

TEST(ScrapeConfigTest, AWholeFile) {
  const auto config = ParseScrapeConfig(R"(
global: {scrape_interval: 30s, scrape_timeout: 5s, evaluation_interval: 1m}
rule_files: [rules/*.yml]
scrape_configs:
  - job_name: web
    scrape_interval: 10s
    metrics_path: /m
    params: {format: [a, b]}
    honor_labels: true
    sample_limit: 100
    body_size_limit: 1MB
    static_configs:
      - targets: [web:80, "web2:80"]
        labels: {env: prod}
  - job_name: pods
    scheme: https
    tls_config: {insecure_skip_verify: true, ca_file: ca.pem}
    authorization: {credentials_file: /run/token}
    kubernetes_sd_configs:
      - {role: pod, namespaces: {names: [shop]}}
      - {role: endpoints}
)",
                                        "p.yml", "/etc");
  ASSERT_TRUE(config) << config.error().ToString();
  ASSERT_EQ(config->jobs.size(), 2u);
  const ScrapeJob& web = config->jobs[0];
  EXPECT_EQ(web.interval, std::chrono::seconds(10));
  EXPECT_EQ(web.timeout, std::chrono::seconds(5));
  EXPECT_EQ(web.body_size_limit, 1u << 20);
  EXPECT_THAT(web.static_targets.at(0).targets, ElementsAre("web:80", "web2:80"));
  const ScrapeJob& pods = config->jobs[1];
  EXPECT_EQ(pods.interval, std::chrono::seconds(30));
  EXPECT_EQ(pods.ca_file, "/etc/ca.pem");
  EXPECT_EQ(pods.bearer_token_file, "/run/token");
  EXPECT_THAT(pods.kubernetes, ElementsAre(KubernetesSd{KubernetesRole::kPod, {"shop"}},
                                           KubernetesSd{KubernetesRole::kEndpoints}));
}

TEST(ScrapeConfigTest, WhatIsNotSupportedIsRefusedByName) {
  const std::pair<const char*, const char*> cases[] = {
      {"scrape_configs:\n- job_name: a\n  consul_sd_configs: []\n",
       "f:3: \"consul_sd_configs\" of a scrape config is not supported"},
      {"remote_write: []\n", "f:1: \"remote_write\" of the configuration is not supported"},
      {"scrape_configs:\n- job_name: a\n- job_name: a\n", "f:3: the job_name \"a\" stands twice"},
      {"scrape_configs:\n- scheme: http\n", "f:2: a scrape config needs a job_name"},
      {"scrape_configs:\n- job_name: a\n  scrape_interval: 5s\n  scrape_timeout: 6s\n",
       "f:4: scrape_timeout must not be longer"},
      {"scrape_configs:\n- job_name: a\n  scheme: ftp\n", "f:3: scheme must be http or https"},
      {"scrape_configs:\n- job_name: a\n  static_configs:\n  - targets: ['http://x/y']\n",
       "f:4: \"http://x/y\" is not host:port"},
      {"scrape_configs:\n- job_name: a\n  kubernetes_sd_configs: [{role: ingress}]\n",
       "f:3: role must be"},
      {"scrape_configs: {}\n", "f:1: scrape_configs must be a list"},
  };
  for (const auto& [text, why] : cases) {
    const auto config = ParseScrapeConfig(text, "f");
    ASSERT_FALSE(config) << text;
    EXPECT_THAT(config.error().message(), HasSubstr(why));
  }
}

TEST(TargetTest, LabelsAndUrl) {
  const auto config = ParseScrapeConfig(R"(
scrape_configs:
  - job_name: web
    params: {module: [http_2xx], x: [1, "a b"]}
    static_configs: [{targets: [web:80], labels: {env: prod, __param_x: "2"}}]
    relabel_configs:
      - {source_labels: [env], target_label: __tmp_env}
      - {source_labels: [__address__], target_label: __metrics_path__, replacement: /probe}
)",
                                        "f");
  ASSERT_TRUE(config) << config.error().ToString();
  const auto job = std::make_shared<const ScrapeJob>(config->jobs[0]);
  const auto target = MakeTarget(job, StaticLabels(*job).at(0));
  ASSERT_TRUE(target && *target);
  EXPECT_EQ((*target)->Url(), "http://web:80/probe?module=http_2xx&x=2&x=a%20b");
  EXPECT_EQ((*target)->labels.ToString(), R"({env="prod", instance="web:80", job="web"})");
  EXPECT_EQ(MakeTarget(job, Labels{}).error().message(),
            "a target of the job \"web\": it has no __address__");
}

TEST(ScrapeConfigTest, TheDefaultIsAConfigurationLikeOthers) {
  const auto config = ParseScrapeConfig(DefaultScrapeConfig(), "default");
  ASSERT_TRUE(config) << config.error().ToString();
  ASSERT_EQ(config->jobs.size(), 4u);
  const auto pods = std::make_shared<const ScrapeJob>(config->jobs[0]);
  const Labels pod{{"__address__", "10.0.0.7:9999"},
                   {"__meta_kubernetes_pod_annotation_prometheus_io_scrape", "true"},
                   {"__meta_kubernetes_pod_annotation_prometheus_io_port", "8080"},
                   {"__meta_kubernetes_pod_annotation_prometheus_io_path", "/stats"},
                   {"__meta_kubernetes_pod_annotation_prometheus_io_scheme", "https"},
                   {"__meta_kubernetes_pod_ip", "10.0.0.7"},
                   {"__meta_kubernetes_pod_phase", "Running"},
                   {"__meta_kubernetes_namespace", "shop"},
                   {"__meta_kubernetes_pod_name", "cart-1"},
                   {"__meta_kubernetes_pod_node_name", "n1"},
                   {"__meta_kubernetes_pod_label_app", "cart"}};
  const auto target = MakeTarget(pods, pod);
  ASSERT_TRUE(target && *target);
  EXPECT_EQ((*target)->Url(), "https://10.0.0.7:8080/stats");
  EXPECT_EQ((*target)->labels.ToString(),
            R"({app="cart", instance="10.0.0.7:8080", job="kubernetes-pods", )"
            R"(namespace="shop", node="n1", pod="cart-1"})");
  Labels silent = pod;
  silent.Set("__meta_kubernetes_pod_annotation_prometheus_io_scrape", "false");
  EXPECT_FALSE(*MakeTarget(pods, silent));
}

}  // namespace
}  // namespace enclave::observatory::scrape
