#include "kube/kind.h"

#include <string_view>

namespace enclave::kube {
namespace {

// A path segment (RFC 3986, 3.3): names come from outside and must not reach into other segments.
void AppendSegment(std::string& path, std::string_view segment) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  path += '/';
  for (const char c : segment) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("-._~:@!$&'()*+,;=").contains(c);
    if (plain) {
      path += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      path += '%';
      path += kHex[byte >> 4];
      path += kHex[byte & 15];
    }
  }
}

}  // namespace

std::string Kind::Path(const std::string& ns, const std::string& name,
                       const std::string& subresource) const {
  std::string path = group.empty() ? "/api" : "/apis";
  if (!group.empty()) AppendSegment(path, group);
  AppendSegment(path, version);
  if (namespaced && !ns.empty()) {
    path += "/namespaces";
    AppendSegment(path, ns);
  }
  AppendSegment(path, plural);
  if (name.empty()) return path;
  AppendSegment(path, name);
  if (!subresource.empty()) AppendSegment(path, subresource);
  return path;
}

}  // namespace enclave::kube
