#include "trace/environment.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace enclave::trace {
namespace {

struct Carrier {
  std::string_view header;
  const char* variable;
};

constexpr std::array<Carrier, 8> kCarriers = {{{"traceparent", "TRACEPARENT"},
                                               {"tracestate", "TRACESTATE"},
                                               {"b3", "B3"},
                                               {"X-B3-TraceId", "X_B3_TRACEID"},
                                               {"X-B3-SpanId", "X_B3_SPANID"},
                                               {"X-B3-Sampled", "X_B3_SAMPLED"},
                                               {"X-B3-Flags", "X_B3_FLAGS"},
                                               {"X-B3-ParentSpanId", "X_B3_PARENTSPANID"}}};

bool CarriesTrace(std::string_view entry) {
  const std::string_view name = entry.substr(0, entry.find('='));
  return std::ranges::any_of(kCarriers,
                             [&](const Carrier& carrier) { return name == carrier.variable; });
}

std::string SingleB3(const TraceContext& context, const SpanId& span) {
  std::string ids = context.trace_id.ToString() + "-" + span.ToString();
  switch (context.sampling) {
    case Sampling::kUndecided:
      return ids;
    case Sampling::kNo:
      return ids + "-0";
    case Sampling::kYes:
      return ids + "-1";
    case Sampling::kDebug:
      return ids + "-d";
  }
  return ids;
}

}  // namespace

std::optional<TraceContext> ExtractFromEnvironment(const EnvironmentValue& value) {
  net::Headers headers;
  for (const Carrier& carrier : kCarriers) {
    if (auto text = value(carrier.variable); text && !text->empty()) {
      headers[std::string(carrier.header)] = *std::move(text);
    }
  }
  return Extract(headers);
}

std::vector<std::string> InjectIntoEnvironment(const TraceContext& context,
                                               std::vector<std::string> environment) {
  std::erase_if(environment, CarriesTrace);
  net::Headers headers;
  Inject(context, headers);
  if (context.parent) headers["b3"] = SingleB3(context, *context.parent);
  for (const Carrier& carrier : kCarriers) {
    if (const auto found = headers.find(carrier.header); found != headers.end()) {
      environment.push_back(fmt::format("{}={}", carrier.variable, found->second));
    }
  }
  return environment;
}

}  // namespace enclave::trace
