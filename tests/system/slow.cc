#include "system/slow.h"

namespace enclave::system_test {
namespace {
bool slow = false;
}

void SetSlow() {
  slow = true;
}

bool Slow() {
  return slow;
}

}  // namespace enclave::system_test
