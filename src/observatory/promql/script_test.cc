// Our scripts under testdata/, each eval of which must be right; and, for development, any folder
// of scripts in the same format: with PROMQL_SCRIPTS=DIR set, all *.test files in it are run and a
// line for each eval is written to the file PROMQL_REPORT. PROMQL_CASES names a file that lists the
// evals that count, as "name.test:line" in quotes.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "observatory/promql/script_runner.h"

namespace enclave::observatory::promql {
namespace {

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<std::filesystem::path> ScriptsIn(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> scripts;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == ".test") scripts.push_back(entry.path());
  std::ranges::sort(scripts);
  return scripts;
}

TEST(ScriptTest, OurScripts) {
  std::size_t evals = 0;
  for (const auto& path : ScriptsIn(PROMQL_TESTDATA)) {
    for (const CaseResult& result : RunScript(ReadFile(path))) {
      ++evals;
      EXPECT_EQ(result.status, CaseStatus::kPass)
          << path.filename().string() << ":" << result.line << ": " << result.detail;
    }
  }
  EXPECT_GE(evals, 300U);
}

TEST(ScriptTest, ScriptsOfAFolder) {
  const char* folder = std::getenv("PROMQL_SCRIPTS");
  if (folder == nullptr) GTEST_SKIP() << "PROMQL_SCRIPTS names no folder";
  const char* list = std::getenv("PROMQL_CASES");
  const char* report = std::getenv("PROMQL_REPORT");
  const std::string cases = list == nullptr ? "" : ReadFile(list);
  std::ofstream out(report == nullptr ? "/dev/null" : report);
  std::size_t count[3] = {};
  static constexpr std::string_view kNames[] = {"pass", "refused", "wrong"};
  for (const auto& path : ScriptsIn(folder)) {
    for (const CaseResult& result : RunScript(ReadFile(path))) {
      const std::string place = fmt::format("{}:{}", path.filename().string(), result.line);
      if (!cases.empty() && !cases.contains("\"" + place + "\"")) continue;
      const auto status = static_cast<std::size_t>(result.status);
      ++count[status];
      out << kNames[status] << ' ' << place << ' ' << result.detail << '\n';
    }
  }
  const std::string summary =
      fmt::format("{} right, {} refused, {} wrong", count[0], count[1], count[2]);
  out << summary << '\n';
  EXPECT_EQ(count[2], 0U) << summary;
}

}  // namespace
}  // namespace enclave::observatory::promql
