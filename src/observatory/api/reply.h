// Answers in the envelopes of Prometheus' API, and what becomes of errors in them.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "net/http.h"
#include "observatory/api/json_writer.h"

namespace enclave::observatory::api {

int HttpStatus(base::ErrorKind kind);

net::Response JsonReply(int status, std::string body);

// {"status":"error","errorType":"bad_data","error":"..."} with Prometheus' status for its kind:
// bad_data 400, execution 422, canceled 499, timeout 503, unavailable 503, not_found 404,
// internal 500. kResourceExhausted is an execution error, as Prometheus' limits on a query are.
net::Response PrometheusError(const base::Error& error);
// invalid parameter "step": ...; always bad_data.
net::Response InvalidParameter(std::string_view name, const base::Error& error);
net::Response BadData(const std::string& message);

// {"status":"success","data": ... }: what is between is written by the caller.
class SuccessReply {
 public:
  SuccessReply() { body_ = R"({"status":"success","data":)"; }
  // Writes the value of "data".
  JsonWriter& json() { return json_; }
  void Warn(std::string message) { warnings_.push_back(std::move(message)); }
  void Inform(std::string message) { infos_.push_back(std::move(message)); }
  net::Response Done();

 private:
  std::string body_;
  JsonWriter json_{&body_};
  std::vector<std::string> warnings_;
  std::vector<std::string> infos_;
};

}  // namespace enclave::observatory::api
