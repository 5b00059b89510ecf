#include "lab/boutique/catalogue_art.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>

#include "lab/boutique/catalogue_art_drawings.h"

namespace enclave::lab::boutique {
namespace {

constexpr std::string_view kParcelShapes = R"svg(
<rect x="96" y="150" width="208" height="176" rx="10" fill="#fff8ec"/><rect x="84" y="128" width="232" height="46" rx="8" fill="#fff"/>
<path d="M184 128h32v198h-32z" fill="#b5533c"/><path d="M200 128c-60-8-74-64-44-70 26-4 40 34 44 70zM200 128c60-8 74-64 44-70-26-4-40 34-44 70z" fill="none" stroke="#b5533c" stroke-width="14" stroke-linejoin="round"/>
)svg";

constexpr std::string_view kIconShapes =
    R"svg(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64"><rect width="64" height="64" rx="16" fill="#b5533c"/>
<path d="M17 25h30l3 25q0 4-4 4H18q-4 0-4-4z" fill="#fff8ec"/><path d="M23 30v-8a9 9 0 0 1 18 0v8" fill="none" stroke="#2b2723" stroke-width="3.5" stroke-linecap="round"/></svg>)svg";

const Drawing* FindDrawing(std::string_view product_id) {
  const auto* const found = std::ranges::find(kDrawings, product_id, &Drawing::product_id);
  return found == kDrawings.end() ? nullptr : found;
}

// FNV-1a: the same product has the same colour in every replica.
unsigned HueOf(std::string_view text) {
  std::uint32_t hash = 2166136261;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619;
  return hash % 360;
}

std::string Framed(std::string_view background, std::string_view halo, std::string_view shapes) {
  return fmt::format(
      R"svg(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 400"><rect width="400" height="400" fill="{}"/>
<circle cx="200" cy="196" r="156" fill="{}"/><ellipse cx="200" cy="340" rx="112" ry="12" fill="#1c1511" opacity=".13"/>{}</svg>
)svg",
      background, halo, shapes);
}

}  // namespace

std::string ProductArt(std::string_view product_id) {
  if (const Drawing* drawing = FindDrawing(product_id))
    return Framed(drawing->background, drawing->halo, drawing->shapes);
  const unsigned hue = HueOf(product_id);
  return Framed(fmt::format("hsl({} 45% 82%)", hue), fmt::format("hsl({} 50% 90%)", hue),
                kParcelShapes);
}

std::string_view ProductArtText(std::string_view product_id) {
  const Drawing* drawing = FindDrawing(product_id);
  return drawing == nullptr ? std::string_view() : drawing->text;
}

std::string ShelfArt() {
  struct Place {
    std::string_view product_id;
    double x;
    double y;
    double scale;
  };
  // Where the bottom of each drawing (about y 330 of 400) meets the shelf it stands on.
  static constexpr std::array<Place, 6> kPlaces = {{
      {"9SIQT8TOJO", 60, 26, 0.50},
      {"6E92ZMYYFZ", 232, 44, 0.44},
      {"LS4PSXUNUM", 392, 40, 0.45},
      {"0PUK6V6EV0", 36, 212, 0.56},
      {"L9ECAV7KIM", 226, 242, 0.48},
      {"OLJCESPC7Z", 414, 254, 0.42},
  }};
  std::string art =
      R"svg(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 440"><rect width="640" height="440" fill="#43312a"/>
<path d="M36 440V196C36 92 160 28 320 28s284 64 284 168v244z" fill="#5a4338"/><path d="M60 440V204C60 112 176 54 320 54s260 58 260 150v236z" fill="#6c5244"/>
<g fill="#d8ac6d"><rect x="40" y="190" width="560" height="14" rx="4"/><rect x="40" y="398" width="560" height="16" rx="4"/></g>
<g fill="#2c1f19" opacity=".45"><rect x="60" y="204" width="520" height="8"/><rect x="60" y="414" width="520" height="10"/></g>)svg";
  for (const Place& place : kPlaces) {
    const Drawing* drawing = FindDrawing(place.product_id);
    if (drawing == nullptr) continue;
    fmt::format_to(std::back_inserter(art),
                   R"svg(<g transform="translate({} {}) scale({})">{}</g>)svg", place.x, place.y,
                   place.scale, drawing->shapes);
  }
  art += "</svg>\n";
  return art;
}

std::string_view IconArt() {
  return kIconShapes;
}

}  // namespace enclave::lab::boutique
