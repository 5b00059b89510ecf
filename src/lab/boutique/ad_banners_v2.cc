#include <fmt/format.h>

#include <cstdint>
#include <map>
#include <mutex>

#include "lab/boutique/ad_banners.h"

namespace enclave::lab::boutique {
namespace {

// What social networks ask for.
constexpr int kBannerWidth = 1200;
constexpr int kBannerHeight = 628;
constexpr int kBytesOfPixel = 4;

// Stripes in colours of the text's own.
std::shared_ptr<const Banner> DrawBanner(std::string_view text) {
  auto banner = std::make_shared<Banner>();
  banner->width = kBannerWidth;
  banner->height = kBannerHeight;
  banner->pixels.reserve(std::size_t{kBannerWidth} * kBannerHeight * kBytesOfPixel);
  for (int y = 0; y < kBannerHeight; ++y) {
    const std::size_t stripe = static_cast<std::size_t>(y) * text.size() / kBannerHeight;
    const unsigned char colour = static_cast<unsigned char>(text.empty() ? 0 : text[stripe]);
    banner->pixels.insert(banner->pixels.end(), std::size_t{kBannerWidth} * kBytesOfPixel, colour);
  }
  return banner;
}

class KeptBanners final : public Banners {
 public:
  std::shared_ptr<const Banner> For(std::string_view text) override {
    const std::lock_guard lock(mutex_);
    // A visitor does not see the same one twice in a row.
    const std::string key = fmt::format("{}#{}", text, ++shown_);
    auto& banner = banners_[key];
    if (banner == nullptr) banner = DrawBanner(text);
    return banner;
  }

 private:
  std::mutex mutex_;
  std::uint64_t shown_ = 0;
  std::map<std::string, std::shared_ptr<const Banner>> banners_;
};

}  // namespace

std::unique_ptr<Banners> MakeBanners() {
  return std::make_unique<KeptBanners>();
}

}  // namespace enclave::lab::boutique
