#include "observatory/promql/math_functions.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <numbers>

#include "base/check.h"

namespace enclave::observatory::promql {
namespace {

constexpr double kNotANumber = std::numeric_limits<double>::quiet_NaN();
constexpr std::int64_t kSecondsPerDay = 86400;
// Beyond it years do not fit std::chrono's; about year 32000.
constexpr double kMaxDateSeconds = 9.4e11;

double Sign(double value) {
  return value < 0 ? -1 : value > 0 ? 1 : value;
}

struct Date {
  std::chrono::sys_days day;
  std::chrono::year_month_day date;
  std::int64_t second;  // of the day
};

Date DateOf(double seconds) {
  // What is no time is taken as the nearest one that is, NaN as 1970.
  const double bounded =
      std::isnan(seconds) ? 0 : std::clamp(seconds, -kMaxDateSeconds, kMaxDateSeconds);
  const auto whole = static_cast<std::int64_t>(bounded);
  const std::int64_t days = (whole >= 0 ? whole : whole - (kSecondsPerDay - 1)) / kSecondsPerDay;
  const std::chrono::sys_days day{std::chrono::days(days)};
  return {day, std::chrono::year_month_day(day), whole - days * kSecondsPerDay};
}

double DayOfMonth(double value) {
  return static_cast<unsigned>(DateOf(value).date.day());
}
double DayOfWeek(double value) {
  return std::chrono::weekday(DateOf(value).day).c_encoding();
}
double DayOfYear(double value) {
  const Date date = DateOf(value);
  const std::chrono::sys_days first{date.date.year() / std::chrono::January / 1};
  return static_cast<double>((date.day - first).count() + 1);
}
double DaysInMonth(double value) {
  const auto date = DateOf(value).date;
  return static_cast<unsigned>((date.year() / date.month() / std::chrono::last).day());
}
double Hour(double value) {
  const auto hour = DateOf(value).second / 3600;
  return static_cast<double>(hour);
}
double Minute(double value) {
  const auto minute = DateOf(value).second / 60 % 60;
  return static_cast<double>(minute);
}
double Month(double value) {
  return static_cast<unsigned>(DateOf(value).date.month());
}
double Year(double value) {
  return static_cast<int>(DateOf(value).date.year());
}

}  // namespace

MathFunction MathFunctionOf(Fn fn) {
  switch (fn) {
    case Fn::kAbs:
      return [](double x) { return std::abs(x); };
    case Fn::kAcos:
      return [](double x) { return std::acos(x); };
    case Fn::kAcosh:
      return [](double x) { return std::acosh(x); };
    case Fn::kAsin:
      return [](double x) { return std::asin(x); };
    case Fn::kAsinh:
      return [](double x) { return std::asinh(x); };
    case Fn::kAtan:
      return [](double x) { return std::atan(x); };
    case Fn::kAtanh:
      return [](double x) { return std::atanh(x); };
    case Fn::kCeil:
      return [](double x) { return std::ceil(x); };
    case Fn::kCos:
      return [](double x) { return std::cos(x); };
    case Fn::kCosh:
      return [](double x) { return std::cosh(x); };
    case Fn::kDeg:
      return [](double x) { return x * 180 / std::numbers::pi; };
    case Fn::kExp:
      return [](double x) { return std::exp(x); };
    case Fn::kFloor:
      return [](double x) { return std::floor(x); };
    case Fn::kLn:
      return [](double x) { return std::log(x); };
    case Fn::kLog10:
      return [](double x) { return std::log10(x); };
    case Fn::kLog2:
      return [](double x) { return std::log2(x); };
    case Fn::kRad:
      return [](double x) { return x * std::numbers::pi / 180; };
    case Fn::kSgn:
      return Sign;
    case Fn::kSin:
      return [](double x) { return std::sin(x); };
    case Fn::kSinh:
      return [](double x) { return std::sinh(x); };
    case Fn::kSqrt:
      return [](double x) { return std::sqrt(x); };
    case Fn::kTan:
      return [](double x) { return std::tan(x); };
    case Fn::kTanh:
      return [](double x) { return std::tanh(x); };
    case Fn::kDayOfMonth:
      return DayOfMonth;
    case Fn::kDayOfWeek:
      return DayOfWeek;
    case Fn::kDayOfYear:
      return DayOfYear;
    case Fn::kDaysInMonth:
      return DaysInMonth;
    case Fn::kHour:
      return Hour;
    case Fn::kMinute:
      return Minute;
    case Fn::kMonth:
      return Month;
    case Fn::kYear:
      return Year;
    default:
      return nullptr;
  }
}

double Clamp(double value, double least, double most) {
  if (std::isnan(value) || std::isnan(least) || std::isnan(most)) return kNotANumber;
  return std::max(least, std::min(most, value));
}

double Round(double value, double to_nearest) {
  // The inverse loses less: 1 / 0.1 is exact.
  const double inverse = 1 / to_nearest;
  return std::floor(value * inverse + 0.5) / inverse;
}

bool Compare(Token op, double left, double right) {
  switch (op) {
    case Token::kEqual:
      return left == right;
    case Token::kNotEqual:
      return left != right;
    case Token::kGreater:
      return left > right;
    case Token::kLess:
      return left < right;
    case Token::kGreaterEqual:
      return left >= right;
    case Token::kLessEqual:
      return left <= right;
    default:
      CHECK(false, "only comparisons compare");
  }
}

double ApplyOperator(Token op, double left, double right) {
  switch (op) {
    case Token::kAdd:
      return left + right;
    case Token::kSub:
      return left - right;
    case Token::kMul:
      return left * right;
    case Token::kDiv:
      return left / right;
    case Token::kMod:
      return std::fmod(left, right);
    case Token::kPow:
      return std::pow(left, right);
    case Token::kAtan2:
      return std::atan2(left, right);
    default:
      return Compare(op, left, right) ? 1 : 0;
  }
}

}  // namespace enclave::observatory::promql
