// How Loki answers errors: a line of text.
#pragma once

#include "base/result.h"
#include "net/http.h"

namespace enclave::observatory::api {

net::Response LokiError(const base::Error& error);

}  // namespace enclave::observatory::api
