// The rows of the acceptance table, as data.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "system/session.h"

namespace enclave::system_test {

struct Row {
  int number = 0;
  const char* name = "";
  bool sweep = false;  // also with the kubectls between the oldest and the newest
  int since = 0;       // the first minor version that has what the row uses
  std::function<void(Session&)> run;
};

std::vector<Row> ReadingRows();
std::vector<Row> ChangingRows();
std::vector<Row> EndingRows();
// All of them, in the order in which they build on each other.
const std::vector<Row>& AcceptanceRows();

// Called before the tests run.
void RegisterAcceptanceTable();

}  // namespace enclave::system_test
