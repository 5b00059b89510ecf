// The pictures of advertisements. The releases of the ad service differ in whether they make any.
//
// Thread safety: any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace enclave::lab::boutique {

// Red, green, blue and alpha, line by line.
struct Banner {
  int width = 0;
  int height = 0;
  std::vector<unsigned char> pixels;
};

class Banners {
 public:
  virtual ~Banners() = default;
  virtual std::shared_ptr<const Banner> For(std::string_view text) = 0;
};

// v2: drawn once and kept for the visitors who come next.
std::unique_ptr<Banners> MakeBanners();

}  // namespace enclave::lab::boutique
