#include "observatory/rules/rule_times.h"

#include <fmt/format.h>

#include <chrono>

namespace enclave::observatory::rules {

std::string FormatRfc3339(base::WallTime time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock(time - day);
  std::string text =
      fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(date.year()),
                  static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                  clock.hours().count(), clock.minutes().count(), clock.seconds().count());
  if (const auto nanos = clock.subseconds().count(); nanos != 0) {
    std::string fraction = fmt::format(".{:09}", nanos);
    while (fraction.ends_with('0')) fraction.pop_back();
    text += fraction;
  }
  return text + "Z";
}

std::int64_t ToMs(base::WallTime time) {
  return std::chrono::floor<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

}  // namespace enclave::observatory::rules
