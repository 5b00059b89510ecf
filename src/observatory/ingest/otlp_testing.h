// OTLP messages for tests.
#pragma once

#include <string>
#include <string_view>

#include "observatory/ingest/any_value.h"

namespace enclave::observatory::ingest {

inline const std::string kTraceBytes =
    "\x5b\x8e\xff\xf7\x98\x03\x81\x03\xd2\x69\xb6\x33\x81\x3f\xc6\x0c";
inline const std::string kSpanBytes = "\xee\xe1\x9b\x7e\xc3\xc1\xb1\x74";
inline constexpr std::string_view kTraceHex = "5b8efff798038103d269b633813fc60c";
inline constexpr std::string_view kSpanHex = "eee19b7ec3c1b174";

inline void Set(KeyValues* attributes, std::string_view key, std::string_view value) {
  KeyValue& attribute = *attributes->Add();
  attribute.set_key(std::string(key));
  attribute.mutable_value()->set_string_value(std::string(value));
}

}  // namespace enclave::observatory::ingest
