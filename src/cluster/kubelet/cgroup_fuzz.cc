// /proc/self/mountinfo and /proc/self/cgroup hold paths of other people's making, and
// /proc/PID/stat a command name of any bytes.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "cluster/kubelet/cgroup.h"
#include "cluster/kubelet/process_tree.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace enclave::cluster;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  std::size_t half = text.find('\x01');
  CgroupLayout layout = ParseCgroupLayout(
      text.substr(0, half), half == std::string_view::npos ? text : text.substr(half + 1));
  CHECK(layout.unified_path.starts_with(layout.unified_mount), "our group lies in its mount");
  for (const auto& [controller, path] : layout.legacy) {
    CHECK(!controller.empty() && path.find("..") == std::string::npos,
          "no group lies outside of its hierarchy");
  }
  ProcessInfo info;
  if (ProcessTable::ParseStat(text, &info)) {
    CHECK(info.cpu_time.count() >= 0 && info.reaped_cpu_time.count() >= 0,
          "time does not run backwards");
  }
  return 0;
}
