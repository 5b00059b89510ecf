// The message that confirms an order.
//
// Pure functions; any thread.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/result.h"
#include "hipstershop/demo.pb.h"

namespace enclave::lab::boutique {

// Replaces each {{name}} by its value. kInvalidArgument for a name that has none and for braces
// that are not closed.
base::Result<std::string> RenderTemplate(std::string_view text,
                                         const std::map<std::string, std::string>& values);

// Subject and text, as they are sent.
base::Result<std::string> RenderConfirmation(const hipstershop::OrderResult& order);

// Something@something.something, without spaces.
bool IsMailAddress(std::string_view address);

}  // namespace enclave::lab::boutique
