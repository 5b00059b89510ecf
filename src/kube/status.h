// Errors as the Kubernetes API writes them: a Status object (meta/v1) with an HTTP code and a
// reason, and back again, so that an Error means the same on both sides of the wire.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/executor.h"
#include "base/result.h"
#include "kube/kind.h"
#include "kube/object.h"

namespace enclave::kube {

struct StatusDetails {
  std::string name;   // of the object
  std::string group;  // of its resource
  std::string kind;   // its plural, as Kubernetes does: "pods"
  std::string uid;
  int retry_after_seconds = 0;
  Json causes;  // [{reason, message, field}], or null
};

// What a Status says about the object of an error.
StatusDetails DetailsOf(const Kind& kind, const std::string& name);

int HttpStatusOf(base::ErrorKind kind);                 // 404
std::string_view StatusReasonOf(base::ErrorKind kind);  // "NotFound"

// {kind: Status, apiVersion: v1, metadata: {}, status: Failure, reason, message, details, code}
Json ToStatus(const base::Error& error, const StatusDetails& details = {});
// {..., status: Success}: what a delete answers once the object is gone.
Json SuccessStatus(const StatusDetails& details = {});

bool IsStatus(const Json& object);
// The error a Status object stands for; by its reason, else by its code.
base::Error FromStatus(const Json& status);
// The error of an HTTP answer of 400 or more. `body` is a Status, or any text, of which the
// beginning is kept.
base::Error FromHttpAnswer(int http_status, std::string_view body);
// details.retryAfterSeconds of a Status body, in seconds; nullopt without one.
std::optional<base::Duration> RetryAfterOf(const Json& status);

// The sentences of the API server for the most usual errors.
base::Error NotFoundError(const Kind& kind, std::string_view name);
base::Error AlreadyExistsError(const Kind& kind, std::string_view name);
base::Error ConflictError(const Kind& kind, std::string_view name);

}  // namespace enclave::kube
