#include "system/npm_client.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "system/command.h"
#include "system/enclave_fixture.h"

namespace enclave::system_test {
namespace {

namespace fs = std::filesystem;

std::string Content(const fs::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

fs::path InstalledNpmClient(const std::string& name) {
  const fs::path source = TestFile(name);
  const fs::path folder = fs::path(ENCLAVE_SOURCE_DIR) / "build" / "tools" / name;
  std::error_code error;
  fs::create_directories(folder, error);
  for (const char* file : {"package.json", "check.mjs"})
    fs::copy_file(source / file, folder / file, fs::copy_options::overwrite_existing, error);
  if (Content(folder / "package-lock.json") == Content(source / "package-lock.json") &&
      fs::exists(folder / "installed"))
    return folder;
  fs::copy_file(source / "package-lock.json", folder / "package-lock.json",
                fs::copy_options::overwrite_existing, error);
  fs::remove(folder / "installed", error);
  const Output installed =
      Execute({"npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"},
              {.directory = folder.string(), .timeout = std::chrono::seconds(240)});
  EXPECT_EQ(installed.code, 0) << installed.Story();
  if (installed.code != 0) return {};
  std::ofstream(folder / "installed") << "yes\n";
  return folder;
}

}  // namespace enclave::system_test
