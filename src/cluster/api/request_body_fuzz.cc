// Any bytes as a protobuf body: refused, or an object that JSON can hold, has a kind, and has one
// normal form.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "cluster/api/request_body.h"
#include "cluster/api/schema.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace enclave;
  const std::string body =
      std::string("k8s\0", 4) + std::string(reinterpret_cast<const char*>(data), size);
  auto object = cluster::DecodeRequestBody("application/vnd.kubernetes.protobuf", body);
  if (!object) return 0;
  CHECK(object->is_object() && object->contains("kind"), "a body is an object of a kind");
  CHECK(kube::Json::parse(object->dump()) == *object, "the object is one of JSON");
  const std::string kind = kube::StringAt(*object, "kind");
  const auto& schema = cluster::Schema::BuiltIn();
  if (!schema.Normalise(kind, *object)) return 0;
  kube::Json again = *object;
  CHECK(schema.Normalise(kind, again).has_value() && again == *object,
        "what is normal stays as it is");
  return 0;
}
