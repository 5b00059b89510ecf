// One visitor of the shop: what it does next, its cookies, what it remembers, and its traces. Each
// action begins a trace: a span for the action, below it one for each request, whose context goes
// to the shop in the request's headers.
//
// Used by one coroutine at a time. What Ports names outlives the shopper.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include <boost/asio/awaitable.hpp>

#include "base/executor.h"
#include "base/random.h"
#include "lab/load/behaviour.h"
#include "lab/load/memory.h"
#include "lab/load/page_facts.h"
#include "net/http_client.h"
#include "otel/span.h"
#include "otel/telemetry.h"

namespace enclave::lab::load {

struct ShopperPorts {
  net::HttpClient& http;
  std::string base_url;                       // of the shop, for the spans
  otel::Telemetry& telemetry;                 // clock and ids come from here too
  std::chrono::milliseconds timeout{10'000};  // of one request
};

struct Outcome {
  Action action;
  otel::SpanContext span;  // of the action
  base::Duration latency{};
  std::uint64_t requests = 0;
  // What the visitor would complain about; an answer of 500 or more, none in time, or a wrong one.
  std::optional<std::string> wrong{};
};

class Shopper {
 public:
  Shopper(ShopperPorts ports, std::uint64_t seed, std::string name);

  // The front page first, then by the weights.
  Action Next();
  base::Duration Wait(double scale) { return ChooseWait(random_, scale); }
  boost::asio::awaitable<Outcome> Act(Action action);

 private:
  struct Run;  // one action under way

  boost::asio::awaitable<void> SeeFrontPage(Run& run);
  boost::asio::awaitable<void> ChangeCurrency(Run& run);
  boost::asio::awaitable<std::string> SeeProduct(Run& run);  // its id
  boost::asio::awaitable<void> AddToCart(Run& run);
  boost::asio::awaitable<void> SeeCart(Run& run);
  boost::asio::awaitable<void> CheckOut(Run& run);

  // The page that a request leads to in the end, redirects followed. None when the visitor got no
  // page; the run then says why.
  boost::asio::awaitable<std::optional<PageFacts>> Get(Run& run, std::string target);
  boost::asio::awaitable<std::optional<PageFacts>> Post(Run& run, std::string target,
                                                        std::string form);
  boost::asio::awaitable<std::optional<PageFacts>> Follow(Run& run, net::ClientRequest request);
  boost::asio::awaitable<base::Result<net::Response>> Send(Run& run,
                                                           const net::ClientRequest& request);
  void KeepCookies(const net::Response& response);
  std::string PickProduct();

  ShopperPorts ports_;
  base::SeededRandom random_;
  std::string name_;
  bool has_entered_ = false;
  std::map<std::string, std::string> cookies_;
  Memory memory_;
};

}  // namespace enclave::lab::load
