// Text that comes from outside of the program: resource attributes of the environment, the trace
// metadata of gRPC calls, the kernel's figures, and whatever is logged.
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "base/check.h"
#include "otel/grpc_metadata.h"
#include "otel/logger.h"
#include "otel/runtime_metrics.h"
#include "otel/telemetry.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace enclave;
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (const auto attributes = otel::ParseResourceAttributes(text)) {
    for (const telemetry::Attribute& attribute : *attributes)
      CHECK(!attribute.key.empty(), "attributes have names");
  }
  (void)otel::ParseProcessStat(text, 100, 4096);
  (void)otel::OwnSourcePath(text);

  const std::size_t half = size / 2;
  const std::string first = text.substr(0, half);
  const std::string second = text.substr(half);
  const std::multimap<grpc::string_ref, grpc::string_ref> received = {
      {"traceparent", first}, {"tracestate", second}, {"b3", second}};
  if (const auto context = otel::ExtractFromMetadata(received)) {
    std::multimap<std::string, std::string> sent;
    otel::InjectIntoMetadata(*context, sent);
    std::multimap<grpc::string_ref, grpc::string_ref> again;
    for (const auto& [key, value] : sent) again.emplace(key, value);
    const auto read = otel::ExtractFromMetadata(again);
    CHECK(read && read->trace_id == context->trace_id && read->parent == context->parent,
          "a trace is handed on as it came");
  }

  const std::string line = otel::FormatJsonLine(
      {.message = first, .attributes = {{second.empty() ? "k" : second, first}}}, second);
  CHECK(line.find('\n') == line.size() - 1, "a record is one line");
  CHECK(nlohmann::json::accept(line), "a line is JSON");
  return 0;
}
