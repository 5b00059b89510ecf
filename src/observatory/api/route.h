// The table of routes: which function answers which method and path.
//
// Values; after it is filled, any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/executor.h"
#include "net/http.h"

namespace enclave::observatory::api {

// One request on its way to a handler.
struct Call {
  net::Request request{};
  std::vector<std::string> captures{};  // what the pattern's {} stood for, in order
  base::MonoTime deadline{};            // the handler gives up when it has passed
  std::stop_token stop{};               // asked to stop when the client has gone
};

// Runs on a worker thread and may block. Does not throw.
using BlockingHandler = std::function<net::Response(const Call&)>;

// Which threads and which queue: a slow query never keeps telemetry from coming in, nor either of
// them a probe from being answered.
enum class Lane : std::uint8_t { kQuery, kIngest, kSelf };

struct Route {
  std::vector<std::string> methods;  // GET stands for HEAD too
  std::string pattern;               // "/api/v1/label/{}/values": {} is one segment of the path
  Lane lane = Lane::kQuery;
  BlockingHandler handler{};
};

class RouteTable {
 public:
  void Add(Route route) { routes_.push_back(std::move(route)); }
  void Get(std::string pattern, BlockingHandler handler, Lane lane = Lane::kQuery);
  // GET, and POST with the parameters in a form.
  void GetOrForm(std::string pattern, BlockingHandler handler);
  void Post(std::string pattern, BlockingHandler handler, Lane lane);

  struct Found {
    const Route* route = nullptr;  // null: no such path, or not with this method
    std::string allowed{};         // of a path that is there with other methods: "GET, POST"
    std::vector<std::string> captures{};
  };
  Found Find(std::string_view method, std::string_view path) const;

  const std::vector<Route>& routes() const { return routes_; }

 private:
  std::vector<Route> routes_;
};

}  // namespace enclave::observatory::api
