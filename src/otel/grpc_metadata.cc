#include "otel/grpc_metadata.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace enclave::otel {
namespace {

constexpr std::array<std::string_view, 8> kTraceKeys = {
    "traceparent", "tracestate",   "b3",         "x-b3-traceid",
    "x-b3-spanid", "x-b3-sampled", "x-b3-flags", "x-b3-parentspanid"};

std::string LowerCase(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  return text;
}

}  // namespace

std::optional<trace::TraceContext> ExtractFromMetadata(
    const std::multimap<grpc::string_ref, grpc::string_ref>& metadata) {
  net::Headers headers;
  for (const std::string_view key : kTraceKeys) {
    const auto found = metadata.find(grpc::string_ref(key.data(), key.size()));
    if (found != metadata.end())
      headers.emplace(key, std::string(found->second.data(), found->second.size()));
  }
  return trace::Extract(headers);
}

void InjectIntoMetadata(const trace::TraceContext& context,
                        std::multimap<std::string, std::string>& metadata) {
  for (const std::string_view key : kTraceKeys) metadata.erase(std::string(key));
  net::Headers headers;
  trace::Inject(context, headers);
  for (const auto& [name, value] : headers) metadata.emplace(LowerCase(name), value);
}

}  // namespace enclave::otel
