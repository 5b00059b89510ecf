// Temporary.
#include <fmt/format.h>
#include <cstdlib>
#include <fstream>
#include "bench/rca/report.h"
#include "incident/freeze.h"
namespace packs = enclave::bench::rca;
int main(int argc, char** argv) {
  std::vector<packs::Pack> found;
  packs::EvaluateOptions options;
  std::string markdown;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    if (arg == "--perturb") options.perturb = true;
    else if (arg == "--ablate") options.ablate = true;
    else if (arg == "--remember") options.remember = true;
    else if (arg.starts_with("--only=")) options.only.push_back(arg.substr(7));
    else if (arg.starts_with("--md=")) markdown = arg.substr(5);
    else { auto pack = packs::ReadPack(arg); if (!pack) return fmt::print("{}\n", pack.error().message()), 1; found.push_back(*std::move(pack)); }
  }
  const auto evaluation = packs::Evaluate(found, options, enclave::base::SystemClock());
  for (const auto& line : evaluation.errors) fmt::print("{}\n", line);
  const std::string text = packs::ToMarkdown(packs::TablesOf(evaluation));
  fmt::print("{}", text);
  if (!markdown.empty()) std::ofstream(markdown) << text;
  if (const char* out = std::getenv("PREDS")) { std::ofstream file(out); for (const auto& line : evaluation.predictions) file << line << "\n"; }
}
