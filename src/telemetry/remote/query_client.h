// Questions to one server over HTTP, asked again where that may help.
//
// Thread safety: any thread but the loop's own.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "net/event_loop.h"
#include "net/http_client.h"
#include "telemetry/remote/remote.h"

namespace enclave::telemetry::remote {

class QueryClient {
 public:
  static base::Result<std::unique_ptr<QueryClient>> Create(net::EventLoop& loop, Endpoint endpoint,
                                                           std::size_t connections);

  // The body of a 200. `target` is the path with its query.
  base::Result<std::string> Get(const std::string& target, const net::Headers& headers = {});
  // For questions that are too long for a URL.
  base::Result<std::string> PostForm(const std::string& path, const std::string& form);
  // All of them, at most `connections` at once. Answers come in the order of the targets; false
  // from `take` ends it.
  void GetEach(const std::vector<std::string>& targets, const net::Headers& headers,
               const std::function<bool(std::size_t index, base::Result<std::string> body)>& take);

  const std::string& url() const { return endpoint_.url; }

 private:
  QueryClient(net::EventLoop& loop, Endpoint endpoint, std::size_t connections,
              std::unique_ptr<net::HttpClient> http);
  net::ClientRequest Request(const std::string& target, const net::Headers& headers) const;
  base::Result<std::string> Ask(const net::ClientRequest& request);

  net::EventLoop& loop_;
  const Endpoint endpoint_;
  const std::size_t connections_;
  const std::unique_ptr<net::HttpClient> http_;
};

// "start=1&end=2" with both sides percent-encoded.
std::string QueryString(const std::vector<std::pair<std::string, std::string>>& parameters);

}  // namespace enclave::telemetry::remote
