#include "cluster/api/resource.h"

#include <algorithm>

namespace enclave::cluster {
namespace {

using base::ErrorKind;
using base::Fail;

std::unexpected<base::Error> NotSupported() {
  return Fail(ErrorKind::kMethodNotAllowed,
              "the server does not allow this method on the requested resource");
}

}  // namespace

// NOLINTNEXTLINE(performance-unnecessary-value-param): those who do create keep the object
base::Result<kube::Json> VirtualStorage::Create(const std::string&, kube::Json, const Requester&) {
  return NotSupported();
}

base::Result<kube::Json> VirtualStorage::Get(const std::string&, const std::string&) {
  return NotSupported();
}

base::Result<std::vector<kube::Json>> VirtualStorage::List(const std::string&) {
  return NotSupported();
}

const Subresource* Resource::FindSubresource(std::string_view name) const {
  const auto found = std::ranges::find(subresources, name, &Subresource::name);
  return found == subresources.end() ? nullptr : &*found;
}

bool Resource::HasVerb(std::string_view verb) const {
  return std::ranges::find(verbs, verb) != verbs.end();
}

bool Resource::Selectable(std::string_view field) const {
  if (field == "metadata.name" || field == "metadata.namespace") return true;
  return std::ranges::find(selectable_fields, field) != selectable_fields.end();
}

}  // namespace enclave::cluster
