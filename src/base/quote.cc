#include "base/quote.h"

#include <nlohmann/json.hpp>

namespace enclave::base {

std::string Quote(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace enclave::base
