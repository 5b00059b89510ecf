// A Poster for the tests of this folder: keeps what was posted and answers as told.
#pragma once

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "observatory/rules/poster.h"

namespace enclave::observatory::rules {

class FakePoster final : public Poster {
 public:
  struct Posted {
    std::string url;
    nlohmann::json body;
  };
  void Post(const std::string& url, std::string body, base::Duration, Done done) override {
    posted.push_back({url, nlohmann::json::parse(body)});
    net::Response response;
    response.status = 200;
    if (!statuses.empty()) {
      response.status = statuses.front();
      statuses.pop_front();
    }
    if (response.status == 0) {
      done(base::Fail(base::ErrorKind::kUnavailable, "connection refused"));
    } else {
      done(std::move(response));
    }
  }

  std::vector<Posted> posted;
  std::deque<int> statuses;  // of the next answers, 0: none comes; then 200
};

}  // namespace enclave::observatory::rules
