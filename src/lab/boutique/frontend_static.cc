#include "lab/boutique/frontend_static.h"

#include <fmt/format.h>

#include <cstdint>
#include <utility>

#include "lab/boutique/catalogue_art.h"
#include "lab/boutique/catalogue_art_drawings.h"
#include "lab/boutique/frontend_form.h"
#include "lab/boutique/page_style.h"

namespace enclave::lab::boutique {
namespace {

constexpr std::string_view kSvgType = "image/svg+xml";
constexpr std::string_view kProductsPath = "/static/products/";

}  // namespace

StaticFiles::File StaticFiles::Make(std::string_view type, std::string body) {
  // FNV-1a: replicas of one release agree on it.
  std::uint64_t hash = 14695981039346656037U;
  for (const char c : body) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
  return {.type = type, .body = std::move(body), .etag = fmt::format("\"{:016x}\"", hash)};
}

StaticFiles::StaticFiles() {
  files_["/static/style.css"] = Make("text/css; charset=utf-8", std::string(kStyleSheet));
  files_["/static/shop.js"] = Make("text/javascript; charset=utf-8", std::string(kScript));
  files_["/static/icon.svg"] = Make(kSvgType, std::string(IconArt()));
  files_["/static/shelf.svg"] = Make(kSvgType, ShelfArt());
  for (const Drawing& drawing : kDrawings)
    files_[fmt::format("{}{}.svg", kProductsPath, drawing.product_id)] =
        Make(kSvgType, ProductArt(drawing.product_id));
}

net::Response StaticFiles::Answer(const net::Request& request) const {
  File parcel;
  const File* file = nullptr;
  if (const auto found = files_.find(request.path); found != files_.end()) {
    file = &found->second;
  } else if (request.path.starts_with(kProductsPath) && request.path.ends_with(".svg")) {
    const std::string id =
        request.path.substr(kProductsPath.size(), request.path.size() - kProductsPath.size() - 4);
    if (ProductOfPath("/product/" + id)) {
      parcel = Make(kSvgType, ProductArt(id));
      file = &parcel;
    }
  }
  net::Response response;
  if (file == nullptr) {
    response.status = 404;
    response.headers["Content-Type"] = "text/plain; charset=utf-8";
    response.body = "there is no such file\n";
    return response;
  }
  response.headers["ETag"] = file->etag;
  // A version in the query stands for just these bytes; without one, caches ask again now and then.
  response.headers["Cache-Control"] =
      request.Query("v") ? "public, max-age=31536000, immutable" : "public, max-age=3600";
  if (request.Header("If-None-Match") == file->etag) {
    response.status = 304;
    return response;
  }
  response.headers["Content-Type"] = file->type;
  response.body = file->body;
  return response;
}

}  // namespace enclave::lab::boutique
