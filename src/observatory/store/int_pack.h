// Integers packed to the bits they need, in groups of 64: each group is a zigzag varint, its least
// member, a byte, the width, and its members less the least one in `width` bits each, lowest bits
// first. A regular series of times costs three bytes a group.
//
// Pure functions; any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "observatory/store/coding.h"

namespace enclave::observatory::store {

inline constexpr std::size_t kPackGroup = 64;

void PackInts(std::span<const std::int64_t> values, std::string& to);
std::size_t PackedBytes(std::span<const std::int64_t> values);  // what PackInts would write
// Fills `values`; false when the bytes end before.
bool UnpackInts(ByteReader& from, std::span<std::int64_t> values);

}  // namespace enclave::observatory::store
