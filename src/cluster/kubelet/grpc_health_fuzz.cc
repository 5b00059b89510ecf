// The answer to a health check comes from the probed program.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "cluster/kubelet/grpc_health.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace enclave::cluster;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto status = ParseHealthResponse(text);
  CHECK(!status || text.size() >= 5, "an accepted message has at least its frame");
  if (status) CHECK(!ToString(*status).empty(), "a status has a name");
  std::string request = EncodeHealthRequest(text);
  CHECK(request.size() >= 5 + text.size(), "the service's name is in the request");
  CHECK(request.ends_with(text), "at its end");
  return 0;
}
