// The numbers of an evaluation: how often right, with how much certainty, and what each kind of
// evidence is worth.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "base/executor.h"
#include "base/result.h"
#include "bench/rca/evaluate.h"
#include "bench/rca/pack.h"
#include "bench/rca/recollection.h"

namespace enclave::bench::rca {

struct Interval {
  double low = 0;
  double high = 0;
};
// Wilson's 95 % interval of `hits` of `all`.
Interval WilsonInterval(std::size_t hits, std::size_t all);

// Mean distance between confidence and how often it was right, over ten bins of equal width.
double ExpectedCalibrationError(const std::vector<Outcome>& outcomes);

// One variant of the evaluation over all cases of all packs.
struct Variant {
  std::string name{};
  std::vector<std::vector<Outcome>> packs{};  // as the packs
};

struct Evaluation {
  std::vector<std::string> packs{};  // names
  Variant plain{};
  std::vector<Variant> perturbed{};
  std::vector<Variant> ablated{};
  std::optional<MemoryReport> memory{};
  std::vector<std::string> predictions{};  // lines for the scorer, as the cases
  std::vector<SkippedRows> skipped{};
  std::size_t failed = 0;  // cases that could not be loaded or asked: counted as wrong
  std::vector<std::string> errors{};
};

struct EvaluateOptions {
  bool perturb = false;
  bool ablate = false;
  // Needs `perturb`: the perturbed cases are the repeats that memory is asked about.
  bool remember = false;
  std::vector<std::string> only{};  // cases; empty: all
  // Called with how many cases are done, of how many.
  std::function<void(std::size_t, std::size_t)> progress{};
};

Evaluation Evaluate(const std::vector<Pack>& packs, const EvaluateOptions& options,
                    base::Clock& clock);

// The first row is the head.
struct Table {
  std::string title{};
  std::string note{};
  std::vector<std::vector<std::string>> rows{};
};
std::vector<Table> TablesOf(const Evaluation& evaluation);
std::string ToMarkdown(const std::vector<Table>& tables);
nlohmann::json ToJson(const Evaluation& evaluation);

}  // namespace enclave::bench::rca
