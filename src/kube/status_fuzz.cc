// Answers of a server: any bytes give an error of a known kind, and a watch body in any cut gives
// the same events.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "kube/status.h"
#include "kube/watch_decoder.h"

namespace enclave::kube {
namespace {

std::string Decode(std::string_view body, std::size_t piece) {
  WatchDecoder decoder;
  std::string seen;
  while (!body.empty()) {
    const auto events = decoder.Feed(body.substr(0, piece));
    if (!events) return seen + "!";
    for (const WatchEvent& event : *events) {
      seen += event.object != nullptr ? event.object->text() : "error";
      seen += '\n';
      if (event.type == EventType::kError) return seen;
    }
    body.remove_prefix(std::min(piece, body.size()));
  }
  return seen;
}

}  // namespace
}  // namespace enclave::kube

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace enclave::kube;
  if (size < 2 || size > 16384) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto error = FromHttpAnswer(400 + data[0], text);
  const auto again = FromStatus(ToStatus(error));
  CHECK(again.kind() == error.kind(), "an error survives the wire");
  // A decoder that fails forgets what came before in the same piece: only successes are compared.
  const std::string byte_by_byte = Decode(text, 1);
  const std::string at_once = Decode(text, text.size());
  if (!at_once.ends_with('!')) CHECK(byte_by_byte == at_once, "pieces do not matter");
  return 0;
}
