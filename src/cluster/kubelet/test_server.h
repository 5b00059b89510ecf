// The repository's test server (tests/programs/web.cc) as a child of a test, on a loopback address
// that no other test uses.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "net/process.h"

namespace enclave::cluster {

// 127.x.y.z of this test process; `n` tells several apart.
inline std::string TestAddress(int n) {
  int pid = getpid();
  return "127." + std::to_string(100 + (pid >> 16) % 100) + "." + std::to_string(pid >> 8 & 255) +
         "." + std::to_string(1 + (pid * 8 + n) % 254);
}

class TestServer {
 public:
  TestServer(const std::string& address, std::uint16_t port, const std::string& version = "v1") {
    int out[2];
    EXPECT_EQ(pipe2(out, O_CLOEXEC), 0);
    net::SpawnOptions options;
    options.argv = {ENCLAVE_TESTWEB,
                    "--version",
                    version,
                    "--listen",
                    address + ":" + std::to_string(port),
                    "--access-log",
                    "off",
                    "--die-with-parent",
                    "1"};
    options.environment = {"HOSTNAME=test"};
    options.stdout_fd = out[1];
    auto pid = net::Spawn(options);
    EXPECT_TRUE(pid) << (pid ? "" : pid.error().message());
    pid_ = pid ? *pid : -1;
    close(out[1]);
    // It listens once it says so.
    char c = 0;
    std::string line;
    while (read(out[0], &c, 1) == 1 && c != '\n') line.push_back(c);
    EXPECT_NE(line.find("listens"), std::string::npos) << line;
    out_ = out[0];
  }
  ~TestServer() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    close(out_);
  }
  TestServer(const TestServer&) = delete;
  TestServer& operator=(const TestServer&) = delete;

 private:
  pid_t pid_ = -1;
  int out_ = -1;
};

}  // namespace enclave::cluster
