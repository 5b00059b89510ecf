#include <chrono>
#include <future>
#include <memory>

#include "kube/client.h"

namespace enclave::kube {

base::Result<std::unique_ptr<Client>> Client::Connect(net::EventLoop& loop,
                                                      const ClientConfig& config,
                                                      base::Random& random) {
  const bool has_token = !config.token.empty() || !config.token_file.empty();
  if (has_token && !config.server.starts_with("https://")) {
    return base::Fail(base::ErrorKind::kInvalidArgument,
                      "a token must not travel over plain HTTP; use an https:// server");
  }
  net::HttpClientOptions options;
  const std::size_t authority = config.server.find("://");
  const std::size_t path =
      authority == std::string::npos ? authority : config.server.find('/', authority + 3);
  options.base_url = config.server.substr(0, path);
  options.tls = config.tls;
  ASSIGN_OR_RETURN(std::unique_ptr<net::HttpClient> http,
                   net::HttpClient::Create(loop, std::move(options)));
  const auto pause = [&loop](base::Duration duration) {
    const auto over = std::make_shared<std::promise<void>>();
    loop.After(duration, [over] { over->set_value(); });
    // A loop that was stopped runs no timers.
    over->get_future().wait_for(duration + std::chrono::seconds(1));
  };
  return std::make_unique<Client>(loop, config, std::shared_ptr<net::HttpClient>(std::move(http)),
                                  random, pause);
}

}  // namespace enclave::kube
