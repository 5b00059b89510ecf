#include "otel/telemetry.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <utility>

#include "base/quote.h"
#include "net/http.h"
#include "otel/runtime_metrics.h"

namespace enclave::otel {
namespace {

constexpr std::chrono::milliseconds kLastFlush{2'000};

bool HasAttribute(const telemetry::Attributes& attributes, std::string_view key) {
  return telemetry::Find(attributes, key) != nullptr;
}

void AddMissing(telemetry::Attributes& attributes, std::string_view key, std::string value) {
  if (!value.empty() && !HasAttribute(attributes, key))
    attributes.push_back({std::string(key), std::move(value)});
}

std::string_view Trim(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

base::Result<> ReadMilliseconds(const Environment& environment, const char* name,
                                std::chrono::milliseconds& out) {
  const auto text = environment(name);
  if (!text || text->empty()) return {};
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc() || end != text->data() + text->size() || value <= 0 || value > 3'600'000)
    return base::Fail(
        base::ErrorKind::kInvalidArgument,
        fmt::format("{} is {}: give milliseconds from 1 to 3600000", name, base::Quote(*text)));
  out = std::chrono::milliseconds(value);
  return {};
}

base::Result<> ReadLogLevel(const Environment& environment, Severity& out) {
  const auto text = environment("OTEL_LOG_LEVEL");
  if (!text || text->empty()) return {};
  std::string lower = *text;
  std::ranges::transform(lower, lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  if (lower == "debug" || lower == "trace") {
    out = Severity::kDebug;
  } else if (lower == "info") {
    out = Severity::kInfo;
  } else if (lower == "warn" || lower == "warning") {
    out = Severity::kWarn;
  } else if (lower == "error") {
    out = Severity::kError;
  } else {
    return base::Fail(
        base::ErrorKind::kInvalidArgument,
        fmt::format("OTEL_LOG_LEVEL is {}: give debug, info, warn or error", base::Quote(*text)));
  }
  return {};
}

// The standard variable first, then the boutique's own, which has no scheme.
std::string Endpoint(const Environment& environment, std::string fallback) {
  std::string endpoint = environment("OTEL_EXPORTER_OTLP_ENDPOINT").value_or("");
  if (endpoint.empty()) endpoint = environment("COLLECTOR_SERVICE_ADDR").value_or("");
  if (endpoint.empty()) return fallback;
  if (!endpoint.contains("://")) endpoint = "http://" + endpoint;
  while (endpoint.ends_with('/')) endpoint.pop_back();
  return endpoint;
}

}  // namespace

std::optional<std::string> ProcessEnvironment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

base::Result<telemetry::Attributes> ParseResourceAttributes(std::string_view text) {
  telemetry::Attributes attributes;
  while (!text.empty()) {
    const std::string_view pair = text.substr(0, text.find(','));
    text.remove_prefix(std::min(pair.size() + 1, text.size()));
    if (Trim(pair).empty()) continue;
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos || Trim(pair.substr(0, equals)).empty())
      return base::Fail(base::ErrorKind::kInvalidArgument,
                        fmt::format("{} is no KEY=VALUE", base::Quote(pair)));
    std::string key(Trim(pair.substr(0, equals)));
    std::string value = net::PercentDecode(Trim(pair.substr(equals + 1)), false);
    if (!HasAttribute(attributes, key)) attributes.push_back({std::move(key), std::move(value)});
  }
  return attributes;
}

base::Result<std::unique_ptr<Telemetry>> Telemetry::FromEnvironment(
    net::EventLoop& loop, TelemetryOptions options, const Environment& environment) {
  auto parsed = ParseResourceAttributes(environment("OTEL_RESOURCE_ATTRIBUTES").value_or(""));
  if (!parsed) return base::Fail(parsed.error().While("reading OTEL_RESOURCE_ATTRIBUTES"));
  telemetry::Attributes resource = std::move(*parsed);
  if (const auto name = environment("OTEL_SERVICE_NAME"); name && !name->empty()) {
    // It goes before the resource attributes' own.
    std::erase_if(resource, [](const auto& attribute) { return attribute.key == "service.name"; });
    options.service_name = *name;
  } else if (const auto* named = telemetry::Find(resource, "service.name")) {
    options.service_name = telemetry::ToText(*named);
  }
  if (const auto* version = telemetry::Find(resource, "service.version"))
    options.service_version = telemetry::ToText(*version);
  const std::string pod = environment("POD_NAME").value_or(environment("HOSTNAME").value_or(""));
  AddMissing(resource, "k8s.pod.name", environment("POD_NAME").value_or(""));
  AddMissing(resource, "k8s.namespace.name", environment("POD_NAMESPACE").value_or(""));
  AddMissing(resource, "k8s.pod.ip", environment("POD_IP").value_or(""));
  AddMissing(resource, "k8s.pod.uid", environment("POD_UID").value_or(""));
  AddMissing(resource, "k8s.node.name", environment("NODE_NAME").value_or(""));
  AddMissing(resource, "service.instance.id", pod);
  AddMissing(resource, "host.name", environment("HOSTNAME").value_or(""));
  for (const telemetry::Attribute& attribute : options.resource)
    if (!HasAttribute(resource, attribute.key)) resource.push_back(attribute);
  options.resource = std::move(resource);
  RETURN_IF_ERROR(
      ReadMilliseconds(environment, "OTEL_BSP_SCHEDULE_DELAY", options.exporter.flush_interval));
  RETURN_IF_ERROR(ReadMilliseconds(environment, "OTEL_METRIC_EXPORT_INTERVAL",
                                   options.exporter.metric_interval));
  RETURN_IF_ERROR(ReadLogLevel(environment, options.log_level));
  options.exporter.endpoint = Endpoint(environment, options.exporter.endpoint);
  if (environment("OTEL_SDK_DISABLED").value_or("") == "true") options.exporter.endpoint.clear();
  return Create(loop, std::move(options), base::SystemRandom());
}

base::Result<std::unique_ptr<Telemetry>> Telemetry::Create(net::EventLoop& loop,
                                                           TelemetryOptions options,
                                                           base::Random& random) {
  std::unique_ptr<Telemetry> telemetry(new Telemetry(loop));
  telemetry->service_name_ =
      options.service_name.empty() ? "unknown_service" : options.service_name;
  telemetry->resource_ = {{"service.name", telemetry->service_name_}};
  AddMissing(telemetry->resource_, "service.version", options.service_version);
  for (telemetry::Attribute& attribute : options.resource)
    if (!HasAttribute(telemetry->resource_, attribute.key))
      telemetry->resource_.push_back(std::move(attribute));
  // Two processes of one service must not write to one series.
  AddMissing(telemetry->resource_, "service.instance.id", random.Uuid());
  AddMissing(telemetry->resource_, "telemetry.sdk.name", "enclave");
  AddMissing(telemetry->resource_, "telemetry.sdk.language", "cpp");
  telemetry->meter_ = std::make_unique<Meter>(loop);
  if (options.runtime_metrics) ObserveProcess(*telemetry->meter_, loop);
  if (!options.exporter.endpoint.empty()) {
    auto exporter =
        Exporter::Create(loop, random, options.exporter, telemetry->resource_,
                         [meter = telemetry->meter_.get()](auto& out) { meter->Collect(out); });
    if (!exporter) return base::Fail(exporter.error().While("setting up the export of telemetry"));
    telemetry->exporter_ = std::move(*exporter);
    telemetry->ObserveExporter();
  }
  Exporter* to = telemetry->exporter_.get();
  telemetry->tracer_ = std::make_unique<Tracer>(loop, random, [to](EndedSpan span) {
    if (to != nullptr) to->Add(std::move(span));
  });
  telemetry->logger_ = std::make_unique<Logger>(
      loop,
      Logger::Options{
          .service = telemetry->service_name_, .minimum = options.log_level, .fd = options.log_fd},
      [to](EmittedLog log) {
        if (to != nullptr) to->Add(std::move(log));
      });
  return telemetry;
}

void Telemetry::ObserveExporter() {
  const auto observe = [this](std::uint64_t SignalCounts::* count) {
    return [this, count]() -> std::vector<Observation> {
      const ExporterCounts counts = exporter_->counts();
      return {{static_cast<double>(counts.spans.*count), {{"otel.signal", "traces"}}},
              {static_cast<double>(counts.logs.*count), {{"otel.signal", "logs"}}},
              {static_cast<double>(counts.metrics.*count), {{"otel.signal", "metrics"}}}};
    };
  };
  meter_->ObserveCounter({"otel.sdk.exporter.exported", "{item}", "Items the receiver took"},
                         observe(&SignalCounts::exported));
  meter_->ObserveCounter({"otel.sdk.exporter.dropped", "{item}", "Items over the queue's bound"},
                         observe(&SignalCounts::dropped));
  meter_->ObserveCounter({"otel.sdk.exporter.failed", "{item}", "Items refused or given up"},
                         observe(&SignalCounts::failed));
  meter_->ObserveCounter({"otel.sdk.exporter.retries", "{request}", "Requests sent again"},
                         observe(&SignalCounts::retries));
}

Telemetry::~Telemetry() {
  Shutdown(kLastFlush);
}

ExporterCounts Telemetry::exported() const {
  return exporter_ ? exporter_->counts() : ExporterCounts{};
}

bool Telemetry::Flush(std::chrono::milliseconds timeout) {
  return !exporter_ || exporter_->Flush(timeout);
}

bool Telemetry::Shutdown(std::chrono::milliseconds timeout) {
  if (!exporter_ || std::exchange(shut_down_, true)) return true;
  return exporter_->Shutdown(timeout);
}

}  // namespace enclave::otel
