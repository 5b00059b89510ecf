#include <algorithm>
#include <set>
#include <source_location>
#include <utility>

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
    std::vector<std::string> ids;
    for (const Product& product : all.products())
      if (std::ranges::find(at_hand, product.id()) == at_hand.end()) ids.push_back(product.id());
    // Chance decides among those that fit equally well.
    for (std::size_t i = ids.size(); i > 1; --i) std::swap(ids[i - 1], ids[random_.Below(i)]);
    // The best of all, then the best of the rest, and so on.
    const std::size_t count = std::min(kMaxRecommendations, ids.size());
    for (std::size_t i = 0; i < count; ++i) {
      std::size_t best = i;
      std::size_t best_score = 0;
      for (std::size_t j = i; j < ids.size(); ++j) {
        ASSIGN_OR_RETURN(const std::size_t score, Score(ids[j], at_hand));
        if (score <= best_score) continue;
        best = j;
        best_score = score;
      }
      std::swap(ids[i], ids[best]);
    }
    ids.resize(count);
    return ids;
  }

 private:
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
