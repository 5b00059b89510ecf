// What is wrong with an object, field by field, in the words of the Kubernetes API server
// (k8s.io/apimachinery/pkg/util/validation/field): collected, then made one error whose causes
// kubectl prints.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kube/kind.h"
#include "kube/object.h"

namespace enclave::cluster {

class FieldErrors {
 public:
  void Invalid(std::string field, const kube::Json& value, std::string_view detail);
  void Required(std::string field, std::string_view detail = "");
  void Duplicate(std::string field, const kube::Json& value);
  void NotFound(std::string field, const kube::Json& value);
  void NotSupported(std::string field, const kube::Json& value,
                    std::span<const std::string_view> supported);
  void Forbidden(std::string field, std::string_view detail);
  // An Invalid with the message of a failed check; nothing when it passed.
  void Check(std::string field, const kube::Json& value, const base::Result<>& check);

  bool empty() const { return causes_.empty(); }
  // `Deployment.apps "web" is invalid: spec.x: Required value`, kUnprocessable.
  base::Error ToError(const kube::Kind& kind, std::string_view name) const;
  // [{reason, message, field}] for Status.details.
  kube::Json Causes() const;

 private:
  struct Cause {
    std::string field;
    std::string_view reason;  // "FieldValueInvalid"
    std::string message;      // "Invalid value: ..."
  };
  void Add(std::string field, std::string_view reason, std::string message);

  std::vector<Cause> causes_;
};

// "spec.containers[2]"
std::string Indexed(std::string_view field, std::size_t index);

}  // namespace enclave::cluster
