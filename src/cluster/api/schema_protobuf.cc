// Kubernetes' protobuf bodies (protocol buffers encoding guide; k8s.io/apimachinery
// pkg/runtime/serializer/protobuf), read by the table in schema_types.cc.
#include <fmt/format.h>

#include <optional>

#include "cluster/api/schema.h"
#include "kube/time.h"
#include "net/tls.h"

namespace enclave::cluster {

// One field of a message.
struct WireField {
  std::uint32_t number = 0;
  bool is_bytes = false;    // else a number
  std::uint64_t value = 0;  // of varints
  std::string_view bytes;   // of length-delimited fields
};

namespace {

using base::ErrorKind;
using base::Fail;
using kube::Json;

std::unexpected<base::Error> Malformed(std::string_view what) {
  return Fail(ErrorKind::kInvalidArgument, fmt::format("the protobuf body is malformed: {}", what));
}

std::optional<std::uint64_t> TakeVarint(std::string_view& rest) {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    if (rest.empty()) return std::nullopt;
    const auto byte = static_cast<unsigned char>(rest.front());
    rest.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
    if ((byte & 0x80) == 0) return value;
  }
  return std::nullopt;
}

// nullopt at the end.
base::Result<std::optional<WireField>> TakeField(std::string_view& rest) {
  if (rest.empty()) return std::nullopt;
  const auto key = TakeVarint(rest);
  if (!key || *key >> 3 == 0 || *key >> 3 > 0x1FFFFFFF) return Malformed("a field has no number");
  WireField field{.number = static_cast<std::uint32_t>(*key >> 3)};
  const auto skip = [&](std::size_t bytes) -> base::Result<std::optional<WireField>> {
    if (rest.size() < bytes) return Malformed("it is cut short");
    rest.remove_prefix(bytes);
    return field;
  };
  switch (*key & 7) {
    case 0: {
      const auto value = TakeVarint(rest);
      if (!value) return Malformed("it is cut short");
      field.value = *value;
      return field;
    }
    case 1:
      return skip(8);
    case 2: {
      const auto length = TakeVarint(rest);
      if (!length || *length > rest.size()) return Malformed("it is cut short");
      field.is_bytes = true;
      field.bytes = rest.substr(0, *length);
      rest.remove_prefix(*length);
      return field;
    }
    case 5:
      return skip(4);
    default:
      return Malformed("a field has an unknown wire type");
  }
}

// The fields of a small message by number; the last of equals wins.
template <typename Visit>
base::Result<> ForEachField(std::string_view message, Visit visit) {
  while (true) {
    ASSIGN_OR_RETURN(const std::optional<WireField> field, TakeField(message));
    if (!field) return {};
    RETURN_IF_ERROR(visit(*field));
  }
}

// metav1.Time and MicroTime: seconds and nanoseconds since 1970. Empty is the zero time.
base::Result<Json> DecodeTime(std::string_view message) {
  std::int64_t seconds = 0;
  std::int64_t nanos = 0;
  bool any = false;
  RETURN_IF_ERROR(ForEachField(message, [&](const WireField& field) -> base::Result<> {
    any = true;
    if (field.number == 1) seconds = static_cast<std::int64_t>(field.value);
    if (field.number == 2) nanos = static_cast<std::int64_t>(field.value);
    return {};
  }));
  if (!any) return Json("");
  constexpr std::int64_t kMaxSeconds = 9'000'000'000;  // what the nanosecond clock can hold
  if (seconds < -kMaxSeconds || seconds > kMaxSeconds || nanos < 0 || nanos > 999'999'999) {
    return Malformed("a time is out of range");
  }
  const base::WallTime time{std::chrono::seconds(seconds) + std::chrono::nanoseconds(nanos)};
  return Json(nanos == 0 ? kube::FormatTime(time) : kube::FormatMicroTime(time));
}

base::Result<Json> DecodeIntOrString(std::string_view message) {
  std::uint64_t type = 0;
  std::int64_t number = 0;
  std::string text;
  RETURN_IF_ERROR(ForEachField(message, [&](const WireField& field) -> base::Result<> {
    if (field.number == 1) type = field.value;
    if (field.number == 2) number = static_cast<std::int64_t>(field.value);
    if (field.number == 3) text = field.bytes;
    return {};
  }));
  return type == 0 ? Json(number) : Json(text);
}

base::Result<Json> DecodeQuantity(std::string_view message) {
  std::string text;
  RETURN_IF_ERROR(ForEachField(message, [&](const WireField& field) -> base::Result<> {
    if (field.number == 1) text = field.bytes;
    return {};
  }));
  return Json(text.empty() ? "0" : text);
}

}  // namespace

base::Result<Json> Schema::DecodeProtobuf(std::string_view type, std::string_view message) const {
  const auto found = names_.find(type);
  if (found == names_.end()) {
    return Fail(ErrorKind::kUnsupportedMedia,
                fmt::format("{} is only understood as application/json or application/yaml",
                            type.substr(0, 128)));
  }
  Json object = Json::object();
  RETURN_IF_ERROR(DecodeStruct(found->second, 0, message, object));
  return object;
}

base::Result<> Schema::DecodeStruct(int index, std::uint32_t embedded_in, std::string_view message,
                                    Json& out) const {
  const Struct& fields = structs_[static_cast<std::size_t>(index)];
  return ForEachField(message, [&](const WireField& field) -> base::Result<> {
    if (embedded_in == 0 && fields.embedded.contains(field.number)) {
      return DecodeStruct(index, field.number, field.bytes, out);
    }
    const auto known = fields.by_number.find({embedded_in, field.number});
    if (known == fields.by_number.end()) return {};
    const auto& [name, type] = known->second;
    return DecodeField(type, name, field, out);
  });
}

base::Result<> Schema::DecodeField(int index, const std::string& name, const WireField& field,
                                   Json& out) const {
  const Type& type = types_[static_cast<std::size_t>(index)];
  if (type.shape == Shape::kAny) {
    // Known to be there, not what it is made of. Zero values are written as empty messages.
    if (field.bytes.empty() || name == "status" || name == "managedFields") return {};
    return Fail(ErrorKind::kUnsupportedMedia,
                fmt::format("the field {} is only understood as application/json", name));
  }
  if (type.shape == Shape::kList) {
    ASSIGN_OR_RETURN(Json element, DecodeValue(type.target, field));
    Json& list = out[name];
    if (!list.is_array()) list = Json::array();
    list.push_back(std::move(element));
    return {};
  }
  if (type.shape == Shape::kMap) {
    std::string key;
    WireField value{.is_bytes = true};
    RETURN_IF_ERROR(ForEachField(field.bytes, [&](const WireField& part) -> base::Result<> {
      if (part.number == 1) key = part.bytes;
      if (part.number == 2) value = part;
      return {};
    }));
    ASSIGN_OR_RETURN(Json decoded, DecodeValue(type.target, value));
    Json& map = out[name];
    if (!map.is_object()) map = Json::object();
    map[key] = std::move(decoded);
    return {};
  }
  ASSIGN_OR_RETURN(out[name], DecodeValue(index, field));
  return {};
}

base::Result<Json> Schema::DecodeValue(int index, const WireField& field) const {
  const Type& type = types_[static_cast<std::size_t>(index)];
  const bool is_number = type.shape == Shape::kInteger || type.shape == Shape::kBoolean;
  if (is_number == field.is_bytes) return Malformed("a field has the wrong wire type");
  switch (type.shape) {
    case Shape::kInteger:
      return Json(static_cast<std::int64_t>(field.value));
    case Shape::kBoolean:
      return Json(field.value != 0);
    case Shape::kString:
      return Json(std::string(field.bytes));
    case Shape::kBytes:
      return Json(net::Base64Encode(field.bytes));
    case Shape::kTime:
      return DecodeTime(field.bytes);
    case Shape::kIntOrString:
      return DecodeIntOrString(field.bytes);
    case Shape::kQuantity:
      return DecodeQuantity(field.bytes);
    case Shape::kStruct: {
      Json object = Json::object();
      RETURN_IF_ERROR(DecodeStruct(type.target, 0, field.bytes, object));
      return object;
    }
    case Shape::kNumber:
    case Shape::kAny:
    case Shape::kList:
    case Shape::kMap:
      break;
  }
  return Fail(ErrorKind::kUnsupportedMedia, "this is only understood as application/json");
}

}  // namespace enclave::cluster
