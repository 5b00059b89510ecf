// Bodies of requests and manifest files as Json: strict JSON, and YAML with the scalar rules that
// kubectl has (sigs.k8s.io/yaml on YAML 1.1: `yes` is true, 0644 is octal, dates are strings).
//
// Bounds: nesting of kMaxBodyDepth; aliases expand to at most kMaxYamlExpansion bytes more than the
// text. Errors are kInvalidArgument with line and column, in valid UTF-8.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kube/api.h"
#include "kube/object.h"

namespace enclave::kube {

inline constexpr int kMaxBodyDepth = 128;
inline constexpr std::size_t kMaxYamlExpansion = 4 << 20;

// RFC 8259, nothing after the value. Of equal keys the last one wins.
base::Result<Json> ParseJson(std::string_view text);

// One YAML document. Equal keys are an error; `<<` merges; keys become strings.
base::Result<Json> ParseYaml(std::string_view text);
// All documents of a file, empty ones left out. A file that begins with '{' is taken as JSON.
base::Result<std::vector<Json>> ParseManifests(std::string_view text);

// "Application/JSON; charset=utf-8" -> "application/json"
std::string MediaTypeOf(std::string_view content_type);

// By Content-Type: JSON, YAML; none means JSON (kubectl sends none with some requests).
// kUnsupportedMedia for others.
base::Result<Json> DecodeBody(std::string_view content_type, std::string_view body);

// application/{json,merge,strategic-merge}-patch+json; kUnsupportedMedia for others.
base::Result<PatchType> PatchTypeOf(std::string_view content_type);
std::string_view ContentTypeOf(PatchType type);

}  // namespace enclave::kube
