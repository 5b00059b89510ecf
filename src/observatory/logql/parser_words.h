// The words of LogQL that its parser knows: what each means, and those that mean something in Loki
// and are refused by name here. For the parser alone.
#pragma once

#include <algorithm>
#include <string_view>

#include "observatory/logql/ast.h"

namespace enclave::observatory::logql {

template <typename Value>
struct Named {
  std::string_view name;
  Value value;
};
enum class Unwraps : std::uint8_t { kNever, kMaybe, kAlways };
struct RangeWord {
  std::string_view name;
  RangeOp op;
  Unwraps unwraps;
  bool groups = false;  // may have by (...) behind it
};
inline constexpr RangeWord kRangeOps[] = {
    {"count_over_time", RangeOp::kCountOverTime, Unwraps::kNever},
    {"rate", RangeOp::kRate, Unwraps::kMaybe},
    {"bytes_over_time", RangeOp::kBytesOverTime, Unwraps::kNever},
    {"bytes_rate", RangeOp::kBytesRate, Unwraps::kNever},
    {"rate_counter", RangeOp::kRateCounter, Unwraps::kAlways},
    {"sum_over_time", RangeOp::kSumOverTime, Unwraps::kAlways},
    {"avg_over_time", RangeOp::kAvgOverTime, Unwraps::kAlways, true},
    {"min_over_time", RangeOp::kMinOverTime, Unwraps::kAlways, true},
    {"max_over_time", RangeOp::kMaxOverTime, Unwraps::kAlways, true},
    {"first_over_time", RangeOp::kFirstOverTime, Unwraps::kAlways, true},
    {"last_over_time", RangeOp::kLastOverTime, Unwraps::kAlways, true},
    {"stdvar_over_time", RangeOp::kStdvarOverTime, Unwraps::kAlways, true},
    {"stddev_over_time", RangeOp::kStddevOverTime, Unwraps::kAlways, true},
    {"quantile_over_time", RangeOp::kQuantileOverTime, Unwraps::kAlways, true}};
inline constexpr Named<VectorOp> kVectorOps[] = {
    {"sum", VectorOp::kSum},        {"avg", VectorOp::kAvg},     {"min", VectorOp::kMin},
    {"max", VectorOp::kMax},        {"count", VectorOp::kCount}, {"topk", VectorOp::kTopk},
    {"bottomk", VectorOp::kBottomk}};
inline constexpr Named<Comparison> kComparisons[] = {
    {"==", Comparison::kEqual},          {"=", Comparison::kEqual},
    {"!=", Comparison::kNotEqual},       {">", Comparison::kGreater},
    {">=", Comparison::kGreaterOrEqual}, {"<", Comparison::kLess},
    {"<=", Comparison::kLessOrEqual}};
struct BinaryWord {
  std::string_view name;
  BinaryOp op;
  int precedence;
};
inline constexpr BinaryWord kBinaryOps[] = {
    {"==", BinaryOp::kEqual, 1},   {"!=", BinaryOp::kNotEqual, 1},
    {">", BinaryOp::kGreater, 1},  {">=", BinaryOp::kGreaterOrEqual, 1},
    {"<", BinaryOp::kLess, 1},     {"<=", BinaryOp::kLessOrEqual, 1},
    {"+", BinaryOp::kAdd, 2},      {"-", BinaryOp::kSubtract, 2},
    {"*", BinaryOp::kMultiply, 3}, {"/", BinaryOp::kDivide, 3},
    {"%", BinaryOp::kModulo, 3},   {"^", BinaryOp::kPower, 4}};
// Names of the language that mean something, and nothing here yet.
inline constexpr std::string_view kOtherStages[] = {"unpack", "distinct"};
inline constexpr std::string_view kOtherFunctions[] = {
    "absent_over_time", "stddev",      "stdvar",        "sort",
    "sort_desc",        "approx_topk", "label_replace", "variants"};

template <typename Table>
auto FindNamed(const Table& table, std::string_view name) {
  return std::ranges::find_if(table, [&](const auto& entry) { return entry.name == name; });
}

}  // namespace enclave::observatory::logql
