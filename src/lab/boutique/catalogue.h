// The products of the shop, read from JSON (an array of objects with id, name, description,
// picture, price_usd {units, nanos} and categories).
//
// Thread safety: immutable once parsed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "hipstershop/demo.pb.h"

namespace enclave::lab::boutique {

class Catalogue {
 public:
  // kInvalidArgument, naming the product and the field, for text that is no catalogue.
  static base::Result<Catalogue> Parse(std::string_view json);

  const std::vector<hipstershop::Product>& products() const { return products_; }
  // Null when there is none.
  const hipstershop::Product* Find(std::string_view id) const;
  // Those that have every word of the query in their name, description or categories, whatever the
  // case; none for a query without words.
  std::vector<const hipstershop::Product*> Search(std::string_view query) const;

 private:
  std::vector<hipstershop::Product> products_;
};

// The catalogue that the shop ships with.
std::string_view ShippedCatalogue();

}  // namespace enclave::lab::boutique
