// The rules of the house. Each banned call names what to use instead; each exception says where.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <regex>
#include <set>

#include "source_tree.h"

namespace enclave::rules {
namespace {

namespace fs = std::filesystem;

struct Ban {
  const char* pattern;                // an ECMAScript regular expression, matched against code
  const char* instead;                // what to use
  std::vector<std::string> except{};  // path prefixes, or suffixes when they begin with '*'
};

const std::vector<Ban>& Bans() {
  static const std::vector<Ban> bans = {
      {R"(this_thread::sleep_(for|until)|\busleep\(|\bnanosleep\(|[^_\w.]sleep\()",
       "a timer of base::Executor or net::EventLoop; in system tests support/eventually.h",
       {"tests/system/eventually.cc", "tests/programs/"}},
      {R"(\bstd::system\(|[^_\w.:>]system\(|\bpopen\()",
       "net/process.h: arguments as a vector, no shell"},
      {R"(\b(std::)?s?rand\(|\bstd::random_device\b|\bmt19937)",
       "base::Random, handed in",
       {"src/base/random", "tests/programs/", "tests/system/"}},
      {R"(\btime\((nullptr|NULL|0)\)|system_clock::now|steady_clock::now|\bgettimeofday\(|\bclock_gettime\()",
       "base::Clock, handed in",
       {"src/base/", "*_bench.cc", "*_main.cc", "bench/", "tests/system/", "tests/programs/"}},
      {R"(\bstd::(cout|cerr|clog)\b|#include <iostream>)",
       "fmt::print in commands, base/log.h elsewhere"},
      {R"(\b(fmt::|std::)?f?printf?\(|\bfmt::print\()",
       "base/log.h",
       {"src/cli/", "src/base/check.cc", "src/base/log", "*_bench.cc", "*_main.cc", "bench/",
        "tests/"}},
      {R"(\bstd::format\b|#include <format>)", "fmt::format: libstdc++ 12 has no std::format"},
      {R"([^_\w]assert\(|#include <(cassert|assert\.h)>)",
       "CHECK(condition, \"sentence\") of base/check.h"},
      {R"(\b(std::)?(atoi|atol|atof|strtol|strtoul|sto[il]|stoul|stoull|stod)\()",
       "std::from_chars, which tells a bad number from zero",
       {"tests/programs/"}},
      {R"(\.detach\(\))", "a thread with an owner that joins it"},
      {R"(\busing namespace std\b)", "the names one by one"},
      {R"(\bstrcpy\(|\bstrcat\(|\bsprintf\(|\bgets\()", "std::string or fmt::format"},
      {R"(\bstd::regex\b|#include <regex>)",
       "a hand-written matcher: std::regex recurses on outside input",
       {"tests/"}},
      {R"(\bconst_cast<)",
       "a type that says what it is",
       {"*_test.cc", "src/net/", "src/cluster/kubelet/", "src/base/", "src/cli/",
        "src/cluster/store/", "tests/"}},
      {R"(\breinterpret_cast<.*\*>\(\s*&\w+\)\s*->)", "std::bit_cast or memcpy"},
      {R"(#\s*if\s+0\b)", "no code, or code that runs"},
  };
  return bans;
}

bool Excepted(const Ban& ban, const std::string& path) {
  return std::ranges::any_of(ban.except, [&](const std::string& except) {
    return except.starts_with('*') ? path.ends_with(except.substr(1)) : path.starts_with(except);
  });
}

TEST(HouseRulesTest, BannedCallsHaveAReplacement) {
  for (const Ban& ban : Bans()) {
    const std::regex pattern(ban.pattern);
    for (const SourceFile& file : SourceTree()) {
      if (Excepted(ban, file.path)) continue;
      for (std::size_t i = 0; i < file.code.size(); ++i)
        EXPECT_FALSE(std::regex_search(file.code[i], pattern))
            << file.path << ":" << i + 1 << ": " << file.lines[i]
            << "\n  use instead: " << ban.instead;
    }
  }
}

TEST(HouseRulesTest, EveryBanFindsWhatItBans) {
  const std::vector<std::string> offences = {"  std::this_thread::sleep_for(1s);",
                                             "  system(command);",
                                             "  int x = rand();",
                                             "  auto t = std::chrono::steady_clock::now();",
                                             "  std::cout << x;",
                                             "  fmt::print(x);",
                                             "  std::format(x);",
                                             "  assert(x);",
                                             "  int i = std::stoi(x);",
                                             "  t.detach();",
                                             "using namespace std;",
                                             "  sprintf(a, b);",
                                             "  std::regex r;",
                                             "  const_cast<A*>(x)",
                                             "  reinterpret_cast<A*>(&b)->c",
                                             "#if 0"};
  ASSERT_EQ(offences.size(), Bans().size());
  for (std::size_t i = 0; i < offences.size(); ++i)
    EXPECT_TRUE(std::regex_search(offences[i], std::regex(Bans()[i].pattern))) << offences[i];
}

TEST(HouseRulesTest, NothingIsLeftForLater) {
  // Spelled apart, so that this file keeps its own rule.
  const std::regex later(
      "\\b(TO"
      "DO|FIX"
      "ME|XX"
      "X|HA"
      "CK)\\b");
  for (const SourceFile& file : SourceTree())
    for (std::size_t i = 0; i < file.lines.size(); ++i)
      EXPECT_FALSE(std::regex_search(file.lines[i], later))
          << file.path << ":" << i + 1 << ": do it now, or open an issue: " << file.lines[i];
}

TEST(HouseRulesTest, HeadersAreIncludedOnceAndKeepAsioOut) {
  for (const SourceFile& file : SourceTree()) {
    if (!file.path.ends_with(".h")) continue;
    EXPECT_TRUE(std::ranges::find(file.code, "#pragma once") != file.code.end())
        << file.path << ": needs #pragma once";
    for (const std::string& line : file.code)
      EXPECT_FALSE(line.starts_with("#include <boost/") &&
                   (line.contains("beast") || line.contains("boost/asio.hpp")))
          << file.path
          << ": Beast belongs into .cc files, it costs seconds wherever it is included";
  }
}

// A file that is one concept in spite of its length stands here with the reason.
const std::set<std::string>& LongFiles() {
  static const std::set<std::string> files = {};
  return files;
}

TEST(HouseRulesTest, FilesAreShort) {
  constexpr std::size_t kMostLines = 500;
  for (const SourceFile& file : SourceTree()) {
    const bool listed = LongFiles().contains(file.path);
    if (!listed)
      EXPECT_LE(file.lines.size(), kMostLines) << file.path << ": two concepts; make it two files";
    if (listed)
      EXPECT_GT(file.lines.size(), kMostLines)
          << file.path << ": is short again; take it off the list";
  }
}

TEST(HouseRulesTest, EveryFolderSaysWhatItIsFor) {
  std::set<fs::path> folders;
  for (const SourceFile& file : SourceTree()) folders.insert(fs::path(file.path).parent_path());
  for (const fs::path& folder : folders) {
    if (folder.string().starts_with("tests/")) continue;
    std::ifstream readme(Checkout() / folder / "README.md");
    EXPECT_TRUE(readme.is_open()) << folder << " has no README.md";
    std::size_t lines = 0;
    for (std::string line; std::getline(readme, line);) ++lines;
    EXPECT_GE(lines, 5u) << folder << "/README.md says too little";
    EXPECT_LE(lines, 60u) << folder << "/README.md is not read when it is long";
  }
}

TEST(HouseRulesTest, EveryFuzzerIsRegisteredAndOneIsTheCanary) {
  std::set<std::string> registered;
  std::size_t canaries = 0;
  for (const std::string& line : DataLines("tools/fuzzers.txt")) {
    registered.insert(line.substr(0, line.find(' ')));
    if (line.ends_with(" canary")) ++canaries;
  }
  EXPECT_EQ(canaries, 1u);
  std::set<std::string> existing;
  for (const SourceFile& file : SourceTree())
    if (file.path.ends_with("_fuzz.cc")) existing.insert(file.path);
  EXPECT_EQ(registered, existing);
}

TEST(HouseRulesTest, NoPathOfOneMachine) {
  // Spelled apart, so that this file keeps its own rule.
  const std::regex machine(
      "(/"
      "work|/"
      "root|/home/[a-z]+|/"
      "Users)/");
  std::vector<fs::path> files;
  for (const char* root : {"src", "sim", "bench", "tests", "tools", "docs", "deploy", "cmake"}) {
    if (!fs::exists(Checkout() / root)) continue;
    for (auto it = fs::recursive_directory_iterator(Checkout() / root);
         it != fs::recursive_directory_iterator(); ++it) {
      if (it->path().filename() == "node_modules") it.disable_recursion_pending();
      if (it->is_regular_file()) files.push_back(it->path());
    }
  }
  for (const char* name : {"README.md", "CONTRIBUTING.md", "CMakeLists.txt", "enclave"})
    if (fs::exists(Checkout() / name)) files.push_back(Checkout() / name);
  for (const fs::path& path : files) {
    std::ifstream stream(path);
    for (std::string line; std::getline(stream, line);)
      EXPECT_FALSE(std::regex_search(line, machine)) << path << ": " << line;
  }
}

}  // namespace
}  // namespace enclave::rules
