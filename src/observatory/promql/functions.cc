#include "observatory/promql/functions.h"

#include <algorithm>
#include <array>

namespace enclave::observatory::promql {
namespace {

using V = ValueType;  // for the table alone

constexpr auto kFunctions = std::to_array<Function>({
    {"abs", Fn::kAbs, V::kVector, 1, 0, 1, {V::kVector}},
    {"absent", Fn::kAbsent, V::kVector, 1, 0, 1, {V::kVector}},
    {"absent_over_time", Fn::kAbsentOverTime, V::kVector, 1, 0, 1, {V::kMatrix}},
    {"acos", Fn::kAcos, V::kVector, 1, 0, 1, {V::kVector}},
    {"acosh", Fn::kAcosh, V::kVector, 1, 0, 1, {V::kVector}},
    {"asin", Fn::kAsin, V::kVector, 1, 0, 1, {V::kVector}},
    {"asinh", Fn::kAsinh, V::kVector, 1, 0, 1, {V::kVector}},
    {"atan", Fn::kAtan, V::kVector, 1, 0, 1, {V::kVector}},
    {"atanh", Fn::kAtanh, V::kVector, 1, 0, 1, {V::kVector}},
    {"avg_over_time", Fn::kAvgOverTime, V::kVector, 1, 0, 1, {V::kMatrix}},
    {"ceil", Fn::kCeil, V::kVector, 1, 0, 1, {V::kVector}},
    {"changes", Fn::kChanges, V::kVector, 1, 0, 1, {V::kMatrix}},
    {"clamp", Fn::kClamp, V::kVector, 3, 0, 3, {V::kVector, V::kScalar, V::kScalar}},
    {"clamp_max", Fn::kClampMax, V::kVector, 2, 0, 2, {V::kVector, V::kScalar}},
    {"clamp_min", Fn::kClampMin, V::kVector, 2, 0, 2, {V::kVector, V::kScalar}},
    {"cos", Fn::kCos, V::kVector, 1, 0, 1, {V::kVector}},
    {"cosh", Fn::kCosh, V::kVector, 1, 0, 1, {V::kVector}},
    {"count_over_time", Fn::kCountOverTime, V::kVector, 1, 0, 1, {V::kMatrix}},
    {"day_of_month", Fn::kDayOfMonth, V::kVector, 0, 1, 1, {V::kVector}},
    {"day_of_week", Fn::kDayOfWeek, V::kVector, 0, 1, 1, {V::kVector}},
    {"day_of_year", Fn::kDayOfYear, V::kVector, 0, 1, 1, {V::kVector}},
    {"days_in_month", Fn::kDaysInMonth, V::kVector, 0, 1, 1, {V::kVector}},
    {"deg", Fn::kDeg, V::kVector, 1, 0, 1, {V::kVector}},
    {"delta", Fn::kDelta, V::kVector, 1, 0, 1, {V::kMatrix}},
    {"deriv", Fn::kDeriv, V::kVector, 1, 0, 1, {V::kMatrix}},
    {"double_exponential_smoothing",
     Fn::kExperimental,
     V::kVector,
     3,
     0,
     3,
     {V::kMatrix, V::kScalar, V::kScalar}},
    {"end", Fn::kExperimental, V::kScalar, 0, 0, 0, {}},
    {"exp", Fn::kExp, V::kVector, 1, 0, 1, {V::kVector}},
    {"first_over_time", Fn::kFirstOverTime, V::kVector, 1, 0, 1, {V::kMatrix}},
    {"floor", Fn::kFloor, V::kVector, 1, 0, 1, {V::kVector}},
    {"histogram_avg", Fn::kNativeHistogram, V::kVector, 1, 0, 1, {V::kVector}},
    {"histogram_count", Fn::kNativeHistogram, V::kVector, 1, 0, 1, {V::kVector}},
    {"histogram_fraction",
     Fn::kHistogramFraction,
     V::kVector,
     3,
     0,
     3,
     {V::kScalar, V::kScalar, V::kVector}},
    {"histogram_quantile", Fn::kHistogramQuantile, V::kVector, 2, 0, 2, {V::kScalar, V::kVector}},
    {"histogram_quantiles",
     Fn::kExperimental,
     V::kVector,
     3,
     9,
     4,
     {V::kVector, V::kString, V::kScalar, V::kScalar}},
    {"histogram_stddev", Fn::kNativeHistogram, V::kVector, 1, 0, 1, {V::kVector}},
    {"histogram_stdvar", Fn::kNativeHistogram, V::kVector, 1, 0, 1, {V::kVector}},
    {"histogram_sum", Fn::kNativeHistogram, V::kVector, 1, 0, 1, {V::kVector}},
    {"hour", Fn::kHour, V::kVector, 0, 1, 1, {V::kVector}},
    {"idelta", Fn::kIdelta, V::kVector, 1, 0, 1, {V::kMatrix}},
    {"increase", Fn::kIncrease, V::kVector, 1, 0, 1, {V::kMatrix}},
    {"info", Fn::kExperimental, V::kVector, 1, 1, 2, {V::kVector, V::kVector}},
    {"irate", Fn::kIrate, V::kVector, 1, 0, 1, {V::kMatrix}},
    {"label_join",
     Fn::kLabelJoin,
     V::kVector,
     3,
     -1,
     4,
     {V::kVector, V::kString, V::kString, V::kString}},
    {"label_replace",
     Fn::kLabelReplace,
     V::kVector,
     5,
     0,
     5,
     {V::kVector, V::kString, V::kString, V::kString, V::kString}},
    {"last_over_time", Fn::kLastOverTime, V::kVector, 1, 0, 1, {V::kMatrix}},
    {"ln", Fn::kLn, V::kVector, 1, 0, 1, {V::kVector}},
    {"log10", Fn::kLog10, V::kVector, 1, 0, 1, {V::kVector}},
    {"log2", Fn::kLog2, V::kVector, 1, 0, 1, {V::kVector}},
    {"mad_over_time", Fn::kExperimental, V::kVector, 1, 0, 1, {V::kMatrix}},
    {"max_of", Fn::kExperimental, V::kScalar, 2, 0, 2, {V::kScalar, V::kScalar}},
    {"max_over_time", Fn::kMaxOverTime, V::kVector, 1, 0, 1, {V::kMatrix}},
    {"min_of", Fn::kExperimental, V::kScalar, 2, 0, 2, {V::kScalar, V::kScalar}},
    {"min_over_time", Fn::kMinOverTime, V::kVector, 1, 0, 1, {V::kMatrix}},
    {"minute", Fn::kMinute, V::kVector, 0, 1, 1, {V::kVector}},
    {"month", Fn::kMonth, V::kVector, 0, 1, 1, {V::kVector}},
    {"pi", Fn::kPi, V::kScalar, 0, 0, 0, {}},
    {"predict_linear", Fn::kPredictLinear, V::kVector, 2, 0, 2, {V::kMatrix, V::kScalar}},
    {"present_over_time", Fn::kPresentOverTime, V::kVector, 1, 0, 1, {V::kMatrix}},
    {"quantile_over_time", Fn::kQuantileOverTime, V::kVector, 2, 0, 2, {V::kScalar, V::kMatrix}},
    {"rad", Fn::kRad, V::kVector, 1, 0, 1, {V::kVector}},
    {"range", Fn::kExperimental, V::kScalar, 0, 0, 0, {}},
    {"rate", Fn::kRate, V::kVector, 1, 0, 1, {V::kMatrix}},
    {"resets", Fn::kResets, V::kVector, 1, 0, 1, {V::kMatrix}},
    {"round", Fn::kRound, V::kVector, 1, 1, 2, {V::kVector, V::kScalar}},
    {"scalar", Fn::kScalar, V::kScalar, 1, 0, 1, {V::kVector}},
    {"sgn", Fn::kSgn, V::kVector, 1, 0, 1, {V::kVector}},
    {"sin", Fn::kSin, V::kVector, 1, 0, 1, {V::kVector}},
    {"sinh", Fn::kSinh, V::kVector, 1, 0, 1, {V::kVector}},
    {"sort", Fn::kSort, V::kVector, 1, 0, 1, {V::kVector}},
    {"sort_by_label", Fn::kExperimental, V::kVector, 1, -1, 2, {V::kVector, V::kString}},
    {"sort_by_label_desc", Fn::kExperimental, V::kVector, 1, -1, 2, {V::kVector, V::kString}},
    {"sort_desc", Fn::kSortDesc, V::kVector, 1, 0, 1, {V::kVector}},
    {"sqrt", Fn::kSqrt, V::kVector, 1, 0, 1, {V::kVector}},
    {"start", Fn::kExperimental, V::kScalar, 0, 0, 0, {}},
    {"start_timestamp", Fn::kExperimental, V::kVector, 1, 0, 1, {V::kVector}},
    {"stddev_over_time", Fn::kStddevOverTime, V::kVector, 1, 0, 1, {V::kMatrix}},
    {"stdvar_over_time", Fn::kStdvarOverTime, V::kVector, 1, 0, 1, {V::kMatrix}},
    {"step", Fn::kExperimental, V::kScalar, 0, 0, 0, {}},
    {"sum_over_time", Fn::kSumOverTime, V::kVector, 1, 0, 1, {V::kMatrix}},
    {"tan", Fn::kTan, V::kVector, 1, 0, 1, {V::kVector}},
    {"tanh", Fn::kTanh, V::kVector, 1, 0, 1, {V::kVector}},
    {"time", Fn::kTime, V::kScalar, 0, 0, 0, {}},
    {"timestamp", Fn::kTimestamp, V::kVector, 1, 0, 1, {V::kVector}},
    {"ts_of_first_over_time", Fn::kExperimental, V::kVector, 1, 0, 1, {V::kMatrix}},
    {"ts_of_last_over_time", Fn::kExperimental, V::kVector, 1, 0, 1, {V::kMatrix}},
    {"ts_of_max_over_time", Fn::kExperimental, V::kVector, 1, 0, 1, {V::kMatrix}},
    {"ts_of_min_over_time", Fn::kExperimental, V::kVector, 1, 0, 1, {V::kMatrix}},
    {"vector", Fn::kVector, V::kVector, 1, 0, 1, {V::kScalar}},
    {"year", Fn::kYear, V::kVector, 0, 1, 1, {V::kVector}},
});
static_assert(std::ranges::is_sorted(kFunctions, {}, &Function::name));

}  // namespace

std::string_view Documented(ValueType type) {
  switch (type) {
    case ValueType::kScalar:
      return "scalar";
    case ValueType::kVector:
      return "instant vector";
    case ValueType::kMatrix:
      return "range vector";
    case ValueType::kString:
      return "string";
    case ValueType::kNone:
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
