// The drawings behind catalogue_art.h: SVG fragments on a ground of 400 by 400, without background.
#pragma once

#include <array>
#include <string_view>

namespace enclave::lab::boutique {

struct Drawing {
  std::string_view product_id;
  std::string_view text;        // what it shows
  std::string_view background;  // colours, #rrggbb
  std::string_view halo;
  std::string_view shapes;
};

extern const std::array<Drawing, 9> kDrawings;

}  // namespace enclave::lab::boutique
