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
  std::vector<std::string> code;   // without comments and without what stands in string literals;
                                   // includes as they stand
};

std::filesystem::path Checkout();

// The .h and .cc files under src, sim, bench and tests, sorted by path.
const std::vector<SourceFile>& SourceTree();

// What a line includes, `net/http.h` of `#include "net/http.h"` or `# include <net/http.h>`; empty
// when it includes nothing.
std::string IncludedFile(const std::string& line);

// The lines of a data file of ours under the checkout, without comments (#...) and empty lines.
std::vector<std::string> DataLines(const std::string& path);

}  // namespace enclave::rules
