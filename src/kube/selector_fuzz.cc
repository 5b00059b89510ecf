// Selectors: what parses has a canonical text that parses to the same selector, and selecting never
// fails. Errors are in valid UTF-8 once their input is.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "kube/selector.h"

namespace enclave::kube {
namespace {

const Json& Labels() {
  static const Json labels = Json::parse(R"({"a":"b","app":"web","n":"5","e":""})");
  return labels;
}

void FuzzLabels(std::string_view text) {
  const auto selector = LabelSelector::Parse(text);
  if (!selector) {
    CHECK(selector.error().kind() == base::ErrorKind::kInvalidArgument, "a fault of the text");
    return;
  }
  const auto again = LabelSelector::Parse(selector->ToString());
  CHECK(again, "the canonical text parses");
  CHECK(again->ToString() == selector->ToString(), "the canonical text is stable");
  CHECK(again->Matches(Labels()) == selector->Matches(Labels()), "and selects the same");
  CHECK(selector->Matches(Json()) == again->Matches(Json::object()), "no labels are no labels");
}

void FuzzFields(std::string_view text) {
  const auto selector = FieldSelector::Parse(text);
  if (!selector) return;
  const auto again = FieldSelector::Parse(selector->ToString());
  CHECK(again, "the canonical text parses");
  CHECK(again->ToString() == selector->ToString(), "the canonical text is stable");
  CHECK(again->Matches(Labels()) == selector->Matches(Labels()), "and selects the same");
}

void FuzzJson(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) return;
  const auto selector = LabelSelector::FromJson(json);
  if (!selector) return;
  const auto again = LabelSelector::Parse(selector->ToString());
  CHECK(again, "every selector can be written");
  CHECK(again->Matches(Labels()) == selector->Matches(Labels()), "and selects the same");
}

}  // namespace
}  // namespace enclave::kube

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > 4096) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 3) {
    case 0:
      enclave::kube::FuzzLabels(text);
      break;
    case 1:
      enclave::kube::FuzzFields(text);
      break;
    default:
      enclave::kube::FuzzJson(text);
  }
  return 0;
}
