// Whether the long versions of tests were asked for (`./enclave test --slow`).
#pragma once

namespace enclave::system_test {

void SetSlow();
bool Slow();

}  // namespace enclave::system_test
