// Decompression of bodies from outside. Nothing is allocated beyond the bound and beyond what the
// budget grants, whatever the body claims.
//
// Thread safety: functions without state.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"
#include "observatory/ingest/byte_budget.h"

namespace enclave::observatory::ingest {

enum class ZlibFormat {
  kGzip,  // RFC 1952, any number of members
  kZlib,  // RFC 1950, what HTTP and gRPC call deflate
};

// Errors of all three: kInvalidArgument for broken data, kTooLarge past `max_bytes`, and those of
// ByteBudget. What is returned stays charged to `hold`.
base::Result<std::string> Inflate(std::string_view data, ZlibFormat format, std::size_t max_bytes,
                                  ByteBudget::Hold& hold);
// The block format of snappy, without framing.
base::Result<std::string> Unsnappy(std::string_view data, std::size_t max_bytes,
                                   ByteBudget::Hold& hold);
// By HTTP's Content-Encoding: "", identity, gzip, x-gzip, deflate; kUnsupportedMedia for others.
base::Result<std::string> DecodeContent(std::string_view encoding, std::string_view body,
                                        std::size_t max_bytes, ByteBudget::Hold& hold);

}  // namespace enclave::observatory::ingest
