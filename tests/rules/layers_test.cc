// Who may include whom: tools/layers.txt against every #include of ours.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <sstream>

#include "source_tree.h"

namespace enclave::rules {
namespace {

using Layers = std::map<std::string, std::set<std::string>>;

Layers ReadLayers() {
  Layers layers;
  for (const std::string& line : DataLines("tools/layers.txt")) {
    const std::size_t colon = line.find(':');
    std::set<std::string>& allowed = layers[line.substr(0, colon)];
    std::istringstream words(line.substr(colon + 1));
    for (std::string word; words >> word;) allowed.insert(word);
  }
  return layers;
}

bool MayInclude(const Layers& layers, const std::string& from, const std::string& to) {
  const auto layer = layers.find(from);
  if (layer == layers.end()) return false;
  const std::set<std::string>& allowed = layer->second;
  return from == to || allowed.contains(to) || allowed.contains("*") ||
         (to.starts_with("cluster/") && allowed.contains("cluster/*"));
}

// The folder that `#include "cluster/api/table.h"` reaches into; empty for files of the same
// folder.
std::string IncludedFolder(const Layers& layers, const std::string& include) {
  const std::size_t slash = include.rfind('/');
  if (slash == std::string::npos) return "";
  std::string folder = include.substr(0, slash);
  while (!folder.empty() && !layers.contains(folder)) {
    const std::size_t up = folder.rfind('/');
    if (up == std::string::npos) return "";
    folder = folder.substr(0, up);
  }
  return folder;
}

TEST(LayersTest, EveryFolderHasAPlaceInTheTable) {
  const Layers layers = ReadLayers();
  ASSERT_GE(layers.size(), 8u);
  for (const SourceFile& file : SourceTree())
    EXPECT_TRUE(layers.contains(file.folder))
        << file.path << ": the folder " << file.folder << " is not in tools/layers.txt";
}

TEST(LayersTest, NobodyIncludesUpwards) {
  const Layers layers = ReadLayers();
  std::size_t checked = 0;
  for (const SourceFile& file : SourceTree()) {
    for (std::size_t i = 0; i < file.code.size(); ++i) {
      const std::string& line = file.code[i];
      if (!line.starts_with("#include \"")) continue;
      const std::string include = line.substr(10, line.find('"', 10) - 10);
      const std::string folder = IncludedFolder(layers, include);
      if (folder.empty()) continue;
      ++checked;
      EXPECT_TRUE(MayInclude(layers, file.folder, folder))
          << file.path << ":" << i + 1 << ": " << file.folder << " may not include " << include;
    }
  }
  EXPECT_GT(checked, 50u);
}

TEST(LayersTest, TheTableHasNoCircles) {
  const Layers layers = ReadLayers();
  for (const auto& [folder, allowed] : layers) {
    if (allowed.contains("*")) continue;
    for (const std::string& other : allowed) {
      if (!layers.contains(other)) continue;
      EXPECT_FALSE(layers.at(other).contains(folder))
          << folder << " and " << other << " include each other";
    }
  }
}

TEST(LayersTest, TheRuleSeesAnOffence) {
  const Layers layers = ReadLayers();
  EXPECT_FALSE(MayInclude(layers, "base", "net"));
  EXPECT_FALSE(MayInclude(layers, "cluster/kubelet", "cluster/api"));
  EXPECT_TRUE(MayInclude(layers, "cluster/api", "cluster/store"));
  EXPECT_TRUE(MayInclude(layers, "sim", "cluster/store"));
  EXPECT_FALSE(MayInclude(layers, "sim", "cli"));
  EXPECT_EQ(IncludedFolder(layers, "cluster/api/table.h"), "cluster/api");
}

}  // namespace
}  // namespace enclave::rules
