#include "status_api.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <limits>
#include <map>

#include "front.h"
#include "parameters.h"
#include "reply.h"
#include "request_metrics.h"

namespace enclave::observatory::api {
namespace {

// Clients switch features on by the version: the language is that of Prometheus 3, the calls of
// Loki and Tempo those of the versions named here.
constexpr const char* kPrometheusVersion = "3.5.0";
constexpr const char* kLokiVersion = "3.5.0";
constexpr const char* kTempoVersion = "2.8.0";

std::int64_t Milliseconds(base::WallTime time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

// The second column of /proc/self/statm, in bytes.
double ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  double pages = 0;
  double resident = 0;
  if (!(statm >> pages >> resident)) return 0;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

double CpuSeconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

std::string EscapeHtml(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '&')
      out += "&amp;";
    else if (c == '"')
      out += "&quot;";
    else
      out += c;
  }
  return out;
}

net::Response BuildInfoOf(const char* version, const std::string& revision) {
  std::string body;
  JsonWriter json(&body);
  json.BeginObject().Key("version").String(version).Key("revision").String(revision);
  for (const char* name : {"branch", "buildUser", "buildDate", "goVersion"})
    json.Key(name).String("");
  json.EndObject();
  return JsonReply(200, std::move(body));
}

using Counts = std::map<std::string, std::uint64_t>;

void WriteTop(JsonWriter* json, std::string_view key, const Counts& counts, std::size_t limit) {
  std::vector<std::pair<std::string, std::uint64_t>> sorted(counts.begin(), counts.end());
  std::ranges::sort(sorted, [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  if (sorted.size() > limit) sorted.resize(limit);
  json->Key(key).BeginArray();
  for (const auto& [name, value] : sorted)
    json->BeginObject()
        .Key("name")
        .String(name)
        .Key("value")
        .Integer(static_cast<std::int64_t>(value))
        .EndObject();
  json->EndArray();
}

}  // namespace

void StatusApi::AddRoutes(RouteTable* routes) {
  routes->Get("/", [this](const Call&) { return Home(); }, Lane::kSelf);
  routes->Get("/metrics", [this](const Call&) { return Metrics(); }, Lane::kSelf);
  routes->Get("/-/ready", [this](const Call&) { return Ready(); }, Lane::kSelf);
  routes->Get("/ready", [this](const Call&) { return Ready(); }, Lane::kSelf);
  routes->Get(
      "/-/healthy", [](const Call&) { return PlainText(200, "The observatory is healthy.\n"); },
      Lane::kSelf);
  routes->Get("/api/v1/status/buildinfo", [this](const Call&) { return BuildInfo(); }, Lane::kSelf);
  routes->Get(
      "/api/v1/status/runtimeinfo", [this](const Call&) { return RuntimeInfo(); }, Lane::kSelf);
  routes->Get("/api/v1/status/tsdb", [this](const Call& call) { return Cardinality(call); });
  routes->Get(
      "/api/v1/status/flags",
      [this](const Call&) {
        SuccessReply reply;
        reply.json().BeginObject();
        for (const auto& [name, value] : options_.flags) reply.json().Key(name).String(value);
        reply.json().EndObject();
        return reply.Done();
      },
      Lane::kSelf);
  routes->Get(
      "/api/v1/status/config",
      [this](const Call&) {
        SuccessReply reply;
        reply.json().BeginObject().Key("yaml").String(options_.config_yaml).EndObject();
        return reply.Done();
      },
      Lane::kSelf);
  routes->Get(
      "/api/v1/status/walreplay",
      [](const Call&) {
        // The address is served once the store has been replayed.
        SuccessReply reply;
        reply.json().BeginObject().Key("min").Integer(0).Key("max").Integer(0);
        reply.json().Key("current").Integer(0).EndObject();
        return reply.Done();
      },
      Lane::kSelf);
  routes->Get(
      "/api/v1/features",
      [](const Call&) {
        SuccessReply reply;
        reply.json().Raw(
            R"({"api":{"exclude_alerts":true,"label_values_match":true,"query_stats":false,)"
            R"("query_warnings":true,"remote_write_receiver":true,"otlp_write_receiver":true},)"
            R"("promql":{"anchored":false,"at_modifier":true,"bool":true,"negative_offset":true,)"
            R"("offset":true,"smoothed":false,"subqueries":true}})");
        return reply.Done();
      },
      Lane::kSelf);
  routes->Get(
      "/loki/api/v1/status/buildinfo",
      [this](const Call&) { return BuildInfoOf(kLokiVersion, options_.version); }, Lane::kSelf);
  routes->Get(
      "/api/status/buildinfo",
      [this](const Call&) { return BuildInfoOf(kTempoVersion, options_.version); }, Lane::kSelf);
}

net::Response StatusApi::Ready() const {
  if (options_.ready) {
    const auto ready = options_.ready();
    if (!ready) {
      net::Response response = PlainText(503, ready.error().message() + "\n");
      response.headers["Retry-After"] = "5";
      return response;
    }
  }
  return PlainText(200, "ready\n");
}

net::Response StatusApi::Metrics() const {
  std::string page;
  page += fmt::format(
      "# HELP observatory_build_info The program that runs.\n"
      "# TYPE observatory_build_info gauge\n"
      "observatory_build_info{{version=\"{}\"}} 1\n",
      options_.version);
  AppendMetric(&page, "process_cpu_seconds_total", "counter", "CPU time, user and system.",
               CpuSeconds());
  AppendMetric(&page, "process_resident_memory_bytes", "gauge", "Resident memory.",
               ResidentBytes());
  AppendMetric(&page, "process_start_time_seconds", "gauge", "When the process was started.",
               static_cast<double>(Milliseconds(started_)) / 1000);
  for (const auto& append : options_.metrics) append(&page);
  net::Response response = PlainText(200, std::move(page));
  response.headers["Content-Type"] = "text/plain; version=0.0.4; charset=utf-8";
  return response;
}

net::Response StatusApi::BuildInfo() const {
  SuccessReply reply;
  reply.json()
      .BeginObject()
      .Key("version")
      .String(kPrometheusVersion)
      .Key("revision")
      .String("enclave-" + options_.version)
      .Key("branch")
      .String("")
      .Key("buildUser")
      .String("")
      .Key("buildDate")
      .String("")
      .Key("goVersion")
      .String("")
      .EndObject();
  return reply.Done();
}

net::Response StatusApi::RuntimeInfo() const {
  SuccessReply reply;
  JsonWriter& json = reply.json();
  json.BeginObject();
  json.Key("startTime").String(FormatRfc3339(Milliseconds(started_)));
  json.Key("CWD").String("/");
  json.Key("hostname").String("");
  json.Key("serverTime").String(FormatRfc3339(Milliseconds(clock_.WallNow())));
  json.Key("reloadConfigSuccess").Bool(true);
  json.Key("lastConfigTime").String(FormatRfc3339(Milliseconds(started_)));
  json.Key("timeSeriesCount")
      .Integer(options_.series ? static_cast<std::int64_t>(options_.series()) : 0);
  json.Key("corruptionCount").Integer(0);
  json.Key("storageRetention").String(options_.retention);
  json.EndObject();
  return reply.Done();
}

net::Response StatusApi::Cardinality(const Call& call) const {
  const auto limit = ParseLimit(Parameters::Of(call.request).Get("limit"));
  if (!limit || *limit == 0) return BadData("limit must be a positive number");
  if (limit->value_or(10) > 10'000) return BadData("limit must not exceed 10000");
  // More series than this are not looked at one by one.
  constexpr std::size_t kMostSeries = 200'000;
  const std::int64_t now = Milliseconds(clock_.WallNow());
  constexpr std::int64_t kHourMs = 3'600'000;
  const auto series = source_.Series({}, {now - kHourMs, now}, kMostSeries);
  if (!series) return PrometheusError(series.error());
  Counts by_name;
  Counts by_pair;
  Counts bytes;
  std::map<std::string, std::map<std::string, bool>> values;
  for (const telemetry::Labels& labels : *series) {
    ++by_name[std::string(labels.Get(telemetry::kMetricName))];
    for (const telemetry::Label& label : labels) {
      ++by_pair[label.name + "=" + label.value];
      if (values[label.name].emplace(label.value, true).second)
        bytes[label.name] += label.value.size();
    }
  }
  Counts by_label;
  for (const auto& [name, of_label] : values) by_label[name] = of_label.size();
  const std::size_t shown = limit->value_or(10);
  SuccessReply reply;
  JsonWriter& json = reply.json();
  json.BeginObject().Key("headStats").BeginObject();
  json.Key("numSeries")
      .Integer(static_cast<std::int64_t>(options_.series ? options_.series() : series->size()));
  json.Key("numLabelPairs").Integer(static_cast<std::int64_t>(by_pair.size()));
  json.Key("chunkCount")
      .Integer(options_.chunks ? static_cast<std::int64_t>(options_.chunks()) : 0);
  json.Key("minTime").Integer(now - kHourMs).Key("maxTime").Integer(now).EndObject();
  WriteTop(&json, "seriesCountByMetricName", by_name, shown);
  WriteTop(&json, "labelValueCountByLabelName", by_label, shown);
  WriteTop(&json, "memoryInBytesByLabelName", bytes, shown);
  WriteTop(&json, "seriesCountByLabelValuePair", by_pair, shown);
  json.EndObject();
  if (series->size() == kMostSeries)
    reply.Warn(fmt::format("only {} series of the last hour were looked at", kMostSeries));
  return reply.Done();
}

net::Response StatusApi::Home() const {
  struct Link {
    const char* path;
    const char* what;
  };
  static constexpr Link kLinks[] = {
      {"/metrics", "this program's own metrics"},
      {"/api/v1/query?query=up", "PromQL: what is up"},
      {"/api/v1/targets", "what is scraped"},
      {"/api/v1/rules", "rules"},
      {"/api/v1/alerts", "alerts that are pending or fire"},
      {"/api/v1/status/tsdb", "which metrics have the most series"},
      {"/loki/api/v1/labels", "labels of the logs"},
      {"/api/search?limit=20", "the newest traces"},
      {"/api/v1/evidence?start=0", "evidence, all of it"},
      {"/-/ready", "readiness"},
  };
  std::string rows;
  for (const Link& link : kLinks)
    rows += fmt::format("<li><a href=\"{0}\">{0}</a> {1}</li>\n", link.path, link.what);
  std::string addresses;
  for (const auto& [name, value] : options_.addresses)
    addresses += fmt::format("<tr><th>{}</th><td><code>{}</code></td></tr>\n", EscapeHtml(name),
                             EscapeHtml(value));
  net::Response response = PlainText(
      200,
      fmt::format(
          "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Observatory</title>\n"
          "<meta name=\"viewport\" content=\"width=device-width\">\n"
          "<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:3rem auto;"
          "padding:0 "
          "1rem;color:#1b2430}}h1{{margin-bottom:0}}a{{color:#0b62c4}}th{{text-align:left;"
          "padding-right:1rem;font-weight:500}}code{{background:#f0f2f5;padding:.1rem .3rem}}"
          "@media(prefers-color-scheme:dark){{body{{background:#10151c;color:#dfe6ee}}"
          "a{{color:#6fb1ff}}code{{background:#1c2430}}}}</style>\n"
          "<h1>Observatory</h1>\n<p>Version {}, since {}. Metrics, logs and traces of the enclave; "
          "add this address to Grafana as a Prometheus, a Loki and a Tempo data source.</p>\n"
          "<h2>Taken in at</h2>\n<table>{}</table>\n<h2>Ask</h2>\n<ul>\n{}</ul></html>\n",
          EscapeHtml(options_.version), FormatRfc3339(Milliseconds(started_)), addresses, rows));
  response.headers["Content-Type"] = "text/html; charset=utf-8";
  return response;
}

}  // namespace enclave::observatory::api
