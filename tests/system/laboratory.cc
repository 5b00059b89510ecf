#include "system/laboratory.h"

#include <fmt/format.h>

#include <fstream>

#include "system/http_probe.h"

namespace enclave::system_test {

using std::chrono::seconds;

Enclave* LaboratoryTest::enclave_ = nullptr;
Kubectl* LaboratoryTest::kubectl_ = nullptr;
std::map<std::string, std::string> LaboratoryTest::addresses_;

namespace {

// Of a value in OTLP's JSON.
std::string OtlpText(const Json& value) {
  for (const char* kind : {"stringValue", "intValue", "doubleValue", "boolValue"}) {
    const Json found = At(value, kind);
    if (found.is_string()) return found.get<std::string>();
    if (!found.is_null()) return found.dump();
  }
  return "";
}

std::map<std::string, std::string> OtlpAttributes(const Json& pairs) {
  std::map<std::string, std::string> attributes;
  for (const Json& pair : pairs) attributes[StringAt(pair, "key")] = OtlpText(At(pair, "value"));
  return attributes;
}

}  // namespace

std::string SeenSpan::Place() const {
  const auto file = attributes.find("code.filepath");
  const auto line = attributes.find("code.lineno");
  if (file == attributes.end() || line == attributes.end()) return "";
  return file->second + ":" + line->second;
}

std::vector<SeenSpan> SpansOf(const Json& trace) {
  std::vector<SeenSpan> spans;
  for (const Json& batch : At(trace, "batches")) {
    const auto resource = OtlpAttributes(At(batch, "resource.attributes"));
    const auto service = resource.find("service.name");
    for (const Json& scope : At(batch, "scopeSpans"))
      for (const Json& span : At(scope, "spans")) {
        SeenSpan& seen = spans.emplace_back();
        seen.service = service == resource.end() ? "" : service->second;
        seen.name = StringAt(span, "name");
        seen.id = StringAt(span, "spanId");
        seen.parent = StringAt(span, "parentSpanId");
        const Json code = At(span, "status.code");
        seen.failed = code == 2 || code == "STATUS_CODE_ERROR";
        seen.attributes = OtlpAttributes(At(span, "attributes"));
        for (const Json& event : At(span, "events")) seen.events.insert(StringAt(event, "name"));
      }
  }
  return spans;
}

std::string PlaceOf(const std::string& file, const std::string& marker) {
  std::ifstream in(std::filesystem::path(ENCLAVE_SOURCE_DIR) / file);
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (line.find(marker) != std::string::npos) return fmt::format("{}:{}", file, number);
  }
  ADD_FAILURE() << file << " has no line with " << marker;
  return "";
}

void LaboratoryTest::SetUpTestSuite() {
  enclave_ = new Enclave;
  const Output up = enclave_->Command({"up", "--wait"}, seconds(180));
  EXPECT_EQ(up.code, 0) << up.Story();
  kubectl_ = new Kubectl(*enclave_, NewestKubectl());
  // What these tests break is theirs to repair.
  kubectl_->Must("-n agent scale deploy/agent --replicas=0");
}

void LaboratoryTest::TearDownTestSuite() {
  addresses_.clear();
  delete kubectl_;
  delete enclave_;
}

std::string LaboratoryTest::ServiceAddress(const std::string& ns, const std::string& name) {
  std::string& address = addresses_[ns + "/" + name];
  if (address.empty())
    address = kubectl_->Must(
        fmt::format("-n {} get service {} -o jsonpath={{.spec.clusterIP}}", ns, name));
  return address;
}

Json LaboratoryTest::Ask(const std::string& path) {
  const HttpAnswer answer = HttpGet(Observatory(), kObservatoryPort, path, seconds(30));
  EXPECT_EQ(answer.status, 200) << path << "\n" << answer.body;
  return Json::parse(answer.body, nullptr, /*allow_exceptions=*/false);
}

std::vector<Json> LaboratoryTest::FindTraces(const std::string& query, int limit) {
  std::vector<Json> traces;
  const Json found = Ask(fmt::format("/api/search?limit={}&q=", limit) + PercentEscaped(query));
  for (const Json& summary : At(found, "traces"))
    traces.push_back(Ask("/api/traces/" + StringAt(summary, "traceID")));
  return traces;
}

Json LaboratoryTest::Load(int actions, int seed, int rate) {
  const Output load =
      Execute({EnclaveBinary(), "load", "--target", fmt::format("http://{}:{}", Shop(), kShopPort),
               "--actions", std::to_string(actions), "--users", "10", "--rate",
               std::to_string(rate), "--seed", std::to_string(seed), "-o", "json"},
              {.environment = {{"OTEL_EXPORTER_OTLP_ENDPOINT",
                                fmt::format("http://{}:4318", Observatory())}},
               .timeout = seconds(300)});
  const auto begin = load.out.find('{');
  return Json::parse(load.out.substr(begin == std::string::npos ? 0 : begin), nullptr,
                     /*allow_exceptions=*/false);
}

void LaboratoryTest::Release(const std::string& service, const std::string& version) {
  kubectl_->Must(fmt::format("-n boutique set image deploy/{0} server={0}:{1}", service, version));
  kubectl_->Must(fmt::format("-n boutique rollout status deploy/{} --timeout=60s", service));
}

void LaboratoryTest::RollBack(const std::string& service) {
  kubectl_->Must(fmt::format("-n boutique rollout undo deploy/{}", service));
  kubectl_->Must(fmt::format("-n boutique rollout status deploy/{} --timeout=60s", service));
}

}  // namespace enclave::system_test
