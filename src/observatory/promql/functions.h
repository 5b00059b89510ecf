// The functions of PromQL by name and type.
//
// Experimental functions of upstream are in the table so that they can be refused by name. Any
// thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace enclave::observatory::promql {

enum class ValueType : std::uint8_t { kNone, kScalar, kVector, kMatrix, kString };

// "scalar", "instant vector", "range vector", "string".
std::string_view Documented(ValueType type);

enum class Fn : std::uint8_t {
  kExperimental,
  // Of each value of a vector.
  kAbs,
  kAcos,
  kAcosh,
  kAsin,
  kAsinh,
  kAtan,
  kAtanh,
  kCeil,
  kCos,
  kCosh,
  kDeg,
  kExp,
  kFloor,
  kLn,
  kLog10,
  kLog2,
  kRad,
  kSgn,
  kSin,
  kSinh,
  kSqrt,
  kTan,
  kTanh,
  kClamp,
  kClampMax,
  kClampMin,
  kRound,
  kDayOfMonth,
  kDayOfWeek,
  kDayOfYear,
  kDaysInMonth,
  kHour,
  kMinute,
  kMonth,
  kYear,
  // Of the samples in a range.
  kAvgOverTime,
  kChanges,
  kCountOverTime,
  kDelta,
  kDeriv,
  kFirstOverTime,
  kIdelta,
  kIncrease,
  kIrate,
  kLastOverTime,
  kMaxOverTime,
  kMinOverTime,
  kPredictLinear,
  kPresentOverTime,
  kQuantileOverTime,
  kRate,
  kResets,
  kStddevOverTime,
  kStdvarOverTime,
  kSumOverTime,
  // Of a vector as a whole.
  kAbsent,
  kAbsentOverTime,
  kHistogramFraction,
  kHistogramQuantile,
  kLabelJoin,
  kLabelReplace,
  kNativeHistogram,  // parts of native histograms: of floats nothing
  kPi,
  kScalar,
  kSort,
  kSortDesc,
  kTime,
  kTimestamp,
  kVector,
};

struct Function {
  std::string_view name;
  Fn fn;
  ValueType returns;
  std::uint8_t required;  // arguments
  // Of optional ones of the last type; -1: any number.
  std::int8_t optional;
  std::uint8_t types_count;
  ValueType types[5];

  std::span<const ValueType> arg_types() const { return {types, types_count}; }
  bool experimental() const { return fn == Fn::kExperimental; }
};

// Null when there is none of that name.
const Function* FindFunction(std::string_view name);
std::span<const Function> AllFunctions();  // by name

inline bool IsMathFunction(Fn fn) {
  return fn >= Fn::kAbs && fn <= Fn::kYear;
}
inline bool IsRangeFunction(Fn fn) {
  return fn >= Fn::kAvgOverTime && fn <= Fn::kSumOverTime;
}

}  // namespace enclave::observatory::promql
