// Programs that only tests need and that no installation shall bring: fetched once into
// build/tools.
#pragma once

#include <functional>
#include <string>

#include "system/command.h"

namespace enclave::system_test {

// build/tools/NAME/PROGRAM, made by `fetch` in a folder of its own where it is missing; "" when it
// cannot be had.
std::string Fetched(const std::string& name, const std::string& program,
                    const std::function<void(const RunOptions& there)>& fetch);
// The same from a Debian package, unpacked aside: nothing is installed, no service starts.
std::string FetchedFromDebian(const std::string& package, const std::string& program);

// The only file in the working folder of `there` with this ending; "" when there is none.
std::string FileEnding(const std::string& ending, const RunOptions& there);

}  // namespace enclave::system_test
