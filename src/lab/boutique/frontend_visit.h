// One request of a visitor on its way to a page: who it is, what was asked of the services for it,
// and how it is answered.
//
// Used by the one coroutine that answers the request.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "base/random.h"
#include "base/result.h"
#include "lab/boutique/frontend_backends.h"
#include "lab/boutique/page.h"
#include "net/http.h"
#include "otel/http_instrumentation.h"
#include "otel/telemetry.h"

namespace enclave::lab::boutique {

class Visit {
 public:
  // All outlive the visit.
  Visit(Backends& backends, otel::Telemetry& telemetry, base::Random& random,
        const net::Request& request, otel::HttpServerSpan& call,
        const boost::asio::any_io_executor& executor);

  // Each answers one kind of request.
  boost::asio::awaitable<net::Response> Home();
  boost::asio::awaitable<net::Response> Product();
  boost::asio::awaitable<net::Response> Cart();
  boost::asio::awaitable<net::Response> AddToCart();
  boost::asio::awaitable<net::Response> EmptyCart();
  boost::asio::awaitable<net::Response> Checkout();
  net::Response SetCurrency();
  net::Response Logout();
  // There is no such page, or not for this method.
  net::Response NotFound();
  net::Response WrongMethod(std::string_view allowed);
  // Something threw.
  net::Response Broken();

  std::string trace_id() const;

 private:
  template <typename T>
  using Waited = boost::asio::awaitable<base::Result<T>>;

  // What a page needs of the services, asked for before it is awaited.
  struct FrameCalls {
    Pending<hipstershop::GetSupportedCurrenciesResponse> currencies;
    Pending<hipstershop::Cart> cart;
  };
  FrameCalls StartFrame();
  PageFrame EmptyFrame() const;
  Waited<PageFrame> FinishFrame(FrameCalls calls, hipstershop::Cart* cart);

  Waited<Offer> FinishOffer(hipstershop::Product product, Pending<hipstershop::Money> price);
  Waited<std::vector<Offer>> OffersOf(std::vector<hipstershop::Product> products);
  Waited<std::vector<CartLine>> LinesOf(hipstershop::Cart cart);
  Waited<hipstershop::Money> FinishShipping(Pending<hipstershop::GetQuoteResponse> quote);
  // These leave out what they cannot get.
  boost::asio::awaitable<std::vector<Offer>> Recommended(
      Pending<hipstershop::ListRecommendationsResponse> call);
  boost::asio::awaitable<std::optional<Advert>> Advertised(Pending<hipstershop::AdResponse> call);
  boost::asio::awaitable<std::vector<CartLine>> Ordered(hipstershop::OrderResult order);

  net::Response Page(std::string html, int status = 200);
  net::Response Redirect(std::string target);
  // The page for an error, which is logged and recorded in the span.
  net::Response Sorry(const base::Error& error, std::string_view doing);
  // What the visitor sent cannot be used.
  net::Response Refused(const base::Error& error);
  void Note(otel::Severity severity, std::string_view message, telemetry::Attributes attributes);

  Backends& backends_;
  otel::Telemetry& telemetry_;
  base::Random& random_;
  const net::Request& request_;
  otel::HttpServerSpan& call_;
  CallScope scope_;
  std::string session_;
  bool is_new_ = false;  // the session has to be handed out yet
  std::string currency_;
};

}  // namespace enclave::lab::boutique
