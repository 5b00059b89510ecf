// Who may include whom: tools/layers.txt against every #include of ours.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>
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

// Whether `#include <net/if.h>` means a file of ours: the system has folders of the same names.
bool IsOurs(const std::string& include) {
  static const std::set<std::string> ours = [] {
    std::set<std::string> paths;
    for (const SourceFile& file : SourceTree()) {
      paths.insert(file.path);
      for (const char* root : {"src/", "tests/"})
        if (file.path.starts_with(root)) paths.insert(file.path.substr(std::strlen(root)));
    }
    return paths;
  }();
  return ours.contains(include);
}

// The folders that `folder` may include, itself left out and without wildcards.
std::set<std::string> MayReach(const Layers& layers, const std::string& folder) {
  std::set<std::string> reached;
  for (const auto& [other, ignored] : layers)
    if (other != folder && MayInclude(layers, folder, other)) reached.insert(other);
  return reached;
}

// A circle of folders that may include each other, "a > b > c > a"; empty when there is none.
std::string FindCircle(const Layers& layers) {
  std::set<std::string> done;
  std::vector<std::string> path;
  std::string circle;
  const std::function<bool(const std::string&)> visit = [&](const std::string& folder) {
    const auto on_path = std::ranges::find(path, folder);
    if (on_path != path.end()) {
      for (auto it = on_path; it != path.end(); ++it) circle += *it + " > ";
      circle += folder;
      return true;
    }
    if (!done.insert(folder).second) return false;
    path.push_back(folder);
    for (const std::string& next : MayReach(layers, folder))
      if (visit(next)) return true;
    path.pop_back();
    return false;
  };
  for (const auto& [folder, ignored] : layers)
    if (visit(folder)) break;
  return circle;
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
      const std::string include = IncludedFile(file.code[i]);
      if (include.empty()) continue;
      EXPECT_FALSE(include.starts_with("../")) << file.path << ":" << i + 1 << ": " << include;
      const std::string folder = IncludedFolder(layers, include);
      if (folder.empty() || !IsOurs(include)) continue;
      ++checked;
      EXPECT_TRUE(MayInclude(layers, file.folder, folder))
          << file.path << ":" << i + 1 << ": " << file.folder << " may not include " << include;
    }
  }
  EXPECT_GT(checked, 50u);
}

TEST(LayersTest, TheTableHasNoCircles) {
  EXPECT_EQ(FindCircle(ReadLayers()), "");
}

TEST(LayersTest, TheRuleSeesAnOffence) {
  const Layers layers = ReadLayers();
  EXPECT_FALSE(MayInclude(layers, "base", "net"));
  EXPECT_FALSE(MayInclude(layers, "cluster/kubelet", "cluster/api"));
  EXPECT_TRUE(MayInclude(layers, "cluster/api", "cluster/store"));
  EXPECT_TRUE(MayInclude(layers, "sim", "cluster/store"));
  EXPECT_FALSE(MayInclude(layers, "sim", "cli"));
  EXPECT_EQ(IncludedFolder(layers, "cluster/api/table.h"), "cluster/api");
  EXPECT_EQ(IncludedFile("# include <net/http.h>  // so"), "net/http.h");
  EXPECT_EQ(IncludedFile("#include \"net/http.h\""), "net/http.h");
  EXPECT_EQ(IncludedFile("int include;"), "");
  EXPECT_TRUE(IsOurs("base/result.h"));
  EXPECT_FALSE(IsOurs("net/if.h"));
}

TEST(LayersTest, TheRuleSeesACircle) {
  EXPECT_EQ(FindCircle({{"a", {"b"}}, {"b", {"c"}}, {"c", {"a"}}, {"d", {"a", "c"}}}),
            "a > b > c > a");
  EXPECT_EQ(FindCircle({{"a", {"b", "c"}}, {"b", {"c"}}, {"c", {}}}), "");
  EXPECT_EQ(FindCircle({{"cluster/a", {"b"}}, {"b", {"cluster/*"}}}), "b > cluster/a > b");
}

}  // namespace
}  // namespace enclave::rules
