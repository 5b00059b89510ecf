// The acceptance table: what a user of a real Kubernetes types, row by row, with every kubectl that
// can be had here. The oldest and the newest run the whole table, the others a short sweep. A
// kubectl has an enclave of its own; rows build on the rows before them and make up for them when
// only some are run.
#include "system/acceptance_rows.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>

namespace enclave::system_test {
namespace {

// One kubectl's table at work.
std::map<int, std::unique_ptr<Session>>& Sessions() {
  static std::map<int, std::unique_ptr<Session>> sessions;
  return sessions;
}

class AcceptanceTest : public testing::Test {
 public:
  AcceptanceTest(KubectlProgram program, const Row& row, bool last)
      : program_(std::move(program)), row_(row), last_(last) {}
  void TestBody() override {
    std::unique_ptr<Session>& session = Sessions()[program_.minor];
    if (session == nullptr) session = std::make_unique<Session>(program_);
    if (!session->up()) FAIL() << "the enclave is not up";
    row_.run(*session);
  }
  void TearDown() override {
    if (last_) Sessions().erase(program_.minor);
  }

 private:
  KubectlProgram program_;
  const Row& row_;
  bool last_;
};

}  // namespace

const std::vector<Row>& AcceptanceRows() {
  static const std::vector<Row> rows = [] {
    std::vector<Row> all = ReadingRows();
    for (const auto& more : {ChangingRows(), EndingRows()})
      all.insert(all.end(), more.begin(), more.end());
    return all;
  }();
  return rows;
}

void RegisterAcceptanceTable() {
  const std::vector<KubectlProgram>& programs = FindKubectls();
  for (const KubectlProgram& program : programs) {
    const bool whole =
        program.minor == programs.front().minor || program.minor == programs.back().minor;
    std::vector<const Row*> rows;
    for (const Row& row : AcceptanceRows()) {
      if ((whole || row.sweep) && program.minor >= row.since) rows.push_back(&row);
    }
    for (const Row* row : rows) {
      const std::string suite = fmt::format("Kubectl_1_{}", program.minor);
      const std::string name = fmt::format("Row{:02}_{}", row->number, row->name);
      const bool last = row == rows.back();
      testing::RegisterTest(suite.c_str(), name.c_str(), nullptr, nullptr, __FILE__, __LINE__,
                            [program, row, last]() -> testing::Test* {
                              return new AcceptanceTest(program, *row, last);
                            });
    }
  }
}

}  // namespace enclave::system_test
