// The words of LogQL that its parser knows: what each means, and those that mean something in Loki
// and are refused by name here. For parser.cc alone.
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
inline constexpr Named<RangeOp> kRangeOps[] = {{"count_over_time", RangeOp::kCountOverTime},
                                               {"rate", RangeOp::kRate},
                                               {"bytes_over_time", RangeOp::kBytesOverTime},
                                               {"bytes_rate", RangeOp::kBytesRate}};
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
inline constexpr std::string_view kOtherStages[] = {
    "unpack", "line_format", "label_format", "decolorize", "drop", "keep", "unwrap", "distinct"};
inline constexpr std::string_view kOtherFunctions[] = {"sum_over_time",
                                                       "avg_over_time",
                                                       "min_over_time",
                                                       "max_over_time",
                                                       "first_over_time",
                                                       "last_over_time",
                                                       "stdvar_over_time",
                                                       "stddev_over_time",
                                                       "quantile_over_time",
                                                       "absent_over_time",
                                                       "rate_counter",
                                                       "stddev",
                                                       "stdvar",
                                                       "sort",
                                                       "sort_desc",
                                                       "approx_topk",
                                                       "label_replace",
                                                       "variants"};

template <typename Table>
auto FindNamed(const Table& table, std::string_view name) {
  return std::ranges::find_if(table, [&](const auto& entry) { return entry.name == name; });
}

}  // namespace enclave::observatory::logql
