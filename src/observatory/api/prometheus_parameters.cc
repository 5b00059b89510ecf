#include "prometheus_parameters.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "base/quote.h"
#include "observatory/promql/parser.h"
#include "reply.h"

namespace enclave::observatory::api {
namespace {

// Prometheus' own bounds of time, in milliseconds, which clients send back as text.
constexpr std::int64_t kMinTimeMs = std::numeric_limits<std::int64_t>::min() / 2;
constexpr std::int64_t kMaxTimeMs = std::numeric_limits<std::int64_t>::max() / 2;

void AppendUtf8(std::string* out, std::uint32_t code) {
  if (code < 0x80) {
    out->push_back(static_cast<char>(code));
  } else if (code < 0x800) {
    out->push_back(static_cast<char>(0xc0 | (code >> 6)));
    out->push_back(static_cast<char>(0x80 | (code & 0x3f)));
  } else if (code < 0x10000) {
    out->push_back(static_cast<char>(0xe0 | (code >> 12)));
    out->push_back(static_cast<char>(0x80 | ((code >> 6) & 0x3f)));
    out->push_back(static_cast<char>(0x80 | (code & 0x3f)));
  } else {
    out->push_back(static_cast<char>(0xf0 | (code >> 18)));
    out->push_back(static_cast<char>(0x80 | ((code >> 12) & 0x3f)));
    out->push_back(static_cast<char>(0x80 | ((code >> 6) & 0x3f)));
    out->push_back(static_cast<char>(0x80 | (code & 0x3f)));
  }
}

}  // namespace

OrAnswer<std::int64_t> TimeParameter(const Parameters& parameters, std::string_view name,
                                     std::int64_t fallback) {
  const std::string text = parameters.Get(name);
  if (text.empty()) return fallback;
  if (text == "-292273086-05-16T16:47:06Z") return kMinTimeMs;
  if (text == "292277025-08-18T07:12:54.999999999Z") return kMaxTimeMs;
  auto time = ParsePrometheusTime(text);
  if (time) return std::clamp(*time, kMinTimeMs, kMaxTimeMs);
  return std::unexpected(
      InvalidParameter(name, time.error().While(fmt::format("invalid time value for '{}'", name))));
}

OrAnswer<telemetry::TimeRangeMs> RangeParameter(const Parameters& parameters) {
  auto from = TimeParameter(parameters, "start", kMinTimeMs);
  if (!from) return std::unexpected(std::move(from).error());
  auto to = TimeParameter(parameters, "end", kMaxTimeMs);
  if (!to) return std::unexpected(std::move(to).error());
  return telemetry::TimeRangeMs{*from, *to};
}

OrAnswer<std::vector<telemetry::Matchers>> MatchParameter(const Parameters& parameters) {
  std::vector<telemetry::Matchers> all;
  for (const std::string& text : parameters.All("match[]")) {
    auto matchers = promql::ParseSelector(text);
    if (!matchers) return std::unexpected(InvalidParameter("match[]", matchers.error()));
    if (std::ranges::all_of(*matchers, &telemetry::Matcher::MatchesEmpty))
      return std::unexpected(
          InvalidParameter("match[]", {base::ErrorKind::kInvalidArgument,
                                       "match[] must contain at least one non-empty matcher"}));
    all.push_back(std::move(*matchers));
  }
  return all;
}

OrAnswer<std::size_t> LimitParameter(const Parameters& parameters) {
  const auto limit = ParseLimit(parameters.Get("limit"));
  if (!limit) return std::unexpected(InvalidParameter("limit", limit.error()));
  return limit->value_or(0);
}

std::string UnescapeLabelName(std::string_view name) {
  if (!name.starts_with("U__")) return std::string(name);
  std::string out;
  for (std::size_t i = 3; i < name.size(); ++i) {
    if (name[i] != '_') {
      out += name[i];
      continue;
    }
    if (i + 1 < name.size() && name[i + 1] == '_') {
      out += '_';
      ++i;
      continue;
    }
    const std::size_t close = name.find('_', i + 1);
    std::uint32_t code = 0;
    if (close == std::string_view::npos) return std::string(name);
    const auto [end, error] = std::from_chars(name.data() + i + 1, name.data() + close, code, 16);
    if (error != std::errc() || end != name.data() + close || code > 0x10ffff)
      return std::string(name);
    AppendUtf8(&out, code);
    i = close;
  }
  return out;
}

}  // namespace enclave::observatory::api
