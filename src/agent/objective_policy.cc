#include "agent/objective_policy.h"

#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <utility>

#include <fmt/format.h>

#include "base/quote.h"

namespace enclave::agent {

using base::Result;
using telemetry::ConfigNode;
using telemetry::ConfigReader;

namespace {

constexpr std::size_t kMostPromises = 50;

void NonNegative(ConfigReader& reader, std::string_view key, double* out) {
  std::string text;
  reader.Text(key, &text);
  if (text.empty()) return;
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (end != text.c_str() + text.size() || !std::isfinite(value) || value < 0)
    reader.Fail(reader.LineOf(key),
                fmt::format("{} is no number of at least 0", base::Quote(text)));
  else
    *out = value;
}

void ReadShare(ConfigReader& reader, CountedShare* share) {
  reader.Text("bad", &share->bad);
  reader.Text("all", &share->all);
  NonNegative(reader, "least", &share->least);
}

Result<Promise> ReadPromise(const ConfigNode& map, std::string_view file) {
  Promise promise;
  ConfigReader reader(map, "a promise", file);
  reader.Text("name", &promise.name);
  NonNegative(reader, "allowed", &promise.allowed);
  NonNegative(reader, "burn", &promise.burn);
  ReadShare(reader, &promise.now);
  reader.Value("lately", [&](const ConfigNode& node) -> Result<> {
    ConfigReader lately(node, "lately", file);
    ReadShare(lately, &promise.lately);
    if (promise.lately.bad.empty() || promise.lately.all.empty())
      lately.Fail(node.line, "write the series bad: and all: over the longer window");
    return lately.Finish();
  });
  if (promise.name.empty()) reader.Fail(map.line, "a promise needs a name");
  if (promise.now.bad.empty() || promise.now.all.empty())
    reader.Fail(map.line, "a promise needs the series bad: and all:");
  if (promise.allowed >= 1)
    reader.Fail(reader.LineOf("allowed"), "allowed is a share; write a number below 1");
  RETURN_IF_ERROR(reader.Finish());
  return promise;
}

}  // namespace

Result<ObjectivesPolicy> ReadObjectivesPolicy(const ConfigNode& map, std::string_view file) {
  ObjectivesPolicy policy;
  ConfigReader reader(map, "objectives", file);
  reader.Text("service_label", &policy.service_label);
  reader.Text("users", &policy.users);
  reader.Duration("window", &policy.window);
  reader.Duration("period", &policy.period);
  reader.Each("promises", [&](const ConfigNode& node) -> Result<> {
    ASSIGN_OR_RETURN(Promise promise, ReadPromise(node, file));
    policy.promises.push_back(std::move(promise));
    return {};
  });
  if (policy.promises.size() > kMostPromises)
    reader.Fail(reader.LineOf("promises"), fmt::format("write at most {}", kMostPromises));
  if (policy.window < std::chrono::seconds(1) || policy.period < policy.window)
    reader.Fail(map.line, "window is at least 1s, and period no shorter than it");
  RETURN_IF_ERROR(reader.Finish());
  return policy;
}

}  // namespace enclave::agent
