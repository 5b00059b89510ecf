#include "system/fetched.h"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

namespace enclave::system_test {

namespace fs = std::filesystem;

std::string Fetched(const std::string& name, const std::string& program,
                    const std::function<void(const RunOptions&)>& fetch) {
  const fs::path folder = fs::path(ENCLAVE_SOURCE_DIR) / "build" / "tools" / name;
  std::error_code error;
  if (fs::exists(folder / program, error)) return (folder / program).string();
  const fs::path download = folder.string() + fmt::format(".{}", ::getpid());
  fs::create_directories(download, error);
  fetch({.directory = download.string(), .timeout = std::chrono::seconds(120)});
  if (fs::exists(download / program, error)) fs::rename(download, folder, error);
  fs::remove_all(download, error);
  return fs::exists(folder / program, error) ? (folder / program).string() : "";
}

std::string FetchedFromDebian(const std::string& package, const std::string& program) {
  return Fetched(package, program, [&package](const RunOptions& there) {
    Execute({"apt-get", "download", package}, there);
    Execute({"dpkg-deb", "-x", FileEnding(".deb", there), there.directory}, there);
  });
}

std::string FileEnding(const std::string& ending, const RunOptions& there) {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(there.directory, error))
    if (entry.path().extension() == ending) return entry.path().string();
  return "";
}

}  // namespace enclave::system_test
