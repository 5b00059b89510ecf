// Clients from npm that drive what is tested: folders of tests/ with package.json,
// package-lock.json and check.mjs.
#pragma once

#include <filesystem>
#include <string>

namespace enclave::system_test {

// The folder `name` of tests/ with what it depends on, in build/tools: installed once for each lock
// file. Empty, with a failed expectation, when it cannot be had.
std::filesystem::path InstalledNpmClient(const std::string& name);

}  // namespace enclave::system_test
