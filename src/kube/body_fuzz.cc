// Bodies: what is read is bounded in depth, can be written as JSON and read again; every error is a
// fault of the text, told in valid UTF-8.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "kube/body.h"
#include "kube/patch.h"

namespace enclave::kube {
namespace {

void CheckValue(const Json& value) {
  CHECK(JsonDepth(value, kMaxBodyDepth + 1) <= kMaxBodyDepth, "the depth is bounded");
  const auto again = ParseJson(value.dump());
  CHECK(again && *again == value, "it survives being written");
}

void CheckError(const base::Error& error) {
  CHECK(error.kind() == base::ErrorKind::kInvalidArgument, "a fault of the text");
  CHECK(!Json(error.message()).dump().empty(), "the message is UTF-8");
}

}  // namespace
}  // namespace enclave::kube

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace enclave::kube;
  if (size == 0 || size > 16384) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 3) {
    case 0:
      if (const auto json = ParseJson(text)) {
        CheckValue(*json);
      } else {
        CheckError(json.error());
      }
      break;
    case 1:
      if (const auto yaml = ParseYaml(text)) {
        CheckValue(*yaml);
      } else {
        CheckError(yaml.error());
      }
      break;
    default:
      if (const auto documents = ParseManifests(text)) {
        for (const Json& document : *documents) CheckValue(document);
      } else {
        CheckError(documents.error());
      }
  }
  return 0;
}
