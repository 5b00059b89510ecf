#include "kube/time.h"

#include <fmt/format.h>

namespace enclave::kube {
namespace {

using std::chrono::days;
using std::chrono::nanoseconds;
using std::chrono::seconds;

std::string FormatSeconds(base::WallTime time) {
  const auto whole = std::chrono::floor<seconds>(time);
  const auto day = std::chrono::floor<days>(whole);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(whole - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

std::int64_t Nanos(base::WallTime time) {
  return (time - std::chrono::floor<seconds>(time)).count();
}

// Reads a text from left to right; remembers that something did not fit.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  int Number(int digits) {
    int value = 0;
    for (int i = 0; i < digits; ++i) {
      if (at_ >= text_.size() || text_[at_] < '0' || text_[at_] > '9') {
        failed_ = true;
        return 0;
      }
      value = value * 10 + (text_[at_++] - '0');
    }
    return value;
  }
  bool Take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void Expect(char c) { failed_ |= !Take(c); }
  char Peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool failed() const { return failed_; }
  bool done() const { return at_ == text_.size(); }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
  bool failed_ = false;
};

}  // namespace

std::string FormatTime(base::WallTime time) {
  return FormatSeconds(time) + "Z";
}

std::string FormatMicroTime(base::WallTime time) {
  return fmt::format("{}.{:06}Z", FormatSeconds(time), Nanos(time) / 1000);
}

std::string FormatNanoTime(base::WallTime time) {
  return fmt::format("{}.{:09}Z", FormatSeconds(time), Nanos(time));
}

base::Result<base::WallTime> ParseTime(std::string_view text) {
  const auto fail = [&](std::string_view why) {
    return base::Fail(base::ErrorKind::kInvalidArgument,
                      fmt::format("\"{}\" is not an RFC 3339 time: {}", text.substr(0, 64), why));
  };
  Reader in(text);
  const int year = in.Number(4);
  in.Expect('-');
  const int month = in.Number(2);
  in.Expect('-');
  const int day = in.Number(2);
  in.Expect('T');
  const int hour = in.Number(2);
  in.Expect(':');
  const int minute = in.Number(2);
  in.Expect(':');
  const int second = in.Number(2);
  if (in.failed()) return fail("expected YYYY-MM-DDThh:mm:ss");

  std::int64_t nanos = 0;
  if (in.Take('.')) {
    int digits = 0;
    for (; in.Peek() >= '0' && in.Peek() <= '9'; ++digits) {
      const int digit = in.Number(1);
      if (digits < 9) nanos = nanos * 10 + digit;
    }
    if (digits == 0) return fail("expected digits after '.'");
    for (; digits < 9; ++digits) nanos *= 10;
  }

  int offset_minutes = 0;
  if (!in.Take('Z')) {
    const bool negative = in.Peek() == '-';
    if (!in.Take('+') && !in.Take('-')) return fail("expected 'Z' or an offset such as +02:00");
    const int hours = in.Number(2);
    in.Expect(':');
    const int minutes = in.Number(2);
    if (in.failed() || hours > 23 || minutes > 59) {
      return fail("expected 'Z' or an offset such as +02:00");
    }
    offset_minutes = (hours * 60 + minutes) * (negative ? -1 : 1);
  }
  if (!in.done()) return fail("unexpected text after the time");

  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return fail("no such day");
  if (hour > 23 || minute > 59 || second > 59) return fail("no such time of day");
  if (year < 1678 || year > 2261) return fail("the year must be within 1678 and 2261");
  return base::WallTime(std::chrono::sys_days(date)) + std::chrono::hours(hour) +
         std::chrono::minutes(minute - offset_minutes) + seconds(second) + nanoseconds(nanos);
}

std::optional<base::WallTime> TimeAt(const Json& value, std::string_view dotted_path) {
  const Json& found = At(value, dotted_path);
  if (!found.is_string()) return std::nullopt;
  const auto time = ParseTime(found.get_ref<const std::string&>());
  return time ? std::optional(*time) : std::nullopt;
}

}  // namespace enclave::kube
