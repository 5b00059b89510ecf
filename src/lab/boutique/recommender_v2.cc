#include <algorithm>
#include <set>
#include <source_location>

#include "lab/boutique/recommender.h"

namespace enclave::lab::boutique {
namespace {

using hipstershop::Product;

class CategoryRecommender final : public Recommender {
 public:
  CategoryRecommender(CatalogClient& catalog, base::Random& random)
      : catalog_(catalog), random_(random) {}

  base::Result<std::vector<std::string>> Recommend(
      const std::vector<std::string>& at_hand) override {
    ASSIGN_OR_RETURN(const hipstershop::ListProductsResponse all,
                     catalog_.Call(&hipstershop::ProductCatalogService::Stub::ListProducts,
                                   hipstershop::ListProductsRequest()));
    std::vector<Candidate> candidates;
    for (const Product& product : all.products()) {
      if (std::ranges::find(at_hand, product.id()) != at_hand.end()) continue;
      ASSIGN_OR_RETURN(const std::size_t score, Score(product.id(), at_hand));
      // Chance decides among those that fit equally well.
      candidates.push_back({product.id(), score, random_.Next()});
    }
    std::ranges::sort(candidates, [](const Candidate& a, const Candidate& b) {
      return a.score != b.score ? a.score > b.score : a.lot < b.lot;
    });
    std::vector<std::string> ids;
    for (const Candidate& candidate : candidates)
      if (ids.size() < kMaxRecommendations) ids.push_back(candidate.id);
    return ids;
  }

 private:
  struct Candidate {
    std::string id;
    std::size_t score;
    std::uint64_t lot;
  };

  // `where`: who asks, for the trace.
  base::Result<std::set<std::string>> CategoriesOf(
      const std::string& id, std::source_location where = std::source_location::current()) {
    hipstershop::GetProductRequest request;
    request.set_id(id);
    ASSIGN_OR_RETURN(const Product product,
                     catalog_.Call(&hipstershop::ProductCatalogService::Stub::GetProduct, request,
                                   std::nullopt, where));
    return std::set<std::string>(product.categories().begin(), product.categories().end());
  }

  // How many categories the product shares with those at hand.
  base::Result<std::size_t> Score(const std::string& id, const std::vector<std::string>& at_hand) {
    std::size_t score = 0;
    for (const std::string& other : at_hand) {
      ASSIGN_OR_RETURN(const std::set<std::string> mine, CategoriesOf(id));
      ASSIGN_OR_RETURN(const std::set<std::string> theirs, CategoriesOf(other));
      score += static_cast<std::size_t>(std::ranges::count_if(
          mine, [&](const std::string& category) { return theirs.contains(category); }));
    }
    return score;
  }

  CatalogClient& catalog_;
  base::Random& random_;
};

}  // namespace

std::unique_ptr<Recommender> MakeCategoryRecommender(CatalogClient& catalog, base::Random& random) {
  return std::make_unique<CategoryRecommender>(catalog, random);
}

}  // namespace enclave::lab::boutique
