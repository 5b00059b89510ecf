#include "observatory/ingest/decompress.h"

#include <snappy.h>
#include <zlib.h>

#include <algorithm>
#include <climits>

#include <fmt/format.h>

#include "base/check.h"
#include "base/quote.h"
#include "observatory/ingest/text.h"

namespace enclave::observatory::ingest {
namespace {

using base::ErrorKind;

base::Error TooLarge(std::size_t max_bytes) {
  return {ErrorKind::kTooLarge,
          fmt::format("the body is larger than {} bytes; send it in smaller parts", max_bytes)};
}

class Inflater {
 public:
  explicit Inflater(ZlibFormat format) {
    const int window_bits = format == ZlibFormat::kGzip ? 15 + 16 : 15;
    CHECK(inflateInit2(&stream_, window_bits) == Z_OK, "zlib's state is a few kilobytes");
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  ~Inflater() { inflateEnd(&stream_); }
  z_stream& operator*() { return stream_; }

 private:
  z_stream stream_{};
};

}  // namespace

base::Result<std::string> Inflate(std::string_view data, ZlibFormat format, std::size_t max_bytes,
                                  ByteBudget::Hold& hold) {
  if (data.size() > UINT_MAX) return base::Fail(TooLarge(max_bytes));
  Inflater inflater(format);
  z_stream& stream = *inflater;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
  stream.avail_in = static_cast<uInt>(data.size());
  std::string output;
  // One byte more than the bound tells a body that fills it from one that passes it.
  const std::size_t most = std::min<std::size_t>(max_bytes, UINT_MAX - 1) + 1;
  std::size_t capacity = std::min(most, std::max<std::size_t>(data.size() * 4, 4096));
  RETURN_IF_ERROR(hold.Charge(capacity));
  int status = Z_OK;
  while (true) {
    // What was there stays; zlib's own count of the output is of one member only.
    const std::size_t done = output.size();
    output.resize_and_overwrite(capacity, [&](char* begin, std::size_t size) {
      stream.next_out = reinterpret_cast<Bytef*>(begin + done);
      stream.avail_out = static_cast<uInt>(size - done);
      do {
        status = inflate(&stream, Z_NO_FLUSH);
        if (status == Z_STREAM_END && format == ZlibFormat::kGzip && stream.avail_in > 0)
          status = inflateReset(&stream);
      } while (status == Z_OK && stream.avail_in > 0 && stream.avail_out > 0);
      return size - stream.avail_out;
    });
    if (output.size() > max_bytes) return base::Fail(TooLarge(max_bytes));
    if (status == Z_STREAM_END) break;
    if (status != Z_OK && status != Z_BUF_ERROR) {
      return base::Fail(ErrorKind::kInvalidArgument,
                        fmt::format("decompressing the body: {}",
                                    stream.msg == nullptr ? "broken data" : stream.msg));
    }
    if (output.size() < capacity) {
      return base::Fail(ErrorKind::kInvalidArgument, "decompressing the body: it ends too early");
    }
    const std::size_t grown = std::min(most, capacity * 2);
    RETURN_IF_ERROR(hold.Charge(grown - capacity));
    capacity = grown;
  }
  if (stream.avail_in > 0) {
    return base::Fail(ErrorKind::kInvalidArgument,
                      "decompressing the body: bytes follow after its end");
  }
  return output;
}

base::Result<std::string> Unsnappy(std::string_view data, std::size_t max_bytes,
                                   ByteBudget::Hold& hold) {
  std::size_t size = 0;
  if (!snappy::GetUncompressedLength(data.data(), data.size(), &size)) {
    return base::Fail(ErrorKind::kInvalidArgument,
                      "decompressing the body: it does not begin with a length in snappy's block "
                      "format");
  }
  if (size > max_bytes) return base::Fail(TooLarge(max_bytes));
  RETURN_IF_ERROR(hold.Charge(size));
  std::string output;
  bool whole = false;
  output.resize_and_overwrite(size, [&](char* begin, std::size_t) {
    whole = snappy::RawUncompress(data.data(), data.size(), begin);
    return whole ? size : 0;
  });
  if (!whole) {
    return base::Fail(ErrorKind::kInvalidArgument,
                      "decompressing the body: broken data in snappy's block format");
  }
  return output;
}

base::Result<std::string> DecodeContent(std::string_view encoding, std::string_view body,
                                        std::size_t max_bytes, ByteBudget::Hold& hold) {
  const std::string name = AsciiLower(Trim(encoding));
  if (name.empty() || name == "identity") {
    if (body.size() > max_bytes) return base::Fail(TooLarge(max_bytes));
    RETURN_IF_ERROR(hold.Charge(body.size()));
    return std::string(body);
  }
  if (name == "gzip" || name == "x-gzip") return Inflate(body, ZlibFormat::kGzip, max_bytes, hold);
  if (name == "deflate") return Inflate(body, ZlibFormat::kZlib, max_bytes, hold);
  return base::Fail(
      ErrorKind::kUnsupportedMedia,
      fmt::format("Content-Encoding {} is not known; use gzip or identity", base::Quote(encoding)));
}

}  // namespace enclave::observatory::ingest
