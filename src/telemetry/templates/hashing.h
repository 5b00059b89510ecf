// The hashes that templates are told apart by. They never change between runs or machines, as the
// ids of templates are made of them. For this folder only.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

#include <xxhash.h>

namespace enclave::telemetry::templates {

// Every value hashes to the same, whatever its type.
inline constexpr std::uint64_t kVariableHash = 0x9AE16A3B2F90404FULL;
inline constexpr std::uint64_t kRowHash = 0xC3A5C85C97CB3127ULL;
inline constexpr std::uint64_t kBlankHash = 0xB492B66FBE98F273ULL;

inline std::uint64_t Mix(std::uint64_t x) {
  x ^= x >> 32;
  x *= 0xE9846AF9B1A615DULL;
  x ^= x >> 32;
  x *= 0xE9846AF9B1A615DULL;
  x ^= x >> 28;
  return x;
}

inline std::uint64_t HashOf(std::string_view text) {
  if (text.size() > 8) return XXH3_64bits(text.data(), text.size());
  std::uint64_t bytes = 0;
  // Byte order decides the value: little-endian machines only, as all that Kubernetes runs on.
  std::memcpy(&bytes, text.data(), text.size());
  return Mix(bytes + 0x9E3779B97F4A7C15ULL * (text.size() + 1));
}

// What a piece at position `i` adds to the signature of its template. A sum, so that one position
// can be exchanged without looking at the others.
inline std::uint64_t Term(std::uint64_t hash, std::size_t i) {
  return Mix(hash + 0xD6E8FEB86659FD93ULL * (i + 1));
}

}  // namespace enclave::telemetry::templates
