#include "reply.h"

#include <fmt/format.h>

#include <utility>

#include "base/quote.h"

namespace enclave::observatory::api {
namespace {

using base::ErrorKind;

net::Response ErrorReply(int status, std::string_view type, std::string_view message) {
  std::string body;
  JsonWriter json(&body);
  json.BeginObject().Key("status").String("error");
  json.Key("errorType").String(type).Key("error").String(message).EndObject();
  return JsonReply(status, std::move(body));
}

void WriteTexts(JsonWriter* json, std::string_view key, const std::vector<std::string>& texts) {
  if (texts.empty()) return;
  json->Key(key).BeginArray();
  for (const std::string& text : texts) json->String(text);
  json->EndArray();
}

}  // namespace

int HttpStatus(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kInvalidArgument:
      return 400;
    case ErrorKind::kUnprocessable:
      return 422;
    case ErrorKind::kUnauthenticated:
      return 401;
    case ErrorKind::kPermissionDenied:
      return 403;
    case ErrorKind::kNotFound:
      return 404;
    case ErrorKind::kMethodNotAllowed:
      return 405;
    case ErrorKind::kNotAcceptable:
      return 406;
    case ErrorKind::kAlreadyExists:
    case ErrorKind::kConflict:
      return 409;
    case ErrorKind::kExpired:
      return 410;
    case ErrorKind::kTooLarge:
      return 413;
    case ErrorKind::kUnsupportedMedia:
      return 415;
    case ErrorKind::kResourceExhausted:
      return 429;
    case ErrorKind::kUnavailable:
      return 503;
    case ErrorKind::kDeadlineExceeded:
      return 504;
    case ErrorKind::kCancelled:
      return 499;
    case ErrorKind::kInternal:
      break;
  }
  return 500;
}

net::Response JsonReply(int status, std::string body) {
  return {status, {{"Content-Type", "application/json"}}, std::move(body)};
}

net::Response PrometheusError(const base::Error& error) {
  switch (error.kind()) {
    case ErrorKind::kInvalidArgument:
      return ErrorReply(400, "bad_data", error.message());
    case ErrorKind::kUnprocessable:
    case ErrorKind::kResourceExhausted:
    case ErrorKind::kTooLarge:
      return ErrorReply(422, "execution", error.message());
    case ErrorKind::kCancelled:
      return ErrorReply(499, "canceled", error.message());
    case ErrorKind::kDeadlineExceeded:
      return ErrorReply(503, "timeout", error.message());
    case ErrorKind::kUnavailable:
      return ErrorReply(503, "unavailable", error.message());
    case ErrorKind::kNotFound:
      return ErrorReply(404, "not_found", error.message());
    default:
      return ErrorReply(500, "internal", error.message());
  }
}

net::Response InvalidParameter(std::string_view name, const base::Error& error) {
  return BadData(fmt::format("invalid parameter {}: {}", base::Quote(name), error.message()));
}

net::Response BadData(const std::string& message) {
  return ErrorReply(400, "bad_data", message);
}

net::Response SuccessReply::Done() {
  WriteTexts(&json_, "warnings", warnings_);
  WriteTexts(&json_, "infos", infos_);
  json_.EndObject();
  return JsonReply(200, std::move(body_));
}

}  // namespace enclave::observatory::api
