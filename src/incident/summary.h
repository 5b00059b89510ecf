// Robust figures of a set of values.
#pragma once

#include <vector>

#include "incident/context.h"

namespace enclave::incident {

// Reorders the values. Of none: all 0.
Summary Summarize(std::vector<double>& values);
// The spread of a Summary alone, of values whose median is known. Changes the values.
double SpreadAbout(double median, std::vector<double>& values);
// The value that a share `q` of them stays beneath; 0 of none. Reorders the values.
double Quantile(std::vector<double>& values, double q);

}  // namespace enclave::incident
