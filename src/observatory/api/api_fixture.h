// What tests of the APIs share: a request from a URL, handed to the route that answers it.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "base/executor.h"
#include "observatory/api/fake_sources.h"
#include "observatory/api/route.h"

namespace enclave::observatory::api {

// A clock that stands at 2023-11-14T22:13:20Z.
class FixedClock final : public base::Clock {
 public:
  base::WallTime WallNow() const override {
    return base::WallTime(std::chrono::seconds(1'700'000'000));
  }
  base::MonoTime Now() const override { return base::MonoTime(std::chrono::seconds(1000)); }
};

class ApiTest : public testing::Test {
 protected:
  net::Response Get(const std::string& target, net::Headers headers = {}) {
    return Send("GET", target, std::move(headers), "");
  }
  net::Response PostForm(const std::string& target, std::string form) {
    return Send("POST", target, {{"Content-Type", "application/x-www-form-urlencoded"}},
                std::move(form));
  }
  net::Response Send(const std::string& method, const std::string& target, net::Headers headers,
                     std::string body) {
    Call call;
    call.request.method = method;
    call.request.target = target;
    call.request.headers = std::move(headers);
    call.request.body = std::move(body);
    net::ParseTarget(target, &call.request.path, &call.request.query);
    call.deadline = base::MonoTime::max();
    RouteTable::Found found = routes_.Find(method, call.request.path);
    if (found.route == nullptr) {
      ADD_FAILURE() << "no route for " << method << " " << target;
      return {};
    }
    call.captures = std::move(found.captures);
    return found.route->handler(call);
  }

  FixedClock clock_;
  RouteTable routes_;
};

inline trace::TraceId TraceIdOf(const std::string& hex) {
  return *trace::TraceId::Parse(hex);
}
inline trace::SpanId SpanIdOf(const std::string& hex) {
  return *trace::SpanId::Parse(hex);
}

}  // namespace enclave::observatory::api
