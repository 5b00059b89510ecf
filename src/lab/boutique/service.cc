#include "lab/boutique/service.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "base/quote.h"

namespace enclave::lab::boutique {
namespace {

using MakeFunction = base::Result<std::unique_ptr<Service>> (*)(const Setup&);

struct ServiceRow {
  ServiceInfo info;
  MakeFunction make;
};

// Names and ports are Online Boutique's.
const std::array<ServiceRow, 9>& Rows() {
  static const std::array<ServiceRow, 9> rows = {{
      {{"ad", "adservice", 9555, {"v1", "v2"}}, &MakeAdService},
      {{"cart", "cartservice", 7070, {"v1"}}, &MakeCartService},
      {{"checkout", "checkoutservice", 5050, {"v1", "v2"}}, &MakeCheckoutService},
      {{"currency", "currencyservice", 7000, {"v1", "v2"}}, &MakeCurrencyService},
      {{"email", "emailservice", 8080, {"v1"}}, &MakeEmailService},
      {{"payment", "paymentservice", 50051, {"v1", "v2"}}, &MakePaymentService},
      {{"productcatalog", "productcatalogservice", 3550, {"v1"}}, &MakeProductCatalogService},
      {{"recommendation", "recommendationservice", 8080, {"v1", "v2"}}, &MakeRecommendationService},
      {{"shipping", "shippingservice", 50051, {"v1"}}, &MakeShippingService},
  }};
  return rows;
}

}  // namespace

std::span<const ServiceInfo> Services() {
  static const std::vector<ServiceInfo> infos = [] {
    std::vector<ServiceInfo> all;
    for (const ServiceRow& row : Rows()) all.push_back(row.info);
    return all;
  }();
  return infos;
}

const ServiceInfo* FindService(std::string_view name) {
  const auto found = std::ranges::find(Services(), name, &ServiceInfo::name);
  return found == Services().end() ? nullptr : &*found;
}

base::Result<std::unique_ptr<Service>> MakeService(std::string_view name, const Setup& setup) {
  for (const ServiceRow& row : Rows()) {
    if (row.info.name != name) continue;
    if (std::ranges::find(row.info.releases, setup.release) == row.info.releases.end())
      return base::Fail(
          base::ErrorKind::kInvalidArgument,
          fmt::format("{} has no release {}: choose one of {}", name, base::Quote(setup.release),
                      fmt::join(row.info.releases, ", ")));
    return row.make(setup);
  }
  std::vector<std::string_view> names;
  for (const ServiceRow& row : Rows()) names.push_back(row.info.name);
  return base::Fail(base::ErrorKind::kInvalidArgument,
                    fmt::format("there is no service {}: choose one of {}", base::Quote(name),
                                fmt::join(names, ", ")));
}

base::Result<std::string> RequiredAddress(const Setup& setup, const std::string& name) {
  auto value = setup.environment(name);
  if (value && !value->empty()) return std::move(*value);
  return base::Fail(
      base::ErrorKind::kInvalidArgument,
      fmt::format("{} is not set: give the service's address, such as 127.0.0.1:7000", name));
}

}  // namespace enclave::lab::boutique
