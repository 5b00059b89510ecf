// Acting as somebody else: the headers Impersonate-User, -Group, -Uid and -Extra-KEY (Kubernetes,
// "User impersonation"). Every part of the asked identity is a question to the Authorizer, with the
// verb "impersonate".
//
// An identity may carry the trace of what is done with it, in the extra `enclave.dev/trace-id`:
// this is how a client that sends no trace headers, as kubectl, belongs to a trace.
//
// Pure functions; any thread.
#pragma once

#include <string>

#include "base/result.h"
#include "cluster/api/authorizer.h"
#include "net/http.h"

namespace enclave::cluster {

// Who the request is made as: `who` when it asks for nobody else. kPermissionDenied when `who` may
// not; kInvalidArgument for groups or extras without a user.
base::Result<Requester> Impersonate(const Authorizer& authorizer, const net::Request& request,
                                    const Requester& who);

// The TraceID among the identity's extras, as 32 digits; "" when there is none that is one.
std::string TraceOf(const Requester& who);

}  // namespace enclave::cluster
