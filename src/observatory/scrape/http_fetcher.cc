#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <fstream>
#include <sstream>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "base/quote.h"
#include "observatory/scrape/exposition.h"
#include "observatory/scrape/fetcher.h"

namespace enclave::observatory::scrape {
namespace {

using base::ErrorKind;

constexpr std::size_t kMaxSmallFile = 1 << 20;

// A certificate, key or token.
base::Result<std::string> ReadSmallFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return base::Fail(ErrorKind::kNotFound, fmt::format("cannot open {}", base::Quote(path)));
  }
  std::string text(kMaxSmallFile, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  return text;
}

base::Result<std::string> ReadToken(const std::string& path) {
  ASSIGN_OR_RETURN(std::string token, ReadSmallFile(path));
  while (!token.empty() && (token.back() == '\n' || token.back() == '\r' || token.back() == ' ')) {
    token.pop_back();
  }
  if (token.empty() || token.find_first_of("\r\n") != std::string::npos) {
    return base::Fail(ErrorKind::kInvalidArgument,
                      fmt::format("{} holds no token", base::Quote(path)));
  }
  return token;
}

struct Access {
  std::string token{};
  std::string token_file{};
  bool tls = false;
};

class HttpEndpoint final : public Endpoint {
 public:
  HttpEndpoint(net::EventLoop& loop, std::shared_ptr<net::HttpClient> client, Access access,
               std::string path, base::Duration timeout, bool compression)
      : loop_(loop),
        client_(std::move(client)),
        access_(std::move(access)),
        path_(std::move(path)),
        timeout_(timeout),
        compression_(compression) {}

  void Get(Done done) override {
    net::ClientRequest request;
    request.target = path_;
    request.timeout = std::chrono::ceil<std::chrono::milliseconds>(timeout_);
    request.headers["Accept"] = kAcceptHeader;
    request.headers["User-Agent"] = "enclave";
    if (compression_) request.headers["Accept-Encoding"] = "gzip";
    request.headers["X-Prometheus-Scrape-Timeout-Seconds"] =
        fmt::format("{}", std::chrono::duration<double>(timeout_).count());
    std::string token = access_.token;
    if (!access_.token_file.empty()) {
      auto read = ReadToken(access_.token_file);
      if (!read && token.empty()) {
        done(std::unexpected(std::move(read).error()));
        return;
      }
      if (read) token = std::move(*read);
    }
    if (!token.empty()) {
      if (!access_.tls) {
        done(base::Fail(ErrorKind::kInvalidArgument,
                        "a token must not travel over plain HTTP; use the scheme https"));
        return;
      }
      request.headers["Authorization"] = "Bearer " + token;
    }
    boost::asio::co_spawn(
        loop_.context(), client_->Send(std::move(request)),
        [client = client_, done = std::move(done)](const std::exception_ptr& exception,
                                                   base::Result<net::Response> response) {
          if (exception) {
            done(base::Fail(ErrorKind::kInternal, "the request ended with an exception"));
          } else {
            done(std::move(response));
          }
        });
  }

 private:
  net::EventLoop& loop_;
  const std::shared_ptr<net::HttpClient> client_;
  const Access access_;
  const std::string path_;
  const base::Duration timeout_;
  const bool compression_;
};

}  // namespace

HttpFetcher::HttpFetcher(net::EventLoop& loop, std::optional<kube::ClientConfig> cluster)
    : loop_(loop), cluster_(std::move(cluster)) {}

base::Result<std::shared_ptr<net::HttpClient>> HttpFetcher::ClientFor(
    const net::HttpClientOptions& options) {
  const std::string key = fmt::format(
      "{}\n{}\n{}\n{}\n{}\n{}\n{}", options.base_url, options.max_body_bytes, options.tls.ca_pem,
      options.tls.identity.certificate_pem, options.tls.identity.private_key_pem,
      options.tls.server_name, options.tls.insecure_skip_verify);
  std::erase_if(clients_, [](const auto& entry) { return entry.second.expired(); });
  if (const auto found = clients_.find(key); found != clients_.end()) {
    if (auto client = found->second.lock()) return client;
  }
  ASSIGN_OR_RETURN(std::unique_ptr<net::HttpClient> made, net::HttpClient::Create(loop_, options));
  std::shared_ptr<net::HttpClient> client(std::move(made));
  clients_[key] = client;
  return client;
}

base::Result<std::unique_ptr<Endpoint>> HttpFetcher::Open(const Target& target) {
  const ScrapeJob& job = *target.job;
  net::HttpClientOptions options;
  options.max_idle_connections = 2;
  options.max_body_bytes = job.body_size_limit;
  Access access;
  std::string path = target.path;
  if (job.cluster_access) {
    if (!cluster_) {
      return base::Fail(ErrorKind::kInvalidArgument,
                        fmt::format("the job {} asks for enclave_cluster_access, but there is no "
                                    "cluster; name a kubeconfig",
                                    base::Quote(job.name)));
    }
    // A server may stand behind a path.
    const std::size_t authority = cluster_->server.find("://");
    const std::size_t prefix =
        authority == std::string::npos ? authority : cluster_->server.find('/', authority + 3);
    options.base_url = cluster_->server.substr(0, prefix);
    if (prefix != std::string::npos) {
      std::string before = cluster_->server.substr(prefix);
      while (before.ends_with('/')) before.pop_back();
      path.insert(0, before);
    }
    options.tls = cluster_->tls;
    access.token = cluster_->token;
    access.token_file = cluster_->token_file;
    access.tls = cluster_->server.starts_with("https://");
  } else {
    options.base_url = target.scheme + "://" + target.address;
    access.token_file = job.bearer_token_file;
    access.tls = target.scheme == "https";
    options.tls.server_name = job.server_name;
    options.tls.insecure_skip_verify = job.insecure_skip_verify;
    if (!job.ca_file.empty()) {
      ASSIGN_OR_RETURN(options.tls.ca_pem, ReadSmallFile(job.ca_file));
    }
    if (!job.cert_file.empty()) {
      ASSIGN_OR_RETURN(options.tls.identity.certificate_pem, ReadSmallFile(job.cert_file));
      ASSIGN_OR_RETURN(options.tls.identity.private_key_pem, ReadSmallFile(job.key_file));
    }
  }
  ASSIGN_OR_RETURN(std::shared_ptr<net::HttpClient> client, ClientFor(options));
  return std::make_unique<HttpEndpoint>(loop_, std::move(client), std::move(access),
                                        std::move(path), target.timeout, job.enable_compression);
}

}  // namespace enclave::observatory::scrape
