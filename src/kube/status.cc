#include "kube/status.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace enclave::kube {
namespace {

using base::Error;
using base::ErrorKind;

struct Mapping {
  ErrorKind kind;
  int http_status;
  std::string_view reason;
};

// The first row of a kind is how it is written; the other rows are read only.
constexpr auto kMappings = std::to_array<Mapping>({
    {ErrorKind::kInvalidArgument, 400, "BadRequest"},
    {ErrorKind::kUnprocessable, 422, "Invalid"},
    {ErrorKind::kUnauthenticated, 401, "Unauthorized"},
    {ErrorKind::kPermissionDenied, 403, "Forbidden"},
    {ErrorKind::kNotFound, 404, "NotFound"},
    {ErrorKind::kMethodNotAllowed, 405, "MethodNotAllowed"},
    {ErrorKind::kNotAcceptable, 406, "NotAcceptable"},
    {ErrorKind::kConflict, 409, "Conflict"},
    {ErrorKind::kAlreadyExists, 409, "AlreadyExists"},
    {ErrorKind::kExpired, 410, "Expired"},
    {ErrorKind::kExpired, 410, "Gone"},
    {ErrorKind::kTooLarge, 413, "RequestEntityTooLarge"},
    {ErrorKind::kUnsupportedMedia, 415, "UnsupportedMediaType"},
    {ErrorKind::kResourceExhausted, 429, "TooManyRequests"},
    {ErrorKind::kInternal, 500, "InternalError"},
    {ErrorKind::kUnavailable, 503, "ServiceUnavailable"},
    {ErrorKind::kDeadlineExceeded, 504, "Timeout"},
    {ErrorKind::kCancelled, 504, "Timeout"},
    {ErrorKind::kDeadlineExceeded, 500, "ServerTimeout"},
    {ErrorKind::kDeadlineExceeded, 408, "RequestTimeout"},
    {ErrorKind::kUnavailable, 500, "StoreReadError"},
    {ErrorKind::kUnavailable, 502, "BadGateway"},
});

const Mapping& MappingOf(ErrorKind kind) {
  return *std::ranges::find(kMappings, kind, &Mapping::kind);
}

ErrorKind KindOf(std::string_view reason, std::int64_t code) {
  if (const auto row = std::ranges::find(kMappings, reason, &Mapping::reason);
      row != kMappings.end()) {
    return row->kind;
  }
  if (const auto row = std::ranges::find(kMappings, code, &Mapping::http_status);
      row != kMappings.end()) {
    return row->kind;
  }
  return code >= 400 && code < 500 ? ErrorKind::kInvalidArgument : ErrorKind::kInternal;
}

Json DetailsJson(const StatusDetails& details) {
  Json json = Json::object();
  if (!details.name.empty()) json["name"] = details.name;
  if (!details.group.empty()) json["group"] = details.group;
  if (!details.kind.empty()) json["kind"] = details.kind;
  if (!details.uid.empty()) json["uid"] = details.uid;
  if (details.retry_after_seconds > 0) json["retryAfterSeconds"] = details.retry_after_seconds;
  if (details.causes.is_array()) json["causes"] = details.causes;
  return json;
}

}  // namespace

StatusDetails DetailsOf(const Kind& kind, const std::string& name) {
  return {.name = name, .group = kind.group, .kind = kind.plural};
}

int HttpStatusOf(ErrorKind kind) {
  return MappingOf(kind).http_status;
}

std::string_view StatusReasonOf(ErrorKind kind) {
  return MappingOf(kind).reason;
}

Json ToStatus(const Error& error, const StatusDetails& details) {
  Json status = {{"kind", "Status"},
                 {"apiVersion", "v1"},
                 {"metadata", Json::object()},
                 {"status", "Failure"},
                 {"message", error.message()},
                 {"reason", StatusReasonOf(error.kind())},
                 {"code", HttpStatusOf(error.kind())}};
  if (Json json = DetailsJson(details); !json.empty()) status["details"] = std::move(json);
  return status;
}

Json SuccessStatus(const StatusDetails& details) {
  Json status = {{"kind", "Status"},
                 {"apiVersion", "v1"},
                 {"metadata", Json::object()},
                 {"status", "Success"}};
  if (Json json = DetailsJson(details); !json.empty()) status["details"] = std::move(json);
  return status;
}

bool IsStatus(const Json& object) {
  return StringAt(object, "kind") == "Status" && StringAt(object, "apiVersion") == "v1";
}

Error FromStatus(const Json& status) {
  const std::string& reason = StringAt(status, "reason");
  const std::int64_t code = IntAt(status, "code");
  std::string message = StringAt(status, "message");
  if (message.empty()) {
    message = fmt::format("the server answered {} ({}) without a message", code,
                          reason.empty() ? "no reason" : reason);
  }
  return Error(KindOf(reason, code), std::move(message));
}

Error FromHttpAnswer(int http_status, std::string_view body) {
  const Json parsed = Json::parse(body, nullptr, false);
  if (parsed.is_object() && IsStatus(parsed)) {
    Json status = parsed;
    // A proxy's code may differ from the one inside; without one inside it is all there is.
    if (IntAt(status, "code") == 0) status["code"] = http_status;
    return FromStatus(status);
  }
  std::string text(body.substr(0, 256));
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  return Error(KindOf("", http_status),
               text.empty() ? fmt::format("the server answered {}", http_status)
                            : fmt::format("the server answered {}: {}", http_status, text));
}

std::optional<base::Duration> RetryAfterOf(const Json& status) {
  const std::int64_t seconds = IntAt(status, "details.retryAfterSeconds");
  if (seconds <= 0) return std::nullopt;
  return std::chrono::seconds(std::min<std::int64_t>(seconds, 3600));
}

Error NotFoundError(const Kind& kind, std::string_view name) {
  return Error(ErrorKind::kNotFound,
               fmt::format("{} \"{}\" not found", kind.GroupResource(), name));
}

Error AlreadyExistsError(const Kind& kind, std::string_view name) {
  return Error(ErrorKind::kAlreadyExists,
               fmt::format("{} \"{}\" already exists", kind.GroupResource(), name));
}

Error ConflictError(const Kind& kind, std::string_view name) {
  return Error(ErrorKind::kConflict,
               fmt::format("Operation cannot be fulfilled on {} \"{}\": the object has been "
                           "modified; please apply your changes to the latest version and try "
                           "again",
                           kind.GroupResource(), name));
}

}  // namespace enclave::kube
