#include "observatory/scrape/gzip.h"

#include <fmt/format.h>
#include <zlib.h>

#include <limits>

namespace enclave::observatory::scrape {

base::Result<std::string> Gunzip(std::string_view compressed, std::size_t max_bytes) {
  using base::ErrorKind;
  z_stream stream{};
  constexpr int kGzipOnly = 16 + MAX_WBITS;
  if (compressed.size() > std::numeric_limits<uInt>::max() ||
      inflateInit2(&stream, kGzipOnly) != Z_OK) {
    return base::Fail(ErrorKind::kInternal, "cannot start to decompress");
  }
  // zlib reads through a pointer that is not const; it does not write there.
  stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(compressed.data()));
  stream.avail_in = static_cast<uInt>(compressed.size());
  std::string text;
  int status = Z_OK;
  while (status == Z_OK && text.size() <= max_bytes) {
    const std::size_t before = text.size();
    const std::size_t step =
        std::min<std::size_t>(std::max<std::size_t>(before, std::size_t{64} << 10), 16 << 20);
    text.resize(before + step);
    stream.next_out = reinterpret_cast<Bytef*>(text.data() + before);
    stream.avail_out = static_cast<uInt>(step);
    status = inflate(&stream, Z_NO_FLUSH);
    text.resize(before + step - stream.avail_out);
    if (status == Z_BUF_ERROR || (status == Z_OK && stream.avail_in == 0 && stream.avail_out > 0)) {
      status = Z_DATA_ERROR;  // it was cut off
    }
  }
  inflateEnd(&stream);
  if (text.size() > max_bytes) {
    return base::Fail(ErrorKind::kTooLarge,
                      fmt::format("the body has more than {} bytes", max_bytes));
  }
  if (status != Z_STREAM_END) {
    return base::Fail(ErrorKind::kInvalidArgument, "the body is not whole gzip");
  }
  return text;
}

}  // namespace enclave::observatory::scrape
