#include "cluster/api/token_endpoint.h"

#include <fmt/format.h>

#include "cluster/api/request_body.h"
#include "kube/time.h"

namespace enclave::cluster {
namespace {

namespace asio = boost::asio;
using base::ErrorKind;
using base::Fail;
using kube::Json;
using kube::StringAt;

base::Result<TokenOrder> OrderOf(const Exchange& exchange, const Json& body) {
  TokenOrder order{.ns = exchange.info.ns, .service_account = exchange.info.name};
  const Json& spec = kube::At(body, "spec");
  for (const Json& audience : kube::At(spec, "audiences")) {
    if (audience.is_string()) order.audiences.push_back(audience.get<std::string>());
  }
  order.expiration_seconds = kube::IntAt(spec, "expirationSeconds", order.expiration_seconds);
  if (const Json& bound = kube::At(spec, "boundObjectRef"); bound.is_object()) {
    if (StringAt(bound, "kind") != "Pod") {
      return Fail(ErrorKind::kUnprocessable,
                  fmt::format("cannot bind token to object of type {}: only pods can be bound",
                              StringAt(bound, "kind")));
    }
    order.pod_name = StringAt(bound, "name");
    order.pod_uid = StringAt(bound, "uid");
  }
  return order;
}

}  // namespace

base::Result<IssuedToken> IssueToken(const Store& store, const ServiceAccountTokens& tokens,
                                     const TokenOrder& order) {
  const auto account =
      store.Get({kube::kServiceAccount.GroupResource(), order.ns, order.service_account});
  if (account == nullptr) {
    return Fail(kube::NotFoundError(kube::kServiceAccount, order.service_account));
  }
  ServiceAccountClaims claims;
  claims.ns = order.ns;
  claims.name = order.service_account;
  claims.uid = account->uid();
  claims.audiences = order.audiences;
  if (!order.pod_name.empty()) {
    const auto pod = store.Get({kube::kPod.GroupResource(), order.ns, order.pod_name});
    if (pod == nullptr) return Fail(kube::NotFoundError(kube::kPod, order.pod_name));
    if (!order.pod_uid.empty() && pod->uid() != order.pod_uid) {
      return Fail(ErrorKind::kConflict,
                  fmt::format("the UID in the bound object reference ({}) does not match the UID "
                              "in record. The object might have been deleted and then recreated",
                              order.pod_uid));
    }
    claims.pod_name = order.pod_name;
    claims.pod_uid = pod->uid();
  }
  return tokens.Issue(claims, std::chrono::seconds(order.expiration_seconds));
}

namespace {

asio::awaitable<void> ServeTokenRequest(const Store& store, const ServiceAccountTokens& tokens,
                                        Exchange& exchange) {
  const kube::StatusDetails details{.name = exchange.info.name, .kind = "serviceaccounts"};
  auto body = DecodeRequestBody(exchange.request.Header("Content-Type"), exchange.request.body);
  base::Result<TokenOrder> order = body ? OrderOf(exchange, *body) : std::unexpected(body.error());
  base::Result<IssuedToken> issued =
      order ? IssueToken(store, tokens, *order) : std::unexpected(order.error());
  if (!issued) {
    co_await exchange.writer.Send(ErrorResponse(issued.error(), details));
    co_return;
  }
  Json spec = {{"expirationSeconds", order->expiration_seconds},
               {"audiences", order->audiences.empty()
                                 ? Json::array({std::string(ServiceAccountTokens::kIssuer)})
                                 : Json(order->audiences)},
               {"boundObjectRef", kube::At(*body, "spec.boundObjectRef")}};
  Json answer = {
      {"kind", "TokenRequest"},
      {"apiVersion", "authentication.k8s.io/v1"},
      {"metadata", {{"name", exchange.info.name}, {"namespace", exchange.info.ns}}},
      {"spec", std::move(spec)},
      {"status",
       {{"token", issued->token}, {"expirationTimestamp", kube::FormatTime(issued->expires_at)}}}};
  co_await exchange.writer.Send(JsonResponse(201, answer));
}

}  // namespace

ConnectHandler ServeTokenRequests(const Store& store, const ServiceAccountTokens& tokens) {
  return
      [&store, &tokens](Exchange& exchange) { return ServeTokenRequest(store, tokens, exchange); };
}

}  // namespace enclave::cluster
