// Kubeconfigs: what resolves has a server that can be asked; merging with itself changes nothing.
// Paths in the text are not followed.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "kube/kubeconfig.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace enclave::kube;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (size > 16384) return 0;
  // A path could name a device that blocks.
  for (const std::string_view field :
       {"certificate-authority:", "client-certificate:", "client-key:", "\\"}) {
    if (text.contains(field)) return 0;
  }
  auto config = Kubeconfig::Parse(text, "/nonexistent");
  if (!config) return 0;
  config->Merge(*config);
  for (const std::string& context : config->contexts()) {
    const auto client = config->Resolve(context);
    if (!client) continue;
    CHECK(client->server.starts_with("http"), "there is a server to ask");
    CHECK(!client->ns.empty(), "there is a namespace");
  }
  (void)config->Resolve();
  return 0;
}
