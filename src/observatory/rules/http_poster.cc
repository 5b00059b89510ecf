#include <exception>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "observatory/rules/poster.h"

namespace enclave::observatory::rules {

void HttpPoster::Post(const std::string& url, std::string body, base::Duration timeout, Done done) {
  const std::size_t authority = url.find("://");
  const std::size_t path =
      authority == std::string::npos ? authority : url.find('/', authority + 3);
  const std::string origin = url.substr(0, path);
  std::shared_ptr<net::HttpClient>& client = clients_[origin];
  if (client == nullptr) {
    net::HttpClientOptions options;
    options.base_url = origin;
    options.max_idle_connections = 1;
    options.max_body_bytes = 1 << 20;
    auto made = net::HttpClient::Create(loop_, std::move(options));
    if (!made) {
      clients_.erase(origin);
      done(std::unexpected(std::move(made).error()));
      return;
    }
    client = std::move(*made);
  }
  net::ClientRequest request;
  request.method = "POST";
  request.target = path == std::string::npos ? "/" : url.substr(path);
  request.headers["Content-Type"] = "application/json";
  request.headers["User-Agent"] = "enclave";
  request.body = std::move(body);
  request.timeout = std::chrono::ceil<std::chrono::milliseconds>(timeout);
  boost::asio::co_spawn(
      loop_.context(), client->Send(std::move(request)),
      [client, done = std::move(done)](const std::exception_ptr& exception,
                                       base::Result<net::Response> response) {
        if (exception) {
          done(base::Fail(base::ErrorKind::kInternal, "the request ended with an exception"));
        } else {
          done(std::move(response));
        }
      });
}

}  // namespace enclave::observatory::rules
