// What a span says of itself, and of where it failed.
//
// Pure functions; any thread.
#pragma once

#include <string>
#include <string_view>

#include "telemetry/span.h"

namespace enclave::cli {

// "" when it is not there.
std::string AttributeText(const telemetry::Attributes& attributes, std::string_view key);

// "src/cart.cc:42 in GetCart": its exception's place before its own; "" when it names none.
std::string PlaceOfSpan(const telemetry::Span& span);

// "std::out_of_range: map::at": its exception, else the message of its status.
std::string MessageOfSpan(const telemetry::Span& span);

}  // namespace enclave::cli
