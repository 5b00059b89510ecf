#include "observatory/store/windows.h"

#include "observatory/store/coding.h"

namespace enclave::observatory::store {

std::string Window::Encode() const {
  std::string out;
  PutVarint(out, bytes);
  PutVarint(out, chunks);
  for (std::size_t at = 0; at < has.size();) {
    std::size_t from = at;
    while (from < has.size() && has[from] == 0) ++from;
    std::size_t to = from;
    while (to < has.size() && has[to] != 0) ++to;
    PutVarint(out, from - at);
    PutVarint(out, to - from);
    for (std::size_t i = from; i < to; ++i) PutFixed64(out, has[i]);
    at = to;
  }
  return out;
}

bool Window::Decode(std::string_view bytes, Window& window) {
  constexpr std::size_t kMostWords = (std::uint64_t{1} << 32) / 64;
  ByteReader reader(bytes);
  window.bytes = reader.Varint();
  window.chunks = reader.Varint();
  window.has.clear();
  while (reader.ok() && !reader.AtEnd()) {
    const std::uint64_t zeros = reader.Varint();
    const std::uint64_t words = reader.Varint();
    if (!reader.ok() || words > reader.left() / 8 || zeros > kMostWords - window.has.size())
      return false;
    if (words > 0) window.has.resize(window.has.size() + zeros);  // none ends in zeros
    for (std::uint64_t i = 0; i < words; ++i) window.has.push_back(reader.Fixed64());
    if (window.has.size() > kMostWords) return false;
  }
  return reader.ok();
}

}  // namespace enclave::observatory::store
