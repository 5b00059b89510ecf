#include "system/enclave_fixture.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <sstream>

#include "system/eventually.h"

namespace enclave::system_test {

namespace fs = std::filesystem;

std::string EnclaveBinary() {
  const char* given = std::getenv("ENCLAVE_BINARY");
  return given != nullptr ? given : ENCLAVE_SOURCE_DIR "/build/release/src/cli/enclave";
}

std::string TestFile(const std::string& name) {
  return std::string(ENCLAVE_SOURCE_DIR "/tests/") + name;
}

namespace {

// The enclaves and folders there are.
struct Registry {
  std::mutex mutex;
  std::set<const Enclave*> enclaves;
  std::set<fs::path> folders;
};
Registry& All() {
  static Registry& registry = *new Registry;  // outlives what ends late
  return registry;
}

}  // namespace

fs::path MakeFolder(const std::string& name) {
  std::lock_guard lock(All().mutex);
  std::string path = (fs::temp_directory_path() / (name + ".XXXXXX")).string();
  if (::mkdtemp(path.data()) == nullptr) return {};
  All().folders.insert(path);
  return path;
}

void RemoveFolder(const fs::path& folder) {
  std::lock_guard lock(All().mutex);
  std::error_code ignored;
  fs::remove_all(folder, ignored);
  All().folders.erase(folder);
}

Enclave::Enclave() : state_(MakeFolder("enclave-test")) {
  std::lock_guard lock(All().mutex);
  All().enclaves.insert(this);
}

Enclave::~Enclave() {
  End();
  RemoveFolder(state_);
  std::lock_guard lock(All().mutex);
  All().enclaves.erase(this);
}

void Enclave::End() const {
  Command({"down", "--grace", "1", "--delete-state"}, std::chrono::seconds(30));
  Eventually(std::chrono::seconds(5), [this] {
    for (const pid_t pid : Processes()) ::kill(pid, SIGKILL);
    return Processes().empty();
  });
}

void EndEverything() {
  // Held for good.
  All().mutex.lock();
  EndCommands();
  for (const Enclave* enclave : All().enclaves) enclave->End();
  std::error_code ignored;
  for (const fs::path& folder : All().folders) fs::remove_all(folder, ignored);
}

Output Enclave::Command(std::vector<std::string> arguments, std::chrono::seconds timeout) const {
  std::vector<std::string> argv{EnclaveBinary(), arguments[0], "--state", state_.string()};
  argv.insert(argv.end(), arguments.begin() + 1, arguments.end());
  return Execute(argv, {.timeout = timeout});
}

bool Enclave::Up() {
  const Output up = Command({"up", "--bare", "--wait"});
  EXPECT_EQ(up.code, 0) << up.Story();
  return up.code == 0;
}

Json Enclave::Status() const {
  return Json::parse(Command({"status", "-o", "json"}).out, nullptr, /*allow_exceptions=*/false);
}

std::string Enclave::server() const {
  return StringAt(Status(), "server");
}

pid_t Enclave::cluster_pid() const {
  std::ifstream file(state_ / "process.json");
  const Json process = Json::parse(file, nullptr, /*allow_exceptions=*/false);
  return static_cast<pid_t>(IntAt(process, "process.pid", -1));
}

std::set<pid_t> Enclave::Processes() const {
  std::set<pid_t> pids;
  if (state_.empty()) return pids;  // it could not be made, and "" is in everything
  std::error_code error;
  const std::string state = state_.string();
  for (const fs::directory_entry& entry : fs::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename().string();
    int pid = 0;
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (parsed.ec != std::errc() || parsed.ptr != name.data() + name.size() || pid == ::getpid())
      continue;
    bool ours = fs::read_symlink(entry.path() / "cwd", error).string().starts_with(state);
    for (const char* file : {"cmdline", "environ"}) {
      std::ifstream stream(entry.path() / file, std::ios::binary);
      std::stringstream text;
      text << stream.rdbuf();
      ours = ours || text.str().find(state) != std::string::npos;
    }
    // Zombies wait for their parent; they are not at work any more.
    std::ifstream stat(entry.path() / "stat");
    std::string line;
    std::getline(stat, line);
    const std::size_t paren = line.rfind(')');
    if (paren == std::string::npos || line.size() < paren + 3 || line[paren + 2] == 'Z') continue;
    if (ours) pids.insert(pid);
  }
  return pids;
}

Json At(const Json& document, const std::string& path) {
  const Json* at = &document;
  std::istringstream words(path);
  for (std::string word; std::getline(words, word, '.');) {
    if (at->is_array()) {
      std::size_t index = 0;
      std::from_chars(word.data(), word.data() + word.size(), index);
      if (index >= at->size()) return nullptr;
      at = &(*at)[index];
    } else if (at->is_object() && at->contains(word)) {
      at = &(*at)[word];
    } else {
      return nullptr;
    }
  }
  return *at;
}

std::string StringAt(const Json& document, const std::string& path) {
  const Json value = At(document, path);
  return value.is_string() ? value.get<std::string>() : "";
}

long long IntAt(const Json& document, const std::string& path, long long otherwise) {
  const Json value = At(document, path);
  return value.is_number() ? value.get<long long>() : otherwise;
}

}  // namespace enclave::system_test
