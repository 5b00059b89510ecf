// An Asker over HTTP.
//
// Threads: any but the loop's own. The loop outlives it.
#pragma once

#include <memory>
#include <string>

#include "lab/drills/world.h"
#include "net/http_client.h"

namespace enclave::lab::drills {

class HttpAsker final : public Asker {
 public:
  // `who` names it in errors: "the agent".
  static base::Result<std::unique_ptr<HttpAsker>> Connect(net::EventLoop& loop,
                                                          const std::string& url, std::string who);
  HttpAsker(std::unique_ptr<net::HttpClient> http, std::string who)
      : http_(std::move(http)), who_(std::move(who)) {}
  base::Result<kube::Json> Ask(const std::string& target) override;

 private:
  const std::unique_ptr<net::HttpClient> http_;
  const std::string who_;
};

}  // namespace enclave::lab::drills
