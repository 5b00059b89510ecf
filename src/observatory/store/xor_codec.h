// Doubles as the XOR with the one before, the encoding of "Gorilla: A Fast, Scalable, In-Memory
// Time Series Database" (Pelkonen et al., VLDB 2015, 4.1.2): the first in 64 bits; then 0 for the
// same bits again, 10 and the meaningful bits where they lay the last time, or 11, five bits of
// leading zeros, six bits of length less one, and the meaningful bits. Highest bits first.
//
// Pure functions; any thread. Every bit pattern comes back as it was.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "telemetry/metric.h"

namespace enclave::observatory::store {

void EncodeXor(std::span<const telemetry::Sample> samples, std::string& to);
// Sets the values of `samples`; false when the bytes are no such encoding.
bool DecodeXor(std::string_view bytes, std::span<telemetry::Sample> samples);

}  // namespace enclave::observatory::store
