// What never changes while the program runs: style, script and pictures, made once.
//
// Thread safety: any thread, once made.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "net/http.h"

namespace enclave::lab::boutique {

class StaticFiles {
 public:
  StaticFiles();
  // The answer for a path below "/static/", with an ETag and an age for caches: 304 when the
  // request knows it already, 404 for a path that leads to nothing.
  net::Response Answer(const net::Request& request) const;

 private:
  struct File {
    std::string_view type;
    std::string body;
    std::string etag;
  };
  static File Make(std::string_view type, std::string body);
  std::map<std::string, File, std::less<>> files_;  // by path
};

}  // namespace enclave::lab::boutique
