// A sealed chunk: samples of one series within one window, encoded once and never changed.
//
//   byte    how times (low four bits) and values (high four) are encoded
//   varint  how many samples, at least one
//   varint  the first time, in ms after the window's start
//   times   0: varint, the step between all of them (nothing for a single sample)
//           1: varint, last time less first; the steps as packed integers (int_pack.h)
//   values  0: eight bytes: all have these bits
//           1: decimals: byte, the digits after the point; exceptions; zigzag varint, the first;
//              the differences as packed integers
//           2: decimals: byte; exceptions; all as packed integers
//           3: XOR (xor_codec.h), to the end
//
// A decimal is an integer that gives the double when divided by a power of ten; counters are
// decimals without digits, and most gauges that were ever printed have few. Exceptions, at most
// kMostExceptions, are those that are none (the staleness marker, infinities): varint, how many;
// each a varint, how many samples after the exception before, and its eight bytes.
//
// EncodeChunk takes the smallest. Pure functions; any thread. Bytes that are no chunk give false
// and leave what was in `samples` before.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/metric.h"

namespace enclave::observatory::store {

inline constexpr std::size_t kMostChunkSamples = 4096;

struct ChunkBounds {
  std::size_t count;
  std::int64_t first_time;
  std::int64_t last_time;
};

// `samples`: 1 to kMostChunkSamples, times ascending, none before `window_ms`.
std::string EncodeChunk(std::int64_t window_ms, std::span<const telemetry::Sample> samples);
// Appends.
bool DecodeChunk(std::int64_t window_ms, std::string_view bytes,
                 std::vector<telemetry::Sample>& samples);
// What a reader needs to know whether to decode it.
bool PeekChunk(std::int64_t window_ms, std::string_view bytes, ChunkBounds& bounds);

}  // namespace enclave::observatory::store
