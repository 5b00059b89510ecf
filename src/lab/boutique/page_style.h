// What the pages look like: the one style sheet, and the script that makes the choice of a currency
// take effect at once (without it a button does). Constants; any thread.
#pragma once

#include <string_view>

namespace enclave::lab::boutique {

extern const std::string_view kStyleSheet;
extern const std::string_view kScript;
// Changes when either does, for `/static/style.css?v=...`: browsers keep them until then.
std::string_view StyleVersion();

}  // namespace enclave::lab::boutique
