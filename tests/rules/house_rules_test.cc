// The rules of the house. Each banned call names what to use instead; each exception says where.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <set>

#include "source_tree.h"

namespace enclave::rules {
namespace {

namespace fs = std::filesystem;

struct Ban {
  std::vector<std::string> names;     // as they stand in code; "f(" is a call of f
  const char* instead;                // what to use
  std::vector<std::string> except{};  // path prefixes, or suffixes when they begin with '*'
};

const std::vector<Ban>& Bans() {
  static const std::vector<Ban> bans = {
      {{"this_thread::sleep_for(", "this_thread::sleep_until(", "usleep(", "nanosleep(", "sleep("},
       "a timer of base::Executor or net::EventLoop; in system tests system/eventually.h",
       // What the kernel takes apart tells nobody when it is done.
       {"src/cluster/kubelet/cgroup.cc", "src/cluster/kubelet/process_runtime",
        "tests/system/eventually.cc", "tests/programs/"}},
      {{"std::system(", "system(", "popen("}, "net/process.h: arguments as a vector, no shell"},
      {{"rand(", "srand(", "std::rand(", "std::random_device", "std::mt19937", "std::mt19937_64"},
       "base::Random, handed in",
       {"src/base/random", "tests/programs/", "tests/system/"}},
      {{"time(nullptr)", "std::time(nullptr)", "std::chrono::system_clock::now(",
        "std::chrono::steady_clock::now(", "steady_clock::now(", "system_clock::now(",
        "gettimeofday(", "clock_gettime(", "::clock_gettime("},
       "base::Clock, handed in",
       // net is where real time comes from, and these two are the kubelet's real machine.
       {"src/base/", "src/net/", "src/cluster/kubelet/process_runtime",
        "src/cluster/kubelet/container_directory.cc", "*_bench.cc", "*_main.cc", "bench/",
        "tests/system/", "tests/programs/"}},
      {{"std::cout", "std::cerr", "std::clog", "#include <iostream>"},
       "fmt::print in commands, base/log.h elsewhere"},
      {{"printf(", "std::printf(", "fprintf(", "std::fprintf(", "fmt::print("},
       "base/log.h",
       {"src/cli/", "src/base/check.cc", "src/base/log", "*_bench.cc", "*_main.cc", "bench/",
        "tests/"}},
      {{"std::format(", "#include <format>"}, "fmt::format: libstdc++ 12 has no std::format"},
      {{"assert(", "#include <cassert>"}, "CHECK(condition, \"sentence\") of base/check.h"},
      {{"atoi(", "std::atoi(", "atol(", "std::atol(", "atof(", "strtol(", "std::strtol(",
        "strtoul(", "std::strtoul(", "strtoull(", "std::strtoull(", "std::stoi(", "std::stol(",
        "std::stoll(", "std::stoul(", "std::stoull(", "std::stod("},
       "std::from_chars, which tells a bad number from zero",
       // The shim is linked without the enclave's libraries and reads what the kernel wrote.
       {"*_test.cc", "tests/", "src/cluster/kubelet/shim_main.cc"}},
      {{".detach()"}, "a thread with an owner that joins it"},
      {{"using namespace std;"}, "the names one by one"},
      {{"strcpy(", "std::strcpy(", "strcat(", "sprintf(", "gets("}, "std::string or fmt::format"},
      {{"std::regex", "#include <regex>"},
       "a hand-written matcher: std::regex recurses on outside input",
       {"tests/"}},
      {{"#if 0"}, "no code, or code that runs"},
  };
  return bans;
}

bool IsWord(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

// `name` as a use of it: not the end of a longer name, not a member, not a variable declared by
// that name.
bool Uses(const std::string& code, const std::string& name) {
  for (std::size_t at = code.find(name); at != std::string::npos; at = code.find(name, at + 1)) {
    if (!IsWord(name[0])) return true;
    if (IsWord(name.back()) && at + name.size() < code.size() && IsWord(code[at + name.size()]))
      continue;
    const std::size_t before = code.find_last_not_of(' ', at == 0 ? std::string::npos : at - 1);
    if (at == 0 || before == std::string::npos) return true;
    const char c = code[before];
    const bool member = c == '.' || c == ':' || (c == '>' && before > 0 && code[before - 1] == '-');
    const std::size_t word = code.find_last_of(" \t(;{}", before);
    const std::string last = code.substr(word + 1, before - word);
    const bool keyword = last == "return" || last == "else" || last == "do" || last == "co_return";
    const bool declared =
        name.back() == '(' && !keyword &&
        (IsWord(c) || c == '>' || c == '*' || (c == '&' && code[before - 1] != '&'));
    const bool global = c == ':' && before >= 1 && code[before - 1] == ':' &&
                        (before == 1 || !IsWord(code[before - 2]));
    if (global || (!member && !declared)) return true;
  }
  return false;
}

bool Excepted(const Ban& ban, const std::string& path) {
  return std::ranges::any_of(ban.except, [&](const std::string& except) {
    return except.starts_with('*') ? path.ends_with(except.substr(1)) : path.starts_with(except);
  });
}

bool HasWord(const std::string& line, const std::string& word) {
  const std::size_t at = line.find(word);
  if (at == std::string::npos) return false;
  const std::size_t end = at + word.size();
  return (at == 0 || !IsWord(line[at - 1])) && (end == line.size() || !IsWord(line[end]));
}

TEST(HouseRulesTest, BannedCallsHaveAReplacement) {
  for (const SourceFile& file : SourceTree()) {
    for (const Ban& ban : Bans()) {
      if (Excepted(ban, file.path)) continue;
      for (std::size_t i = 0; i < file.code.size(); ++i)
        for (const std::string& name : ban.names)
          EXPECT_FALSE(Uses(file.code[i], name))
              << file.path << ":" << i + 1 << ": " << file.lines[i]
              << "\n  use instead: " << ban.instead;
    }
  }
}

TEST(HouseRulesTest, UsesAreToldFromOtherNames) {
  EXPECT_TRUE(Uses("  system(command);", "system("));
  EXPECT_TRUE(Uses("  return system(command);", "system("));
  EXPECT_TRUE(Uses("  if (::system(command) == 0)", "system("));
  EXPECT_TRUE(Uses("  int x = rand();", "rand("));
  EXPECT_TRUE(Uses("system(x);", "system("));
  EXPECT_FALSE(Uses("  std::ifstream system(path);", "system("));
  EXPECT_FALSE(Uses("  file.system(path);", "system("));
  EXPECT_FALSE(Uses("  operand(path);", "rand("));
  EXPECT_FALSE(Uses("  std::regex_x y;", "std::regex"));
  EXPECT_TRUE(Uses("  thread.detach();", ".detach()"));
}

TEST(HouseRulesTest, NothingIsLeftForLater) {
  // Spelled apart, so that this file keeps its own rule.
  const std::vector<std::string> words = {std::string("TO") + "DO", std::string("FIX") + "ME",
                                          std::string("XX") + "X", std::string("HA") + "CK"};
  for (const SourceFile& file : SourceTree())
    for (std::size_t i = 0; i < file.lines.size(); ++i)
      for (const std::string& word : words)
        EXPECT_FALSE(HasWord(file.lines[i], word))
            << file.path << ":" << i + 1 << ": do it now, or open an issue: " << file.lines[i];
}

TEST(HouseRulesTest, TextFromOutsideIsQuotedByBase) {
  // Spelled apart, so that this file keeps its own rule.
  const std::string debug_format = std::string("{:") + "?}";
  for (const SourceFile& file : SourceTree())
    for (std::size_t i = 0; i < file.lines.size(); ++i)
      EXPECT_EQ(file.lines[i].find(debug_format), std::string::npos)
          << file.path << ":" << i + 1
          << ": use base::Quote: fmt 9 aborts on bytes that are not UTF-8";
}

TEST(HouseRulesTest, HeadersAreIncludedOnceAndKeepAsioOut) {
  for (const SourceFile& file : SourceTree()) {
    if (!file.path.ends_with(".h")) continue;
    EXPECT_TRUE(std::ranges::find(file.code, "#pragma once") != file.code.end())
        << file.path << ": needs #pragma once";
    // What the .cc files of net share among themselves.
    if (file.path == "src/net/http_parser.h") continue;
    for (const std::string& line : file.code)
      EXPECT_FALSE(line.starts_with("#include <boost/") &&
                   (line.contains("beast") || line.contains("boost/asio.hpp")))
          << file.path
          << ": Beast belongs into .cc files, it costs seconds wherever it is included";
  }
}

// A file that is one concept in spite of its length stands here, with what the concept is.
const std::map<std::string, std::string>& LongFiles() {
  static const std::map<std::string, std::string> files = {
      {"src/cluster/kubelet/process_runtime.cc", "containers as processes, from start to removal"},
      {"src/cluster/kubelet/shim_main.cc", "the shim: one small program, linked alone"},
  };
  return files;
}

TEST(HouseRulesTest, FilesAreShort) {
  constexpr std::size_t kMostLines = 500;
  constexpr std::size_t kMostLinesOfATest = 700;  // cases side by side are read one at a time
  for (const SourceFile& file : SourceTree()) {
    const bool test = file.path.ends_with("_test.cc");
    if (LongFiles().contains(file.path))
      EXPECT_GT(file.lines.size(), kMostLines)
          << file.path << ": is short again; take it off the list";
    else
      EXPECT_LE(file.lines.size(), test ? kMostLinesOfATest : kMostLines)
          << file.path << ": two concepts; make it two files";
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
  const std::vector<std::string> places = {std::string("/wo") + "rk/", std::string("/ro") + "ot/",
                                           std::string("/Us") + "ers/"};
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
      for (const std::string& place : places)
        EXPECT_EQ(line.find(place), std::string::npos) << path << ": " << line;
  }
}

}  // namespace
}  // namespace enclave::rules
