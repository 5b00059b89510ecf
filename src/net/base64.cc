// RFC 4648. Decoders are strict: no line breaks, no stray bits, so that a text has one meaning.
#include <array>
#include <cstdint>

#include "net/tls.h"

namespace enclave::net {
namespace {

constexpr std::string_view kStandard =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrl =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::uint8_t kInvalid = 255;

constexpr std::array<std::uint8_t, 256> Reverse(std::string_view alphabet) {
  std::array<std::uint8_t, 256> values{};
  values.fill(kInvalid);
  for (std::size_t i = 0; i < alphabet.size(); ++i) {
    values.at(static_cast<unsigned char>(alphabet[i])) = static_cast<std::uint8_t>(i);
  }
  return values;
}

constexpr auto kStandardValues = Reverse(kStandard);
constexpr auto kUrlValues = Reverse(kUrl);

std::string Encode(std::string_view data, std::string_view alphabet, bool padded) {
  std::string text;
  text.reserve((data.size() + 2) / 3 * 4);
  std::size_t i = 0;
  const auto byte = [&data](std::size_t at) {
    return static_cast<std::uint32_t>(static_cast<unsigned char>(data[at]));
  };
  for (; i + 3 <= data.size(); i += 3) {
    const std::uint32_t bits = byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2);
    for (const int shift : {18, 12, 6, 0}) text += alphabet[bits >> shift & 63];
  }
  const std::size_t left = data.size() - i;
  if (left > 0) {
    const std::uint32_t bits = byte(i) << 16 | (left == 2 ? byte(i + 1) << 8 : 0);
    text += alphabet[bits >> 18 & 63];
    text += alphabet[bits >> 12 & 63];
    if (left == 2) text += alphabet[bits >> 6 & 63];
    if (padded) text.append(3 - left, '=');
  }
  return text;
}

base::Result<std::string> Decode(std::string_view text, const std::array<std::uint8_t, 256>& values,
                                 bool padded) {
  if (padded) {
    if (text.size() % 4 != 0) {
      return base::Fail(base::ErrorKind::kInvalidArgument,
                        "decoding base64: the length is not a multiple of four");
    }
    for (int i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
  }
  if (text.size() % 4 == 1) {
    return base::Fail(base::ErrorKind::kInvalidArgument, "decoding base64: a character is missing");
  }
  std::string data;
  data.reserve(text.size() / 4 * 3 + 2);
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const std::uint8_t value = values.at(static_cast<unsigned char>(c));
    if (value == kInvalid) {
      return base::Fail(base::ErrorKind::kInvalidArgument,
                        "decoding base64: a character is not of the alphabet");
    }
    bits = bits << 6 | value;
    if (++count == 4) {
      data += static_cast<char>(bits >> 16 & 255);
      data += static_cast<char>(bits >> 8 & 255);
      data += static_cast<char>(bits & 255);
      bits = 0;
      count = 0;
    }
  }
  if (count == 2) {
    data += static_cast<char>(bits >> 4 & 255);
    bits &= 15;
  } else if (count == 3) {
    data += static_cast<char>(bits >> 10 & 255);
    data += static_cast<char>(bits >> 2 & 255);
    bits &= 3;
  }
  if (count != 0 && bits != 0) {
    return base::Fail(base::ErrorKind::kInvalidArgument,
                      "decoding base64: the last character has stray bits");
  }
  return data;
}

}  // namespace

std::string Base64Encode(std::string_view data) {
  return Encode(data, kStandard, true);
}

std::string Base64UrlEncode(std::string_view data) {
  return Encode(data, kUrl, false);
}

base::Result<std::string> Base64Decode(std::string_view text) {
  return Decode(text, kStandardValues, true);
}

base::Result<std::string> Base64UrlDecode(std::string_view text) {
  return Decode(text, kUrlValues, false);
}

}  // namespace enclave::net
