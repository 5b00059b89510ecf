// Events with any body fold into a record or are refused; nothing in a damaged ledger crashes.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "agent/post_mortem.h"
#include "agent/record.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace enclave::agent;
  Record record;
  std::vector<Event> events;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (std::size_t at = 0; at < text.size() && events.size() < 64;) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    at = end + 1;
    if (line.empty()) continue;
    Event event{.incident = "inc-1",
                .kind = static_cast<EventKind>(static_cast<unsigned char>(line[0]) % 21)};
    event.body = Json::parse(line.substr(1), nullptr, false);
    if (!event.body.is_object()) continue;
    if (!Apply(event, &record)) continue;
    events.push_back(event);
  }
  (void)PostMortem(record, events, std::nullopt);
  return 0;
}
