#include "kube/object.h"

#include <charconv>
#include <limits>

namespace enclave::kube {
namespace {

const Json kAbsent;
const std::string kEmpty;

}  // namespace

Object::Object(Json json)
    : json_(std::move(json)), text_(json_.dump(-1, ' ', false, Json::error_handler_t::replace)) {}

const std::string& Object::name() const {
  return StringAt(json_, "metadata.name");
}

const std::string& Object::ns() const {
  return StringAt(json_, "metadata.namespace");
}

const std::string& Object::uid() const {
  return StringAt(json_, "metadata.uid");
}

Revision Object::revision() const {
  const std::string& text = StringAt(json_, "metadata.resourceVersion");
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return Revision::kNone;
  return Revision{value};
}

bool Object::deleting() const {
  return At(json_, "metadata.deletionTimestamp").is_string();
}

const Json& At(const Json& value, std::string_view dotted_path) {
  const Json* here = &value;
  while (true) {
    if (!here->is_object()) return kAbsent;
    const std::size_t dot = dotted_path.find('.');
    const auto found = here->find(dotted_path.substr(0, dot));
    if (found == here->end()) return kAbsent;
    here = &*found;
    if (dot == std::string_view::npos) return *here;
    dotted_path.remove_prefix(dot + 1);
  }
}

const std::string& StringAt(const Json& value, std::string_view dotted_path) {
  const Json& found = At(value, dotted_path);
  return found.is_string() ? found.get_ref<const std::string&>() : kEmpty;
}

std::int64_t IntAt(const Json& value, std::string_view dotted_path, std::int64_t fallback) {
  const Json& found = At(value, dotted_path);
  if (found.is_number_unsigned()) {
    const auto number = found.get<std::uint64_t>();
    constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    return number <= kMax ? static_cast<std::int64_t>(number) : fallback;
  }
  return found.is_number_integer() ? found.get<std::int64_t>() : fallback;
}

bool BoolAt(const Json& value, std::string_view dotted_path, bool fallback) {
  const Json& found = At(value, dotted_path);
  return found.is_boolean() ? found.get<bool>() : fallback;
}

}  // namespace enclave::kube
