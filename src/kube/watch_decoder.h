// The body of a watch: JSON lines {"type": "ADDED", "object": {...}} in pieces of any size.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kube/api.h"

namespace enclave::kube {

class WatchDecoder {
 public:
  static constexpr std::size_t kMaxLine = 16 << 20;

  // The events that `data` completes. An ERROR event is the last one. kInternal for what is no
  // watch event, kTooLarge for a line beyond kMaxLine: the watch is then of no more use.
  base::Result<std::vector<WatchEvent>> Feed(std::string_view data);

 private:
  std::string line_;  // incomplete
};

}  // namespace enclave::kube
