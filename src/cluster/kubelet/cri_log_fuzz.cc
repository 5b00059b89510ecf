// A log file may be cut or mixed up after a full disk. Whatever line is accepted has a sane time
// and text that is part of the input.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "cluster/kubelet/container_files.h"
#include "cluster/kubelet/cri_log.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace enclave::cluster;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto line = ParseCriLine(text);
  if (!line) return 0;
  CHECK(text.ends_with(line->text), "the text is the end of the line");
  CHECK(text.starts_with(line->timestamp), "the time is its start");
  // Writing the time again gives the same time.
  std::string again = CriTimestamp(line->time_ns) + " stdout F ";
  auto reparsed = ParseCriLine(again);
  CHECK(reparsed && reparsed->time_ns == line->time_ns, "times survive being written");
  return 0;
}
