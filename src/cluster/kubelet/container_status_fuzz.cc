// status.json is written by another process, and read again after crashes and reboots. What is
// taken for a status must survive being written again.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "cluster/kubelet/container_status.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace enclave::cluster;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  if (auto status = ParseShimStatus(text)) {
    auto again = ParseShimStatus(EncodeShimStatus(*status));
    CHECK(again.has_value(), "a status that was read can be written and read again");
    CHECK(again->pid == status->pid && again->shim_pid == status->shim_pid, "with its processes");
    CHECK(again->exited == status->exited && again->exit_code == status->exit_code, "and its exit");
  }
  if (auto spec = DecodeShimSpec(text)) {
    CHECK(!spec->argv.empty(), "a spec has a command");
    CHECK(DecodeShimSpec(EncodeShimSpec(*spec)) == *spec, "a spec survives being written");
  }
  return 0;
}
