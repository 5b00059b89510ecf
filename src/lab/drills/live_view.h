// The picture of a drill that a person watches: what is being broken, how far it has come, how
// users fare second by second, and what the agent said last.
#pragma once

#include <string>
#include <vector>

#include "lab/drills/runner.h"

namespace enclave::lab::drills {

struct LiveStyle {
  std::size_t width = 80;  // columns of the terminal
  std::size_t height = 24;
  bool colour = true;
};

// Lines without line breaks, none wider than the width, and fewer than the height where that leaves
// room for the last three lines that were told.
std::vector<std::string> Picture(const Live& live, const std::vector<Objective>& objectives,
                                 const LiveStyle& style);

// No more than `width` characters of text, the last one an ellipsis where some are cut off; UTF-8.
std::string Cut(const std::string& text, std::size_t width);

// One character a value, the last ones, scaled to the largest; a dot for a value that is missing.
std::string Sparkline(const std::vector<std::optional<double>>& values, std::size_t width,
                      double at_least);

}  // namespace enclave::lab::drills
