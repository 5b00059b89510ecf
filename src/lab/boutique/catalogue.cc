#include "lab/boutique/catalogue.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/quote.h"
#include "lab/boutique/money.h"

namespace enclave::lab::boutique {
namespace {

using base::ErrorKind;
using hipstershop::Product;
using Json = nlohmann::json;

constexpr std::size_t kMaxProducts = 10'000;

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  return lower;
}

base::Result<std::string> TextField(const Json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_string())
    return base::Fail(ErrorKind::kInvalidArgument, fmt::format("{} is no text", name));
  return found->get<std::string>();
}

// `missing` when the field is not there.
base::Result<std::int64_t> IntegerField(const Json& object, const char* name,
                                        std::int64_t missing) {
  const auto found = object.find(name);
  if (found == object.end()) return missing;
  // A number past 63 bits is unsigned here, and would turn negative.
  if (!found->is_number_integer() ||
      (found->is_number_unsigned() && found->get<std::uint64_t>() > INT64_MAX))
    return base::Fail(ErrorKind::kInvalidArgument, fmt::format("{} is no whole number", name));
  return found->get<std::int64_t>();
}

base::Result<Product> ParseProduct(const Json& object) {
  if (!object.is_object())
    return base::Fail(ErrorKind::kInvalidArgument, "a product is no JSON object");
  Product product;
  ASSIGN_OR_RETURN(*product.mutable_id(), TextField(object, "id"));
  if (product.id().empty())
    return base::Fail(ErrorKind::kInvalidArgument, "a product has an empty id");
  ASSIGN_OR_RETURN(*product.mutable_name(), TextField(object, "name"));
  ASSIGN_OR_RETURN(*product.mutable_description(), TextField(object, "description"));
  ASSIGN_OR_RETURN(*product.mutable_picture(), TextField(object, "picture"));
  const auto price = object.find("price_usd");
  if (price == object.end() || !price->is_object())
    return base::Fail(ErrorKind::kInvalidArgument, "price_usd is no JSON object");
  ASSIGN_OR_RETURN(const std::int64_t units, IntegerField(*price, "units", 0));
  ASSIGN_OR_RETURN(const std::int64_t nanos, IntegerField(*price, "nanos", 0));
  if (units < 0 || nanos < 0 || nanos >= kNanosPerUnit)
    return base::Fail(ErrorKind::kInvalidArgument, "price_usd is no price");
  *product.mutable_price_usd() = MakeMoney("USD", units, static_cast<std::int32_t>(nanos));
  if (const auto categories = object.find("categories"); categories != object.end()) {
    if (!categories->is_array())
      return base::Fail(ErrorKind::kInvalidArgument, "categories is no JSON array");
    for (const Json& category : *categories) {
      if (!category.is_string())
        return base::Fail(ErrorKind::kInvalidArgument, "a category is no text");
      product.add_categories(category.get<std::string>());
    }
  }
  return product;
}

}  // namespace

base::Result<Catalogue> Catalogue::Parse(std::string_view json) {
  const Json root = Json::parse(json, nullptr, false);
  if (!root.is_array())
    return base::Fail(ErrorKind::kInvalidArgument, "the catalogue is no JSON array");
  if (root.size() > kMaxProducts)
    return base::Fail(
        ErrorKind::kInvalidArgument,
        fmt::format("the catalogue has {} products, more than {}", root.size(), kMaxProducts));
  Catalogue catalogue;
  std::set<std::string> ids;
  for (std::size_t i = 0; i < root.size(); ++i) {
    auto product = ParseProduct(root[i]);
    if (!product) return base::Fail(product.error().While(fmt::format("reading product {}", i)));
    if (!ids.insert(product->id()).second)
      return base::Fail(ErrorKind::kInvalidArgument,
                        fmt::format("the id {} is there twice", base::Quote(product->id())));
    catalogue.products_.push_back(std::move(*product));
  }
  return catalogue;
}

const Product* Catalogue::Find(std::string_view id) const {
  const auto found = std::ranges::find(products_, id, &Product::id);
  return found == products_.end() ? nullptr : &*found;
}

std::vector<const Product*> Catalogue::Search(std::string_view query) const {
  std::vector<std::string> words;
  for (std::string lower = LowerCase(query); !lower.empty();) {
    const std::size_t end = std::min(lower.find(' '), lower.size());
    if (end > 0) words.push_back(lower.substr(0, end));
    lower.erase(0, end + 1);
  }
  std::vector<const Product*> found;
  if (words.empty()) return found;
  for (const Product& product : products_) {
    std::string text = product.name() + ' ' + product.description();
    for (const std::string& category : product.categories()) text += ' ' + category;
    text = LowerCase(text);
    if (std::ranges::all_of(words, [&](const std::string& word) { return text.contains(word); }))
      found.push_back(&product);
  }
  return found;
}

}  // namespace enclave::lab::boutique
