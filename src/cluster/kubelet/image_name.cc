#include "cluster/kubelet/image_name.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/quote.h"

namespace enclave::cluster {
namespace {

bool Lower(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}
bool Word(char c) {
  return Lower(c) || (c >= 'A' && c <= 'Z');
}

bool ValidTag(std::string_view tag) {
  return !tag.empty() && tag.size() <= 128 && (Word(tag[0]) || tag[0] == '_') &&
         std::all_of(tag.begin(), tag.end(),
                     [](char c) { return Word(c) || c == '_' || c == '.' || c == '-'; });
}

bool ValidDigest(std::string_view digest) {
  constexpr std::string_view kPrefix = "sha256:";
  if (!digest.starts_with(kPrefix) || digest.size() != kPrefix.size() + 64) return false;
  digest.remove_prefix(kPrefix.size());
  return std::all_of(digest.begin(), digest.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool ValidComponent(std::string_view part) {
  if (part.empty() || !Lower(part.front()) || !Lower(part.back())) return false;
  return std::all_of(part.begin(), part.end(),
                     [](char c) { return Lower(c) || c == '_' || c == '.' || c == '-'; });
}

bool ValidRegistry(std::string_view registry) {
  return !registry.empty() && std::all_of(registry.begin(), registry.end(), [](char c) {
    return Word(c) || c == '.' || c == '-' || c == ':' || c == '[' || c == ']';
  });
}

}  // namespace

std::string ImageName::ToString() const {
  std::string text = repository;
  if (!tag.empty()) text += ":" + tag;
  if (!digest.empty()) text += "@" + digest;
  return text;
}

base::Result<ImageName> ParseImageName(std::string_view text) {
  auto invalid = [&] {
    return base::Fail(base::ErrorKind::kInvalidArgument,
                      fmt::format("couldn't parse image reference {}: invalid reference format",
                                  base::Quote(text.substr(0, 300))));
  };
  ImageName name;
  std::string_view rest = text;
  if (std::size_t at = rest.find('@'); at != std::string_view::npos) {
    if (!ValidDigest(rest.substr(at + 1))) return invalid();
    name.digest = rest.substr(at + 1);
    rest = rest.substr(0, at);
  }
  std::size_t slash = rest.rfind('/');
  std::size_t colon = rest.rfind(':');
  if (colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash)) {
    if (!ValidTag(rest.substr(colon + 1))) return invalid();
    name.tag = rest.substr(colon + 1);
    rest = rest.substr(0, colon);
  }
  if (rest.empty() || rest.size() > 255) return invalid();
  // The first part is a registry when it looks like a host.
  std::string registry = "docker.io";
  std::size_t first = rest.find('/');
  if (first != std::string_view::npos) {
    std::string_view host = rest.substr(0, first);
    bool host_like =
        host == "localhost" || host.find_first_of(".:") != std::string_view::npos ||
        std::any_of(host.begin(), host.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
    if (host_like) {
      if (!ValidRegistry(host)) return invalid();
      registry = host == "index.docker.io" ? "docker.io" : std::string(host);
      rest = rest.substr(first + 1);
    }
  }
  std::string path(rest);
  if (registry == "docker.io" && path.find('/') == std::string::npos) path = "library/" + path;
  std::string_view parts = path;
  while (true) {
    std::size_t end = parts.find('/');
    if (!ValidComponent(parts.substr(0, end))) return invalid();
    if (end == std::string_view::npos) break;
    parts.remove_prefix(end + 1);
  }
  if (name.tag.empty() && name.digest.empty()) name.tag = "latest";
  name.repository = registry + "/" + path;
  return name;
}

}  // namespace enclave::cluster
