// Chooses products that go with those at hand. The releases of the recommendation service differ
// in it.
//
// Thread safety: any thread; calls to the catalogue block.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "hipstershop/demo.grpc.pb.h"
#include "otel/grpc_client.h"

namespace enclave::lab::boutique {

inline constexpr std::size_t kMaxRecommendations = 5;

using CatalogClient = otel::GrpcClient<hipstershop::ProductCatalogService>;

class Recommender {
 public:
  virtual ~Recommender() = default;
  // At most kMaxRecommendations ids, none of `at_hand` among them.
  virtual base::Result<std::vector<std::string>> Recommend(
      const std::vector<std::string>& at_hand) = 0;
};

// v1: others by chance.
std::unique_ptr<Recommender> MakeRandomRecommender(CatalogClient& catalog, base::Random& random);
// v2: others that share most categories with those at hand.
std::unique_ptr<Recommender> MakeCategoryRecommender(CatalogClient& catalog, base::Random& random);

}  // namespace enclave::lab::boutique
