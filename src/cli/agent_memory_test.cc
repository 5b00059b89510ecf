#include "cli/agent_memory.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "base/simulated_executor.h"

namespace enclave::cli {
namespace {

namespace fs = std::filesystem;

TEST(AgentMemoryTest, ADamagedMemoryIsSetAsideAndNothingOfItIsLost) {
  std::string directory = (fs::temp_directory_path() / "enclave-memory-XXXXXX").string();
  ASSERT_NE(::mkdtemp(directory.data()), nullptr);
  base::SimulatedExecutor time;
  ASSERT_TRUE(AgentMemory::Open(directory, time));
  const std::string garbage(8192, 'x');
  std::ofstream(directory + "/memory.db", std::ios::binary) << garbage;
  const auto memory = AgentMemory::Open(directory, time);
  ASSERT_TRUE(memory) << memory.error().message();
  std::string kept;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory))
    if (const std::string name = entry.path().filename().string();
        name.starts_with("damaged-") && name.ends_with(".memory.db")) {
      std::ifstream file(entry.path(), std::ios::binary);
      kept.assign(std::istreambuf_iterator<char>(file), {});
    }
  EXPECT_EQ(kept, garbage);
  EXPECT_TRUE(fs::exists(directory + "/memory.db"));
  fs::remove_all(directory);
}

}  // namespace
}  // namespace enclave::cli
