// `enclave memory ...`: what is remembered of incidents, for people and for programs.
#pragma once

#include <memory>

#include "cli/commands.h"

namespace CLI {
class App;
}

namespace enclave::cli {

struct MemoryCommandOptions {
  std::string state;
  OutputFormat output = OutputFormat::kText;
  std::string service;           // list: of the cause
  std::size_t limit = 50;        // list
  std::size_t k = 5;             // recall
  std::vector<std::string> ids;  // show, recall: the first; forget
  std::string older_than;        // forget: "90d"
  std::uint64_t keep = 0;        // forget: down to so many; 0: not asked for
  std::string file;              // export, import; "-": standard output or input
};

// Adds `memory` with its subcommands to the program. Once parsed, Run() does the one that was
// called and returns the process's exit code.
class MemoryCommand {
 public:
  explicit MemoryCommand(CLI::App& app);
  bool called() const;
  int Run() const;

 private:
  CLI::App* command_;
  std::unique_ptr<MemoryCommandOptions> options_ = std::make_unique<MemoryCommandOptions>();
};

}  // namespace enclave::cli
