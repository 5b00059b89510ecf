// The agent's memory: what earlier incidents looked like, what was concluded and done, and what
// became of it, kept by memory::Memory.
//
// Thread safety: any thread. Calls block on the disk.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "agent/ports.h"
#include "memory/memory.h"
#include "rca/diagnose.h"

namespace enclave::cli {

class AgentMemory final : public agent::Memory {
 public:
  // A damaged memory is set aside, as damaged-SECONDS.NAME beside the new one: an agent that has
  // forgotten is better than none.
  static base::Result<std::unique_ptr<AgentMemory>> Open(const std::string& directory,
                                                         const base::Clock& clock);

  std::vector<agent::Past> Recall(const incident::Context& context) override;
  base::Result<> Remember(const std::string& incident, const incident::Context& context,
                          const rca::Diagnosis& diagnosis) override;
  base::Result<> Learn(const std::vector<agent::Lesson>& lessons) override;

  // The diagnosis with what earlier incidents add to it.
  rca::Diagnosis Diagnose(const incident::Context& context);

 private:
  explicit AgentMemory(std::unique_ptr<memory::Memory> memory) : memory_(std::move(memory)) {}
  std::vector<memory::Recalled> Alike(const incident::Context& context,
                                      const rca::Diagnosis& diagnosis);

  static constexpr std::size_t kMostKept = 64;
  const std::unique_ptr<memory::Memory> memory_;
  std::mutex mutex_;
  // Diagnoses of the contexts that may still be asked about, by the context's id.
  std::map<std::string, rca::Diagnosis> diagnoses_;
};

}  // namespace enclave::cli
