// Functions of single values: abs, clamp, round, the calendar, and binary operators on numbers.
// Internal.
#pragma once

#include <cstdint>

#include "observatory/promql/functions.h"
#include "observatory/promql/lexer.h"

namespace enclave::observatory::promql {

// Of those that take a value alone. Parts of dates take seconds since 1970, UTC.
using MathFunction = double (*)(double);
// Null for clamp*, round.
MathFunction MathFunctionOf(Fn fn);

double Clamp(double value, double least, double most);  // NaN of anything is NaN
double Round(double value, double to_nearest);

// Arithmetic; comparisons give 1 or 0.
double ApplyOperator(Token op, double left, double right);
bool Compare(Token op, double left, double right);

}  // namespace enclave::observatory::promql
