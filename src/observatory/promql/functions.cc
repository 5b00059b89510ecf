#include "observatory/promql/functions.h"

#include <algorithm>
#include <array>

namespace enclave::observatory::promql {
namespace {

using enum ValueType;

constexpr auto kFunctions = std::to_array<Function>({
    {"abs", Fn::kAbs, kVector, 1, 0, 1, {kVector}},
    {"absent", Fn::kAbsent, kVector, 1, 0, 1, {kVector}},
    {"absent_over_time", Fn::kAbsentOverTime, kVector, 1, 0, 1, {kMatrix}},
    {"acos", Fn::kAcos, kVector, 1, 0, 1, {kVector}},
    {"acosh", Fn::kAcosh, kVector, 1, 0, 1, {kVector}},
    {"asin", Fn::kAsin, kVector, 1, 0, 1, {kVector}},
    {"asinh", Fn::kAsinh, kVector, 1, 0, 1, {kVector}},
    {"atan", Fn::kAtan, kVector, 1, 0, 1, {kVector}},
    {"atanh", Fn::kAtanh, kVector, 1, 0, 1, {kVector}},
    {"avg_over_time", Fn::kAvgOverTime, kVector, 1, 0, 1, {kMatrix}},
    {"ceil", Fn::kCeil, kVector, 1, 0, 1, {kVector}},
    {"changes", Fn::kChanges, kVector, 1, 0, 1, {kMatrix}},
    {"clamp", Fn::kClamp, kVector, 3, 0, 3, {kVector, kScalar, kScalar}},
    {"clamp_max", Fn::kClampMax, kVector, 2, 0, 2, {kVector, kScalar}},
    {"clamp_min", Fn::kClampMin, kVector, 2, 0, 2, {kVector, kScalar}},
    {"cos", Fn::kCos, kVector, 1, 0, 1, {kVector}},
    {"cosh", Fn::kCosh, kVector, 1, 0, 1, {kVector}},
    {"count_over_time", Fn::kCountOverTime, kVector, 1, 0, 1, {kMatrix}},
    {"day_of_month", Fn::kDayOfMonth, kVector, 0, 1, 1, {kVector}},
    {"day_of_week", Fn::kDayOfWeek, kVector, 0, 1, 1, {kVector}},
    {"day_of_year", Fn::kDayOfYear, kVector, 0, 1, 1, {kVector}},
    {"days_in_month", Fn::kDaysInMonth, kVector, 0, 1, 1, {kVector}},
    {"deg", Fn::kDeg, kVector, 1, 0, 1, {kVector}},
    {"delta", Fn::kDelta, kVector, 1, 0, 1, {kMatrix}},
    {"deriv", Fn::kDeriv, kVector, 1, 0, 1, {kMatrix}},
    {"double_exponential_smoothing",
     Fn::kExperimental,
     kVector,
     3,
     0,
     3,
     {kMatrix, kScalar, kScalar}},
    {"end", Fn::kExperimental, kScalar, 0, 0, 0, {}},
    {"exp", Fn::kExp, kVector, 1, 0, 1, {kVector}},
    {"first_over_time", Fn::kFirstOverTime, kVector, 1, 0, 1, {kMatrix}},
    {"floor", Fn::kFloor, kVector, 1, 0, 1, {kVector}},
    {"histogram_avg", Fn::kNativeHistogram, kVector, 1, 0, 1, {kVector}},
    {"histogram_count", Fn::kNativeHistogram, kVector, 1, 0, 1, {kVector}},
    {"histogram_fraction", Fn::kHistogramFraction, kVector, 3, 0, 3, {kScalar, kScalar, kVector}},
    {"histogram_quantile", Fn::kHistogramQuantile, kVector, 2, 0, 2, {kScalar, kVector}},
    {"histogram_quantiles",
     Fn::kExperimental,
     kVector,
     3,
     9,
     4,
     {kVector, kString, kScalar, kScalar}},
    {"histogram_stddev", Fn::kNativeHistogram, kVector, 1, 0, 1, {kVector}},
    {"histogram_stdvar", Fn::kNativeHistogram, kVector, 1, 0, 1, {kVector}},
    {"histogram_sum", Fn::kNativeHistogram, kVector, 1, 0, 1, {kVector}},
    {"hour", Fn::kHour, kVector, 0, 1, 1, {kVector}},
    {"idelta", Fn::kIdelta, kVector, 1, 0, 1, {kMatrix}},
    {"increase", Fn::kIncrease, kVector, 1, 0, 1, {kMatrix}},
    {"info", Fn::kExperimental, kVector, 1, 1, 2, {kVector, kVector}},
    {"irate", Fn::kIrate, kVector, 1, 0, 1, {kMatrix}},
    {"label_join", Fn::kLabelJoin, kVector, 3, -1, 4, {kVector, kString, kString, kString}},
    {"label_replace",
     Fn::kLabelReplace,
     kVector,
     5,
     0,
     5,
     {kVector, kString, kString, kString, kString}},
    {"last_over_time", Fn::kLastOverTime, kVector, 1, 0, 1, {kMatrix}},
    {"ln", Fn::kLn, kVector, 1, 0, 1, {kVector}},
    {"log10", Fn::kLog10, kVector, 1, 0, 1, {kVector}},
    {"log2", Fn::kLog2, kVector, 1, 0, 1, {kVector}},
    {"mad_over_time", Fn::kExperimental, kVector, 1, 0, 1, {kMatrix}},
    {"max_of", Fn::kExperimental, kScalar, 2, 0, 2, {kScalar, kScalar}},
    {"max_over_time", Fn::kMaxOverTime, kVector, 1, 0, 1, {kMatrix}},
    {"min_of", Fn::kExperimental, kScalar, 2, 0, 2, {kScalar, kScalar}},
    {"min_over_time", Fn::kMinOverTime, kVector, 1, 0, 1, {kMatrix}},
    {"minute", Fn::kMinute, kVector, 0, 1, 1, {kVector}},
    {"month", Fn::kMonth, kVector, 0, 1, 1, {kVector}},
    {"pi", Fn::kPi, kScalar, 0, 0, 0, {}},
    {"predict_linear", Fn::kPredictLinear, kVector, 2, 0, 2, {kMatrix, kScalar}},
    {"present_over_time", Fn::kPresentOverTime, kVector, 1, 0, 1, {kMatrix}},
    {"quantile_over_time", Fn::kQuantileOverTime, kVector, 2, 0, 2, {kScalar, kMatrix}},
    {"rad", Fn::kRad, kVector, 1, 0, 1, {kVector}},
    {"range", Fn::kExperimental, kScalar, 0, 0, 0, {}},
    {"rate", Fn::kRate, kVector, 1, 0, 1, {kMatrix}},
    {"resets", Fn::kResets, kVector, 1, 0, 1, {kMatrix}},
    {"round", Fn::kRound, kVector, 1, 1, 2, {kVector, kScalar}},
    {"scalar", Fn::kScalar, kScalar, 1, 0, 1, {kVector}},
    {"sgn", Fn::kSgn, kVector, 1, 0, 1, {kVector}},
    {"sin", Fn::kSin, kVector, 1, 0, 1, {kVector}},
    {"sinh", Fn::kSinh, kVector, 1, 0, 1, {kVector}},
    {"sort", Fn::kSort, kVector, 1, 0, 1, {kVector}},
    {"sort_by_label", Fn::kExperimental, kVector, 1, -1, 2, {kVector, kString}},
    {"sort_by_label_desc", Fn::kExperimental, kVector, 1, -1, 2, {kVector, kString}},
    {"sort_desc", Fn::kSortDesc, kVector, 1, 0, 1, {kVector}},
    {"sqrt", Fn::kSqrt, kVector, 1, 0, 1, {kVector}},
    {"start", Fn::kExperimental, kScalar, 0, 0, 0, {}},
    {"start_timestamp", Fn::kExperimental, kVector, 1, 0, 1, {kVector}},
    {"stddev_over_time", Fn::kStddevOverTime, kVector, 1, 0, 1, {kMatrix}},
    {"stdvar_over_time", Fn::kStdvarOverTime, kVector, 1, 0, 1, {kMatrix}},
    {"step", Fn::kExperimental, kScalar, 0, 0, 0, {}},
    {"sum_over_time", Fn::kSumOverTime, kVector, 1, 0, 1, {kMatrix}},
    {"tan", Fn::kTan, kVector, 1, 0, 1, {kVector}},
    {"tanh", Fn::kTanh, kVector, 1, 0, 1, {kVector}},
    {"time", Fn::kTime, kScalar, 0, 0, 0, {}},
    {"timestamp", Fn::kTimestamp, kVector, 1, 0, 1, {kVector}},
    {"ts_of_first_over_time", Fn::kExperimental, kVector, 1, 0, 1, {kMatrix}},
    {"ts_of_last_over_time", Fn::kExperimental, kVector, 1, 0, 1, {kMatrix}},
    {"ts_of_max_over_time", Fn::kExperimental, kVector, 1, 0, 1, {kMatrix}},
    {"ts_of_min_over_time", Fn::kExperimental, kVector, 1, 0, 1, {kMatrix}},
    {"vector", Fn::kVector, kVector, 1, 0, 1, {kScalar}},
    {"year", Fn::kYear, kVector, 0, 1, 1, {kVector}},
});
static_assert(std::ranges::is_sorted(kFunctions, {}, &Function::name));

}  // namespace

std::string_view Documented(ValueType type) {
  switch (type) {
    case kScalar:
      return "scalar";
    case kVector:
      return "instant vector";
    case kMatrix:
      return "range vector";
    case kString:
      return "string";
    case kNone:
      return "none";
  }
  return "";
}

const Function* FindFunction(std::string_view name) {
  const auto at = std::ranges::lower_bound(kFunctions, name, {}, &Function::name);
  return at != kFunctions.end() && at->name == name ? &*at : nullptr;
}

std::span<const Function> AllFunctions() {
  return kFunctions;
}

}  // namespace enclave::observatory::promql
