#include "cluster/api/continue_token.h"

#include <utility>

#include "net/tls.h"

namespace enclave::cluster {
namespace {

using base::ErrorKind;
using base::Fail;
using kube::Json;

constexpr std::size_t kMaxToken = 4096;

}  // namespace

std::string EncodeContinue(const ContinueToken& token) {
  const Json json = {{"v", "enclave/1"},
                     {"rv", std::to_underlying(token.revision)},
                     {"ns", token.ns},
                     {"name", token.name}};
  return net::Base64UrlEncode(json.dump(-1, ' ', false, Json::error_handler_t::replace));
}

base::Result<ContinueToken> DecodeContinue(std::string_view text) {
  if (text.size() > kMaxToken) return Fail(ErrorKind::kInvalidArgument, "the token is too long");
  ASSIGN_OR_RETURN(const std::string decoded, net::Base64UrlDecode(text));
  const Json json = Json::parse(decoded, nullptr, false);
  if (!json.is_object() || kube::StringAt(json, "v") != "enclave/1" ||
      !kube::At(json, "rv").is_number_unsigned() || kube::IntAt(json, "rv") <= 0 ||
      kube::StringAt(json, "name").empty() || !kube::At(json, "ns").is_string()) {
    return Fail(ErrorKind::kInvalidArgument, "not a token of this server");
  }
  return ContinueToken{kube::Revision{static_cast<std::uint64_t>(kube::IntAt(json, "rv"))},
                       kube::StringAt(json, "ns"), kube::StringAt(json, "name")};
}

}  // namespace enclave::cluster
