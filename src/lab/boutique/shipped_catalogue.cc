#include "lab/boutique/catalogue.h"

namespace enclave::lab::boutique {
namespace {

constexpr std::string_view kProducts = R"json([
  {"id": "OLJCESPC7Z", "name": "Sunglasses",
   "description": "Tortoiseshell frames and warm amber lenses. They take the glare off the water and flatter everybody.",
   "picture": "/static/products/OLJCESPC7Z.svg",
   "price_usd": {"units": 19, "nanos": 990000000}, "categories": ["accessories"]},
  {"id": "66VCHSJNUP", "name": "Tank Top",
   "description": "Striped, cropped and cut from soft combed cotton, with a scooped neck. Washes well, dries in an hour.",
   "picture": "/static/products/66VCHSJNUP.svg",
   "price_usd": {"units": 18, "nanos": 990000000}, "categories": ["clothing", "tops"]},
  {"id": "1YMWWN1N4O", "name": "Watch",
   "description": "A gold-toned wrist watch on a leather strap. It keeps time quietly and goes with any sleeve.",
   "picture": "/static/products/1YMWWN1N4O.svg",
   "price_usd": {"units": 109, "nanos": 990000000}, "categories": ["accessories"]},
  {"id": "L9ECAV7KIM", "name": "Loafers",
   "description": "Brown leather loafers that need no breaking in. Slip them on for the office and keep them on for the evening.",
   "picture": "/static/products/L9ECAV7KIM.svg",
   "price_usd": {"units": 89, "nanos": 990000000}, "categories": ["footwear"]},
  {"id": "2ZYFJ3GM2N", "name": "Hairdryer",
   "description": "Light in the hand, with three heats and two speeds. The cream enamel is kind to small bathrooms.",
   "picture": "/static/products/2ZYFJ3GM2N.svg",
   "price_usd": {"units": 24, "nanos": 990000000}, "categories": ["hair", "beauty"]},
  {"id": "0PUK6V6EV0", "name": "Candle Holder",
   "description": "A pair of turned brass candlesticks for the long table. Candles are in the box for the first night.",
   "picture": "/static/products/0PUK6V6EV0.svg",
   "price_usd": {"units": 18, "nanos": 990000000}, "categories": ["decor", "home"]},
  {"id": "LS4PSXUNUM", "name": "Salt & Pepper Shakers",
   "description": "Two stoneware shakers that stand close together. One hole for salt, three for pepper, so nobody has to guess.",
   "picture": "/static/products/LS4PSXUNUM.svg",
   "price_usd": {"units": 18, "nanos": 490000000}, "categories": ["kitchen"]},
  {"id": "9SIQT8TOJO", "name": "Bamboo Glass Jar",
   "description": "Holds 1.7 litres of beans, flour or biscuits. The bamboo lid has a silicone seal and keeps them fresh.",
   "picture": "/static/products/9SIQT8TOJO.svg",
   "price_usd": {"units": 5, "nanos": 490000000}, "categories": ["kitchen"]},
  {"id": "6E92ZMYYFZ", "name": "Mug",
   "description": "A two-tone mug with a mustard inside. A broad handle, a thick wall, and coffee that stays hot.",
   "picture": "/static/products/6E92ZMYYFZ.svg",
   "price_usd": {"units": 8, "nanos": 990000000}, "categories": ["kitchen"]}
])json";

}  // namespace

std::string_view ShippedCatalogue() {
  return kProducts;
}

}  // namespace enclave::lab::boutique
