// How long tests may be: `--slow` asks for the long versions (`./enclave test --slow`); `--kills N`
// and
// `--seed N` are for repeating what went wrong.
#pragma once

#include <string>

namespace enclave::system_test {

void SetSlow();
bool Slow();

// Of `program --kills 20 --seed 7`, the number after `name`; `otherwise` when it was not given.
void SetNumber(const std::string& name, unsigned long value);
unsigned long Number(const std::string& name, unsigned long otherwise);

}  // namespace enclave::system_test
