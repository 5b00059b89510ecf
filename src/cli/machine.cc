#include "cli/machine.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <string>
#include <system_error>

namespace enclave::cli {
namespace {

std::string FirstLine(const char* path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// PRETTY_NAME of os-release(5).
std::string SystemName() {
  constexpr std::string_view kKey = "PRETTY_NAME=";
  std::ifstream file("/etc/os-release");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(kKey)) continue;
    line.erase(0, kKey.size());
    std::erase(line, '"');
    return line;
  }
  return "Linux";
}

}  // namespace

void DescribeMachine(cluster::KubeletOptions* options) {
  utsname system{};
  ::uname(&system);
  options->kernel_version = system.release;
  options->architecture = std::string_view(system.machine) == "x86_64"    ? "amd64"
                          : std::string_view(system.machine) == "aarch64" ? "arm64"
                                                                          : system.machine;
  options->os_image = SystemName();
  options->machine_id = FirstLine("/etc/machine-id");
  options->boot_id = FirstLine("/proc/sys/kernel/random/boot_id");
  options->capacity.cpu_millis = ::sysconf(_SC_NPROCESSORS_ONLN) * 1000;
  options->capacity.memory_bytes = ::sysconf(_SC_PHYS_PAGES) * ::sysconf(_SC_PAGESIZE);
}

std::filesystem::path FindDeployDirectory() {
  std::error_code error;
  std::filesystem::path at = std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
  for (int levels = 0; levels < 6 && at.has_relative_path(); ++levels, at = at.parent_path()) {
    if (std::filesystem::exists(at / "deploy" / "images.yaml", error)) return at / "deploy";
  }
  return {};
}

bool PortIsTaken(const std::string& address, std::uint16_t port) {
  sockaddr_in wanted{};
  wanted.sin_family = AF_INET;
  wanted.sin_port = htons(port);
  if (::inet_pton(AF_INET, address.c_str(), &wanted.sin_addr) != 1) return false;
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  // As servers do: what is left of connections that were closed is in nobody's way.
  const int yes = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  const bool taken = ::bind(fd, reinterpret_cast<const sockaddr*>(&wanted), sizeof wanted) != 0 &&
                     errno == EADDRINUSE;
  ::close(fd);
  return taken;
}

void RaiseFileLimit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace enclave::cli
