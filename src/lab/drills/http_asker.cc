#include "lab/drills/http_asker.h"

#include <fmt/format.h>

#include "kube/body.h"

namespace enclave::lab::drills {
namespace {

// What is watched each second is no use later.
constexpr std::chrono::seconds kPatience{5};
constexpr std::size_t kShownOfAnswer = 200;

}  // namespace

base::Result<std::unique_ptr<HttpAsker>> HttpAsker::Connect(net::EventLoop& loop,
                                                            const std::string& url,
                                                            std::string who) {
  ASSIGN_OR_RETURN(auto http, net::HttpClient::Create(loop, {.base_url = url}));
  return std::make_unique<HttpAsker>(std::move(http), std::move(who));
}

base::Result<kube::Json> HttpAsker::Ask(const std::string& target) {
  net::ClientRequest request;
  request.target = target;
  request.timeout = kPatience;
  const auto answer = http_->SendAndWait(std::move(request));
  if (!answer) return base::Fail(answer.error().While("asking " + who_));
  if (answer->status != 200)
    return base::Fail(base::ErrorKind::kUnavailable,
                      fmt::format("{} answered {}: {}", who_, answer->status,
                                  answer->body.substr(0, kShownOfAnswer)));
  auto json = kube::ParseJson(answer->body);
  if (!json) return base::Fail(json.error().While("reading the answer of " + who_));
  return json;
}

}  // namespace enclave::lab::drills
