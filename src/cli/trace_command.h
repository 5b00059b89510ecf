// `enclave trace ID`: the story of a trace.
#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace enclave::cli {

// Adds the command. The result runs it and returns the process's exit code; it is called only when
// the command was given, and lives as long as `app`.
std::function<int()> AddTrace(CLI::App& app);

}  // namespace enclave::cli
