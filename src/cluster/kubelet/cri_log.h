// One line of a container's log file, in the Kubernetes CRI format (kubernetes
// design-proposals/node/kubelet-cri-logging.md):
//
//   2026-01-02T03:04:05.123456789Z stdout F text
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace enclave::cluster {

struct CriLine {
  std::string_view timestamp;  // as written
  std::int64_t time_ns = 0;    // since 1970
  bool is_stderr = false;
  bool partial = false;  // more of the same line follows
  std::string_view text;
};

// `line` without its newline; the parts point into it. nullopt when it is no such line.
std::optional<CriLine> ParseCriLine(std::string_view line);

}  // namespace enclave::cluster
