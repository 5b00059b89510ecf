#include "lab/boutique/recommender.h"

#include <algorithm>

namespace enclave::lab::boutique {
namespace {

class RandomRecommender final : public Recommender {
 public:
  RandomRecommender(CatalogClient& catalog, base::Random& random)
      : catalog_(catalog), random_(random) {}

  base::Result<std::vector<std::string>> Recommend(
      const std::vector<std::string>& at_hand) override {
    ASSIGN_OR_RETURN(const hipstershop::ListProductsResponse all,
                     catalog_.Call(&hipstershop::ProductCatalogService::Stub::ListProducts,
                                   hipstershop::ListProductsRequest()));
    std::vector<std::string> ids;
    for (const hipstershop::Product& product : all.products())
      if (std::ranges::find(at_hand, product.id()) == at_hand.end()) ids.push_back(product.id());
    // The first few of a shuffle (Fisher and Yates).
    const std::size_t count = std::min(kMaxRecommendations, ids.size());
    for (std::size_t i = 0; i < count; ++i)
      std::swap(ids[i], ids[i + random_.Below(ids.size() - i)]);
    ids.resize(count);
    return ids;
  }

 private:
  CatalogClient& catalog_;
  base::Random& random_;
};

}  // namespace

std::unique_ptr<Recommender> MakeRandomRecommender(CatalogClient& catalog, base::Random& random) {
  return std::make_unique<RandomRecommender>(catalog, random);
}

}  // namespace enclave::lab::boutique
