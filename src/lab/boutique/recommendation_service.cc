// Recommendations: products of the catalogue that the visitor is not looking at.
#include "hipstershop/demo.pb.h"
#include "lab/boutique/recommender.h"
#include "lab/boutique/service.h"

namespace enclave::lab::boutique {
namespace {

using hipstershop::ListRecommendationsRequest;
using hipstershop::ListRecommendationsResponse;

class RecommendationService final : public Service {
 public:
  RecommendationService(const Setup& setup, const std::string& catalog_address)
      : telemetry_(setup.telemetry),
        catalog_(setup.telemetry, {.address = catalog_address,
                                   .timeout = std::chrono::milliseconds(2'000),
                                   .idempotent = {"hipstershop.ProductCatalogService"}}),
        recommender_(setup.release == "v2" ? MakeCategoryRecommender(catalog_, setup.random)
                                           : MakeRandomRecommender(catalog_, setup.random)) {}

  void Register(otel::GrpcServer& server) override {
    server.Handle<ListRecommendationsResponse, ListRecommendationsRequest>(
        "hipstershop.RecommendationService", "ListRecommendations",
        [this](const ListRecommendationsRequest& request) { return List(request); });
  }

 private:
  base::Result<ListRecommendationsResponse> List(const ListRecommendationsRequest& request) {
    otel::ScopedSpan span(telemetry_.tracer(), "choose recommendations");
    const std::vector<std::string> at_hand(request.product_ids().begin(),
                                           request.product_ids().end());
    span->SetAttribute("app.recommendation.at_hand", static_cast<std::int64_t>(at_hand.size()));
    auto ids = recommender_->Recommend(at_hand);
    if (!ids) {
      span->RecordError(ids.error());
      return base::Fail(ids.error().While("asking the catalogue"));
    }
    ListRecommendationsResponse response;
    for (const std::string& id : *ids) response.add_product_ids(id);
    telemetry_.logger().Info(
        "recommended", {{"app.recommendation.at_hand", static_cast<std::int64_t>(at_hand.size())},
                        {"app.recommendation.count", static_cast<std::int64_t>(ids->size())}});
    return response;
  }

  otel::Telemetry& telemetry_;
  CatalogClient catalog_;
  const std::unique_ptr<Recommender> recommender_;
};

}  // namespace

base::Result<std::unique_ptr<Service>> MakeRecommendationService(const Setup& setup) {
  ASSIGN_OR_RETURN(const std::string catalog,
                   RequiredAddress(setup, "PRODUCT_CATALOG_SERVICE_ADDR"));
  return std::make_unique<RecommendationService>(setup, catalog);
}

}  // namespace enclave::lab::boutique
