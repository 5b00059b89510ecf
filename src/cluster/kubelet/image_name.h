// Image names as containers write them: [REGISTRY/]PATH[:TAG][@DIGEST], completed the way Docker
// does: no registry means docker.io, a single name there means library/NAME, no tag means latest
// (github.com/distribution/reference).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace enclave::cluster {

struct ImageName {
  std::string repository;  // "docker.io/library/busybox"
  std::string tag;         // "" with a digest and no tag
  std::string digest;      // "sha256:..." or ""

  std::string ToString() const;
  auto operator<=>(const ImageName&) const = default;
};

// kInvalidArgument with Kubernetes' words for InvalidImageName.
base::Result<ImageName> ParseImageName(std::string_view text);

}  // namespace enclave::cluster
