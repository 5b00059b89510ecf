// Any bytes as a token: refused, never taken, unless they are the one token that was issued.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/simulated_executor.h"
#include "cluster/api/service_account_tokens.h"
#include "net/tls.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace enclave;
  static base::SimulatedExecutor clock;
  static base::SeededRandom random(1);
  static const cluster::ServiceAccountTokens tokens(*net::GenerateEcKeyPem(), clock, random);
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  CHECK(!tokens.Verify(text).has_value(), "nobody can guess a signature");
  // The same bytes as the claims of a token with a forged header and no signature.
  const std::string forged = net::Base64UrlEncode(R"({"alg":"ES256"})") + "." +
                             net::Base64UrlEncode(text) + "." + net::Base64UrlEncode(text);
  CHECK(!tokens.Verify(forged).has_value(), "nobody can guess a signature");
  return 0;
}
