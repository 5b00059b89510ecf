// The short hashes in names of objects made from a template: FNV-1a (32 bit) of canonical JSON text
// (keys sorted, no white space), its decimal digits written in kSafeAlphabet, as Kubernetes does
// for pod-template-hash. Equal templates give equal hashes only when both are defaulted and
// normalised.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "kube/object.h"

namespace enclave::kube {

constexpr std::uint32_t Fnv1a32(std::string_view data, std::uint32_t hash = 2166136261U) {
  for (const char c : data) hash = (hash ^ static_cast<std::uint8_t>(c)) * 16777619U;
  return hash;
}
static_assert(Fnv1a32("a") == 0xe40c292cU, "the published test vector");

// `collision_count` (Deployment.status.collisionCount) gives another name when two templates clash.
std::string TemplateHash(const Json& pod_template,
                         std::optional<std::uint32_t> collision_count = std::nullopt);

}  // namespace enclave::kube
