// Whether text from outside is UTF-8 (RFC 3629). Pure functions; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace enclave::base {

// Bytes of the character at the front of `text`, 0 when it is not UTF-8 (or there is none).
std::size_t CharacterSize(std::string_view text);

bool IsUtf8Slow(std::string_view text);
// Most texts are short and plain ASCII, so that is what is quick.
inline bool IsUtf8(std::string_view text) {
  std::uint64_t high = 0;
  std::size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) {
    std::uint64_t word;
    std::memcpy(&word, text.data() + i, 8);
    high |= word;
  }
  for (; i < text.size(); ++i) high |= static_cast<unsigned char>(text[i]);
  return (high & 0x8080808080808080) == 0 || IsUtf8Slow(text);
}

}  // namespace enclave::base
