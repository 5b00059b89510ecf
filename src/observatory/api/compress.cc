#include "compress.h"

#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <limits>

#include "base/check.h"

namespace enclave::observatory::api {
namespace {

std::string_view Trim(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

}  // namespace

bool AcceptsGzip(std::string_view accept_encoding) {
  bool any = false;
  while (!accept_encoding.empty()) {
    const std::size_t comma = std::min(accept_encoding.find(','), accept_encoding.size());
    const std::string_view item = accept_encoding.substr(0, comma);
    accept_encoding.remove_prefix(std::min(comma + 1, accept_encoding.size()));
    const std::size_t semicolon = std::min(item.find(';'), item.size());
    const std::string_view name = Trim(item.substr(0, semicolon));
    std::string weight;
    for (const char c : item.substr(semicolon))
      if (c != ' ' && c != ';') weight += c;
    const bool refused =
        weight.starts_with("q=0") && weight.find_first_not_of("0.", 2) == std::string::npos;
    if (name == "gzip") return !refused;
    if (name == "*") any = !refused;
  }
  return any;
}

std::string Gzip(std::string_view data) {
  z_stream stream{};
  constexpr int kGzipWindow = 15 + 16;  // 16 asks for gzip's frame instead of zlib's
  CHECK(
      ::deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY) == Z_OK,
      "deflate starts unless memory is out");
  CHECK(data.size() <= std::numeric_limits<uInt>::max(), "answers are far below 4 GiB");
  std::string out;
  out.resize(::deflateBound(&stream, data.size()));
  // zlib reads only, but its interface is older than const.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
  stream.avail_in = static_cast<uInt>(data.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int ended = ::deflate(&stream, Z_FINISH);
  CHECK(ended == Z_STREAM_END, "deflateBound is room enough");
  out.resize(stream.total_out);
  ::deflateEnd(&stream);
  return out;
}

}  // namespace enclave::observatory::api
