// One request on its way through the API server, and the few ways to answer it.
#pragma once

#include <functional>
#include <string>

#include <boost/asio/awaitable.hpp>

#include "cluster/api/machinery.h"
#include "cluster/api/request_info.h"
#include "cluster/api/resource.h"
#include "net/http.h"
#include "net/http_server.h"

namespace enclave::cluster {

// What a request did to an object, for the audit log.
struct WriteNote {
  std::string name{};  // of a created object; the path does not hold it
  std::string uid{};
  bool unchanged = false;  // it succeeded and there was nothing to write
  bool dry_run = false;    // said in the body; the query says it too
};

struct Exchange {
  net::Request& request;
  net::ResponseWriter& writer;
  RequestInfo info;
  Requester who;
  std::string trace_id;      // of the request's headers, else of the identity; "": none
  std::string impersonator;  // who acts as `who`; "": nobody
  WriteNote wrote{};
};

net::Response JsonResponse(int status, const kube::Json& body);
net::Response TextResponse(int status, std::string text);
// A Status object with the error's own code; 429 carries Retry-After.
net::Response ErrorResponse(const base::Error& error, const kube::StatusDetails& details = {});
// A Status for an HTTP code that came without an Error.
net::Response StatusResponse(int status, const std::string& message);

// Runs a write of the machinery and waits for it, on the coroutine's own executor. Goes on when the
// client leaves: a write that was begun is finished.
boost::asio::awaitable<WriteResult> AwaitWrite(std::function<void(WriteCallback)> start);

}  // namespace enclave::cluster
