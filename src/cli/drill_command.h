// `enclave drill`: breaks the boutique on purpose, and judges what the agent makes of it.
#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace enclave::cli {

// Adds the command. The result runs it and returns the process's exit code, 0 only when every drill
// went as it should; it is called only when the command was given, and lives as long as `app`.
std::function<int()> AddDrill(CLI::App& app);

}  // namespace enclave::cli
