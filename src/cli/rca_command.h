// `enclave rca`: the root-cause engine over incidents, live ones and those that come as files.
#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace enclave::cli {

// Adds the command. The result runs it and returns the process's exit code; it is called only when
// the command was given, and lives as long as `app`.
std::function<int()> AddRca(CLI::App& app);

}  // namespace enclave::cli
