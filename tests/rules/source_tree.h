// The checkout as the rules see it: every source file of ours, read once.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace enclave::rules {

struct SourceFile {
  std::string path;                // relative to the checkout: "src/base/result.h"
  std::string folder;              // as tools/layers.txt names it: "base", "cluster/api", "tests"
  std::vector<std::string> lines;  // as they stand
  std::vector<std::string> code;   // without comments and without what stands in string literals
};

std::filesystem::path Checkout();

// The .h and .cc files under src, sim and tests, sorted by path.
const std::vector<SourceFile>& SourceTree();

// The lines of a data file of ours under the checkout, without comments (#...) and empty lines.
std::vector<std::string> DataLines(const std::string& path);

}  // namespace enclave::rules
