// Advertisements: for each context key those of its category, and two by chance when no key has
// any.
#include <fmt/format.h>

#include <array>
#include <memory>
#include <string_view>

#include "hipstershop/demo.pb.h"
#include "lab/boutique/ad_banners.h"
#include "lab/boutique/service.h"

namespace enclave::lab::boutique {
namespace {

using hipstershop::AdRequest;
using hipstershop::AdResponse;

struct Advertisement {
  std::string_view category;
  std::string_view product_id;
  std::string_view text;
};

constexpr std::array kAdvertisements = {
    Advertisement{"clothing", "66VCHSJNUP", "Tank top, 20% off while the sun is out."},
    Advertisement{"accessories", "1YMWWN1N4O", "Watch: buy one, give the second one away."},
    Advertisement{"footwear", "L9ECAV7KIM", "Loafers: buy one, we add the other one."},
    Advertisement{"hair", "2ZYFJ3GM2N", "Hairdryer at half price, for windless days."},
    Advertisement{"decor", "0PUK6V6EV0", "Candle holders, 30% off until it gets dark."},
    Advertisement{"kitchen", "9SIQT8TOJO", "Bamboo glass jar, 10% off, biscuits not included."},
    Advertisement{"kitchen", "6E92ZMYYFZ", "Mugs: buy two, and a third comes along."},
};
constexpr int kByChance = 2;

class AdService final : public Service {
 public:
  explicit AdService(const Setup& setup)
      : telemetry_(setup.telemetry),
        random_(setup.random),
        banners_(setup.release == "v2" ? MakeBanners() : nullptr) {}

  void Register(otel::GrpcServer& server) override {
    server.Handle<AdResponse, AdRequest>(
        "hipstershop.AdService", "GetAds",
        [this](const AdRequest& request) -> base::Result<AdResponse> { return GetAds(request); });
  }

 private:
  void AddTo(AdResponse& response, const Advertisement& advertisement) {
    hipstershop::Ad& ad = *response.add_ads();
    ad.set_redirect_url("/product/" + std::string(advertisement.product_id));
    ad.set_text(std::string(advertisement.text));
    if (banners_ == nullptr) return;
    const auto banner = banners_->For(advertisement.text);
    ad.set_redirect_url(
        fmt::format("{}?banner={}x{}", ad.redirect_url(), banner->width, banner->height));
  }

  AdResponse GetAds(const AdRequest& request) {
    const otel::ScopedSpan span(telemetry_.tracer(), "choose ads");
    AdResponse response;
    for (const std::string& key : request.context_keys())
      for (const Advertisement& advertisement : kAdvertisements)
        if (advertisement.category == key) AddTo(response, advertisement);
    const bool targeted = !response.ads().empty();
    if (!targeted)
      for (int i = 0; i < kByChance; ++i)
        AddTo(response, kAdvertisements[random_.Below(kAdvertisements.size())]);
    telemetry_.logger().Info("ads chosen", {{"app.ads.targeted", targeted},
                                            {"app.ads.count", std::int64_t{response.ads_size()}}});
    return response;
  }

  otel::Telemetry& telemetry_;
  base::Random& random_;
  const std::unique_ptr<Banners> banners_;  // null: none are drawn
};

}  // namespace

base::Result<std::unique_ptr<Service>> MakeAdService(const Setup& setup) {
  return std::make_unique<AdService>(setup);
}

}  // namespace enclave::lab::boutique
