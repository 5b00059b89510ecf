// Text from outside, shown in a message.
#pragma once

#include <string>
#include <string_view>

namespace enclave::base {

// `text` as a JSON string (RFC 8259), quotes included: control characters are escaped, and bytes
// that are not UTF-8 become U+FFFD, so the result is printable UTF-8 whatever the input.
std::string Quote(std::string_view text);

}  // namespace enclave::base
