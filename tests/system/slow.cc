#include "system/slow.h"

#include <map>

namespace enclave::system_test {
namespace {
bool slow = false;
std::map<std::string, unsigned long> numbers;
}  // namespace

void SetSlow() {
  slow = true;
}

bool Slow() {
  return slow;
}

void SetNumber(const std::string& name, unsigned long value) {
  numbers[name] = value;
}

unsigned long Number(const std::string& name, unsigned long otherwise) {
  const auto found = numbers.find(name);
  return found == numbers.end() ? otherwise : found->second;
}

}  // namespace enclave::system_test
