// What names and labels may look like (Kubernetes "Object Names and IDs", "Labels and Selectors";
// RFC 1123, RFC 1035, RFC 6335). Each Validate function gives kUnprocessable with Kubernetes' own
// sentence, ready to stand behind the field's name: "metadata.name: Invalid value: ...".
#pragma once

#include <string>
#include <string_view>

#include "base/random.h"
#include "base/result.h"
#include "kube/object.h"

namespace enclave::kube {

// What generated suffixes and hashes are written in: no vowels, so no words by chance.
inline constexpr std::string_view kSafeAlphabet = "bcdfghjklmnpqrstvwxz2456789";

base::Result<> ValidateDns1123Label(std::string_view name);      // "web-0", at most 63
base::Result<> ValidateDns1123Subdomain(std::string_view name);  // "web.example", at most 253
base::Result<> ValidateDns1035Label(std::string_view name);      // as a label, first a letter
// Service names of container ports (IANA): at most 15, one letter at least.
base::Result<> ValidatePortName(std::string_view name);
base::Result<> ValidateConfigMapKey(std::string_view key);
base::Result<> ValidateEnvName(std::string_view name);

// "[prefix/]name": prefix a subdomain, name at most 63 of [-A-Za-z0-9_.]. Annotations' keys too.
base::Result<> ValidateLabelKey(std::string_view key);
base::Result<> ValidateLabelValue(std::string_view value);
// A map of label keys to string values; null is valid.
base::Result<> ValidateLabels(const Json& labels);
// A map of keys to strings of at most 256 KiB together; null is valid.
base::Result<> ValidateAnnotations(const Json& annotations);

// metadata.generateName and a suffix of five characters; the base is cut so that the name stays
// within 63.
std::string GenerateName(std::string_view base, base::Random& random);

}  // namespace enclave::kube
