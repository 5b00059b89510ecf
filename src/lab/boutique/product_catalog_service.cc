// The catalogue. EXTRA_LATENCY delays every answer. SIGUSR1 makes it read its catalogue again for
// every call, SIGUSR2 ends that: the two ways in which operators have slowed this service down.
#include <fmt/format.h>
#include <signal.h>

#include <atomic>
#include <fstream>
#include <future>
#include <iterator>
#include <memory>

#include "base/quote.h"
#include "hipstershop/demo.pb.h"
#include "lab/boutique/catalogue.h"
#include "lab/boutique/go_duration.h"
#include "lab/boutique/service.h"

namespace enclave::lab::boutique {
namespace {

using hipstershop::GetProductRequest;
using hipstershop::ListProductsRequest;
using hipstershop::ListProductsResponse;
using hipstershop::Product;
using hipstershop::SearchProductsRequest;
using hipstershop::SearchProductsResponse;

constexpr const char* kCatalogService = "hipstershop.ProductCatalogService";

// The file's text; the shipped catalogue without a file.
base::Result<std::string> ReadCatalogue(const std::string& path) {
  if (path.empty()) return std::string(ShippedCatalogue());
  std::ifstream file(path, std::ios::binary);
  if (!file)
    return base::Fail(
        base::ErrorKind::kNotFound,
        fmt::format("the catalogue {} cannot be read: check CATALOGUE_FILE", base::Quote(path)));
  return std::string(std::istreambuf_iterator<char>(file), {});
}

class ProductCatalogService final : public Service {
 public:
  ProductCatalogService(const Setup& setup, std::string path,
                        std::shared_ptr<const Catalogue> catalogue, base::Duration extra_latency)
      : telemetry_(setup.telemetry),
        executor_(setup.executor),
        path_(std::move(path)),
        catalogue_(std::move(catalogue)),
        extra_latency_(extra_latency) {}

  void Register(otel::GrpcServer& server) override {
    server.Handle<ListProductsResponse, ListProductsRequest>(
        kCatalogService, "ListProducts",
        [this](const ListProductsRequest&) { return ListProducts(); });
    server.Handle<Product, GetProductRequest>(
        kCatalogService, "GetProduct",
        [this](const GetProductRequest& request) { return GetProduct(request); });
    server.Handle<SearchProductsResponse, SearchProductsRequest>(
        kCatalogService, "SearchProducts",
        [this](const SearchProductsRequest& request) { return SearchProducts(request); });
  }

  void OnSignal(int signal) override {
    if (signal != SIGUSR1 && signal != SIGUSR2) return;
    reload_ = signal == SIGUSR1;
    telemetry_.logger().Info(reload_ ? "the catalogue is read again for every call from now on"
                                     : "the catalogue is kept from now on");
  }

 private:
  base::Result<ListProductsResponse> ListProducts() {
    ASSIGN_OR_RETURN(const auto catalogue, Read());
    ListProductsResponse response;
    for (const Product& product : catalogue->products()) *response.add_products() = product;
    return response;
  }

  base::Result<Product> GetProduct(const GetProductRequest& request) {
    ASSIGN_OR_RETURN(const auto catalogue, Read());
    if (const Product* product = catalogue->Find(request.id())) {
      telemetry_.logger().Debug("product found", {{"app.product.id", request.id()}});
      return *product;
    }
    return base::Fail(base::ErrorKind::kNotFound,
                      fmt::format("there is no product {}", base::Quote(request.id())));
  }

  base::Result<SearchProductsResponse> SearchProducts(const SearchProductsRequest& request) {
    ASSIGN_OR_RETURN(const auto catalogue, Read());
    SearchProductsResponse response;
    for (const Product* product : catalogue->Search(request.query()))
      *response.add_results() = *product;
    telemetry_.logger().Info("products searched",
                             {{"app.search.query", request.query()},
                              {"app.search.results", std::int64_t{response.results_size()}}});
    return response;
  }

  base::Result<std::shared_ptr<const Catalogue>> Read() {
    otel::ScopedSpan span(telemetry_.tracer(), "read catalogue");
    if (extra_latency_ > base::Duration::zero()) {
      const auto over = std::make_shared<std::promise<void>>();
      std::future<void> wait = over->get_future();
      executor_.After(extra_latency_, [over] { over->set_value(); });
      wait.wait();
    }
    if (!reload_) return catalogue_;
    ASSIGN_OR_RETURN(const std::string text, ReadCatalogue(path_));
    ASSIGN_OR_RETURN(Catalogue catalogue, Catalogue::Parse(text));
    span->AddEvent("catalogue read from its file");
    return std::make_shared<const Catalogue>(std::move(catalogue));
  }

  otel::Telemetry& telemetry_;
  base::Executor& executor_;
  const std::string path_;
  const std::shared_ptr<const Catalogue> catalogue_;
  const base::Duration extra_latency_;
  std::atomic<bool> reload_ = false;
};

}  // namespace

base::Result<std::unique_ptr<Service>> MakeProductCatalogService(const Setup& setup) {
  std::string path = setup.environment("CATALOGUE_FILE").value_or("");
  ASSIGN_OR_RETURN(const std::string text, ReadCatalogue(path));
  auto catalogue = Catalogue::Parse(text);
  if (!catalogue) return base::Fail(catalogue.error().While("reading the catalogue"));
  base::Duration extra_latency{};
  if (const auto latency = setup.environment("EXTRA_LATENCY"); latency && !latency->empty()) {
    auto parsed = ParseGoDuration(*latency);
    if (!parsed) return base::Fail(parsed.error().While("reading EXTRA_LATENCY"));
    extra_latency = *parsed;
  }
  return std::make_unique<ProductCatalogService>(
      setup, std::move(path), std::make_shared<const Catalogue>(std::move(*catalogue)),
      extra_latency);
}

}  // namespace enclave::lab::boutique
