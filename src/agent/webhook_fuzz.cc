// Alertmanager's webhook: any body is refused or gives alerts with names, and what the ledger keeps
// of them comes back the same.
#include <cstddef>
#include <cstdint>

#include "agent/alert_event.h"
#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace enclave::agent;
  const auto alerts = ParseWebhook({reinterpret_cast<const char*>(data), size}, 1);
  if (!alerts) return 0;
  for (const AlertEvent& alert : *alerts) {
    CHECK(!alert.name.empty(), "an alert has a name");
    const std::string text = ToJson(alert).dump();
    CHECK(AlertFromJson(Json::parse(text)) == alert, "an alert comes back from the ledger");
  }
  return 0;
}
