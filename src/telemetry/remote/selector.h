// Selectors as Prometheus and Loki read them, and times as they do.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>

#include "telemetry/matcher.h"

namespace enclave::telemetry::remote {

// {__name__="up",job=~"a|b"}
inline std::string Selector(const Matchers& matchers) {
  std::string text = "{";
  for (const Matcher& matcher : matchers) {
    if (text.size() > 1) text += ',';
    text += matcher.ToString();
  }
  return text + "}";
}

// Both refuse a selector that everything matches.
inline bool SelectsSomething(const Matchers& matchers) {
  for (const Matcher& matcher : matchers)
    if (!matcher.MatchesEmpty()) return true;
  return false;
}

// 1700000000.250
inline std::string Seconds(std::int64_t time_ms) {
  return fmt::format("{}{}.{:03}", time_ms < 0 ? "-" : "",
                     (time_ms < 0 ? -time_ms : time_ms) / 1000,
                     (time_ms < 0 ? -time_ms : time_ms) % 1000);
}

}  // namespace enclave::telemetry::remote
