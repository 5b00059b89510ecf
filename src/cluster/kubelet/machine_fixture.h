// What the tests of the kubelet's machine side share: a temporary state directory, a runtime on a
// loop of its own, and waiting for exits.
#pragma once

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "cluster/kubelet/process_runtime.h"
#include "net/event_loop.h"

namespace enclave::cluster {

// More than anything here needs; only a hanging test meets it.
inline constexpr std::chrono::seconds kTestPatience{20};

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "enclave-test.XXXXXX").string();
    path_ = mkdtemp(pattern.data());
    chmod(path_.c_str(), 0755);
  }
  ~TemporaryDirectory() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline std::string ReadAll(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

inline void WriteAll(const std::string& path, const std::string& text) {
  std::ofstream(path) << text;
}

// The text of a CRI log without heads.
inline std::string LogText(const std::string& path) {
  std::ifstream file(path);
  std::string text;
  for (std::string line; std::getline(file, line);) {
    std::size_t tag = line.find(' ', line.find(' ') + 1);
    text += line.substr(tag + 3) + (line[tag + 1] == 'F' ? "\n" : "");
  }
  return text;
}

// Runs `task` on the loop and waits for its value.
template <typename Function>
auto OnLoop(net::EventLoop& loop, Function task) {
  std::promise<decltype(task())> promise;
  loop.Post([&] {
    if constexpr (std::is_void_v<decltype(task())>) {
      task();
      promise.set_value();
    } else {
      promise.set_value(task());
    }
  });
  return promise.get_future().get();
}

// A runtime with everything it needs, as the kubelet uses it.
class RuntimeHarness {
 public:
  explicit RuntimeHarness(const std::string& state, bool use_cgroups = true,
                          std::int64_t log_max_bytes = 10 << 20)
      : state_(state), loop_("test") {
    ProcessRuntimeOptions options;
    options.state_directory = state;
    options.shim = ENCLAVE_SHIM;
    if (const char* shim = std::getenv("ENCLAVE_TEST_SHIM")) options.shim = shim;
    options.use_cgroups = use_cgroups;
    options.log_max_bytes = log_max_bytes;
    auto created = OnLoop(loop_, [&] {
      auto runtime = ProcessRuntime::Create(loop_, options);
      if (runtime) {
        (*runtime)->OnExit([this](const ContainerState& exited) {
          std::lock_guard lock(mutex_);
          exits_[exited.id].push_back(exited);
          changed_.notify_all();
        });
      }
      return runtime;
    });
    EXPECT_TRUE(created.has_value()) << (created ? "" : created.error().message());
    if (created) runtime_ = std::move(*created);
  }

  ~RuntimeHarness() {
    if (!runtime_) return;
    OnLoop(loop_, [&] {
      if (!leave_running_) {
        for (const ContainerState& container : runtime_->List()) runtime_->Remove(container.id);
      }
      runtime_.reset();
    });
    if (!leave_running_) {
      EXPECT_TRUE(ProcessRuntime::KillAll(state_, std::chrono::milliseconds(0)).has_value());
    }
  }

  // As after a crash: the containers go on when the harness goes away.
  void LeaveRunning() { leave_running_ = true; }

  ContainerSpec Shell(const std::string& name, const std::string& script) const {
    ContainerSpec spec;
    spec.id = {"pod-" + name, "main", 0};
    spec.argv = {"/bin/sh", "-c", script};
    spec.environment = {"PATH=/usr/bin:/bin", "GREETING=hello world"};
    spec.log_directory = state_ + "/logs/" + spec.id.pod_uid;
    return spec;
  }
  std::string LogPath(const ContainerSpec& spec) const {
    return spec.log_directory + "/" + std::to_string(spec.id.attempt) + ".log";
  }

  base::Result<ContainerState> Start(const ContainerSpec& spec) {
    return OnLoop(loop_, [&] { return runtime_->Start(spec); });
  }
  // The exit of a container, after it was reported.
  std::optional<ContainerExit> AwaitExit(const ContainerId& id) {
    std::unique_lock lock(mutex_);
    bool done = changed_.wait_for(lock, kTestPatience, [&] { return exits_.contains(id); });
    if (!done) return std::nullopt;
    EXPECT_EQ(exits_[id].size(), 1U) << "an exit is told once";
    return exits_[id][0].exit;
  }
  base::Result<ExecOutput> Exec(const ContainerId& id, std::vector<std::string> argv,
                                std::chrono::milliseconds timeout = std::chrono::seconds(10)) {
    std::promise<base::Result<ExecOutput>> promise;
    runtime_->ExecCapture(id, std::move(argv), timeout, [&](base::Result<ExecOutput> output) {
      promise.set_value(std::move(output));
    });
    return promise.get_future().get();
  }

  net::EventLoop& loop() { return loop_; }
  ProcessRuntime& runtime() { return *runtime_; }
  bool has_runtime() const { return runtime_ != nullptr; }

 private:
  const std::string state_;
  net::EventLoop loop_;
  std::unique_ptr<ProcessRuntime> runtime_;
  bool leave_running_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<ContainerId, std::vector<ContainerState>> exits_;
};

}  // namespace enclave::cluster
