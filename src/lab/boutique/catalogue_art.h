// The shop's own pictures: an SVG drawing for each product of the catalogue and one for the front
// page. Text, made when asked for; no state; any thread.
#pragma once

#include <string>
#include <string_view>

namespace enclave::lab::boutique {

// The picture of a product, 400 by 400. A product that nobody has drawn gets a wrapped parcel, in a
// colour of its own.
std::string ProductArt(std::string_view product_id);
// What the picture shows, for those who cannot see it; "" for a parcel.
std::string_view ProductArtText(std::string_view product_id);
// The wide picture of the front page, a shelf with some of the goods.
std::string ShelfArt();
// The shop's sign, as a small icon.
std::string_view IconArt();

}  // namespace enclave::lab::boutique
