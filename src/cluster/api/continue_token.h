// The `continue` of a list in pages: opaque to clients, checked as input from outside when it comes
// back.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "kube/object.h"

namespace enclave::cluster {

struct ContinueToken {
  kube::Revision revision = kube::Revision::kNone;  // of the list
  std::string ns;                                   // of the last object given
  std::string name;
  bool operator==(const ContinueToken&) const = default;
};

std::string EncodeContinue(const ContinueToken& token);
// kInvalidArgument for what EncodeContinue does not make.
base::Result<ContinueToken> DecodeContinue(std::string_view text);

}  // namespace enclave::cluster
