#include "cluster/api/schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/check.h"
#include "kube/quantity.h"

namespace enclave::cluster {
namespace {

using base::ErrorKind;
using base::Fail;
using kube::Json;

// Enough to tell what was wrong; few enough that a hostile body makes no long answer.
constexpr std::size_t kMaxUnknownFields = 16;

std::string_view TrimLine(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\n')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\n')) text.remove_suffix(1);
  return text;
}

std::string ShownValue(const Json& value) {
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > 64) text = text.substr(0, 60) + "...";
  return text;
}

std::unexpected<base::Error> WrongType(const std::string& path, std::string_view wanted,
                                       const Json& value) {
  return Fail(ErrorKind::kInvalidArgument,
              fmt::format("json: cannot unmarshal {} {} into field {} of type {}",
                          value.type_name(), ShownValue(value), path, wanted));
}

std::uint32_t ReadNumber(std::string_view text) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  CHECK(error == std::errc() && end == text.data() + text.size() && number > 0,
        "a field number of the schema is a number");
  return number;
}

void DropNulls(Json& value) {
  if (value.is_object()) {
    for (auto it = value.begin(); it != value.end();) {
      if (it->is_null()) {
        it = value.erase(it);
      } else {
        DropNulls(*it);
        ++it;
      }
    }
  } else if (value.is_array()) {
    for (Json& child : value) DropNulls(child);
  }
}

// Appends to a path for the time of a visit.
class PathScope {
 public:
  PathScope(std::string& path, std::string_view field) : path_(path), size_(path.size()) {
    if (!path.empty()) path += '.';
    path += field.substr(0, 256);
  }
  PathScope(std::string& path, std::size_t index) : path_(path), size_(path.size()) {
    path += fmt::format("[{}]", index);
  }
  ~PathScope() { path_.resize(size_); }
  PathScope(const PathScope&) = delete;
  PathScope& operator=(const PathScope&) = delete;

 private:
  std::string& path_;
  std::size_t size_;
};

}  // namespace

Schema::Schema(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = TrimLine(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty()) continue;
    const std::size_t colon = line.find(':');
    CHECK(colon != std::string_view::npos, "a line of the schema is a type and its fields");
    const int index = StructIndex(line.substr(0, colon));
    defined_[static_cast<std::size_t>(index)] = true;
    std::string_view fields = line.substr(colon + 1);
    while (!TrimLine(fields).empty()) {
      const std::size_t comma = std::min(fields.find(','), fields.size());
      const std::string_view field = TrimLine(fields.substr(0, comma));
      fields.remove_prefix(std::min(comma + 1, fields.size()));
      ParseField(field, index);
    }
  }
  CHECK(std::ranges::find(defined_, false) == defined_.end(), "the schema defines all its types");
}

// "name NUMBER type" or "name type".
void Schema::ParseField(std::string_view text, int index) {
  const std::size_t space = text.find(' ');
  const std::size_t last = text.rfind(' ');
  CHECK(space != std::string_view::npos, "a field of the schema has a type");
  const std::string name(text.substr(0, space));
  const int type = ParseType(text.substr(last + 1));
  Struct& fields = structs_[static_cast<std::size_t>(index)];
  fields.fields.emplace(name, type);
  if (space == last) return;
  const std::string_view numbers = text.substr(space + 1, last - space - 1);
  const std::size_t slash = numbers.find('/');
  Number number{0, 0};
  if (slash == std::string_view::npos) {
    number.second = ReadNumber(numbers);
  } else {
    number = {ReadNumber(numbers.substr(0, slash)), ReadNumber(numbers.substr(slash + 1))};
    fields.embedded.insert(number.first);
  }
  const bool fresh = fields.by_number.emplace(number, std::pair(name, type)).second;
  CHECK(fresh, "a field number stands for one field");
}

int Schema::StructIndex(std::string_view name) {
  const auto [it, fresh] = names_.emplace(name, static_cast<int>(structs_.size()));
  if (fresh) {
    structs_.emplace_back();
    defined_.push_back(false);
  }
  return it->second;
}

int Schema::ParseType(std::string_view text) {
  Type type;
  if (text.starts_with('[') || text.starts_with('{')) {
    type.shape = text.starts_with('[') ? Shape::kList : Shape::kMap;
    type.target = ParseType(text.substr(1, text.size() - 2));
  } else if (text == "any") {
    type.shape = Shape::kAny;
  } else if (text.size() <= 2) {
    type.keeps_zero = text.ends_with('*');
    switch (text[0]) {
      case 's':
        type.shape = Shape::kString;
        break;
      case 'i':
        type.shape = Shape::kInteger;
        break;
      case 'n':
        type.shape = Shape::kNumber;
        break;
      case 'b':
        type.shape = Shape::kBoolean;
        break;
      case 'q':
        type.shape = Shape::kQuantity;
        break;
      case 'x':
        type.shape = Shape::kIntOrString;
        break;
      case 't':
        type.shape = Shape::kTime;
        break;
      case 'y':
        type.shape = Shape::kBytes;
        type.keeps_zero = true;
        break;
      default:
        CHECK(false, "the schema names an unknown scalar type");
    }
  } else {
    type.shape = Shape::kStruct;
    type.target = StructIndex(text);
  }
  types_.push_back(type);
  return static_cast<int>(types_.size()) - 1;
}

base::Result<Schema::Findings> Schema::Normalise(std::string_view type, Json& object) const {
  Findings findings;
  const auto found = names_.find(type);
  if (found == names_.end()) return findings;
  std::string path;
  RETURN_IF_ERROR(VisitStruct(found->second, object, path, findings));
  return findings;
}

base::Result<> Schema::VisitStruct(int index, Json& value, std::string& path, Findings& out) const {
  if (!value.is_object()) return WrongType(path, "object", value);
  const auto& fields = structs_[static_cast<std::size_t>(index)].fields;
  for (auto it = value.begin(); it != value.end();) {
    PathScope scope(path, it.key());
    const auto field = fields.find(it.key());
    if (field == fields.end()) {
      if (out.unknown_fields.size() < kMaxUnknownFields) out.unknown_fields.push_back(path);
      it = value.erase(it);
      continue;
    }
    ASSIGN_OR_RETURN(const bool stays, Visit(field->second, *it, path, out));
    it = stays ? std::next(it) : value.erase(it);
  }
  return {};
}

base::Result<bool> Schema::Visit(int index, Json& value, std::string& path, Findings& out) const {
  const Type& type = types_[static_cast<std::size_t>(index)];
  if (value.is_null()) return false;
  switch (type.shape) {
    case Shape::kString:
    case Shape::kTime:
    case Shape::kBytes:
      if (!value.is_string()) return WrongType(path, "string", value);
      return type.keeps_zero || !value.get_ref<const std::string&>().empty();
    case Shape::kInteger:
      if (!value.is_number_integer()) return WrongType(path, "integer", value);
      return type.keeps_zero || value != 0;
    case Shape::kNumber:
      if (!value.is_number()) return WrongType(path, "number", value);
      return true;
    case Shape::kBoolean:
      if (!value.is_boolean()) return WrongType(path, "boolean", value);
      return type.keeps_zero || value == true;
    case Shape::kQuantity: {
      const auto quantity = kube::Quantity::FromJson(value);
      if (!quantity) {
        return Fail(ErrorKind::kInvalidArgument,
                    fmt::format("{}: quantities must match the regular expression "
                                "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$', not {}",
                                path, ShownValue(value)));
      }
      value = quantity->ToString();
      return true;
    }
    case Shape::kIntOrString:
      if (!value.is_number_integer() && !value.is_string()) {
        return WrongType(path, "integer or string", value);
      }
      return true;
    case Shape::kAny:
      DropNulls(value);
      return true;
    case Shape::kStruct:
      RETURN_IF_ERROR(VisitStruct(type.target, value, path, out));
      return true;
    case Shape::kList: {
      if (!value.is_array()) return WrongType(path, "array", value);
      const Type& element = types_[static_cast<std::size_t>(type.target)];
      for (std::size_t i = 0; i < value.size(); ++i) {
        PathScope scope(path, i);
        if (value[i].is_null()) return WrongType(path, "list element", value[i]);
        // Elements keep their zero values: their number matters.
        RETURN_IF_ERROR(Visit(type.target, value[i], path, out));
        if (element.shape == Shape::kStruct && !value[i].is_object()) {
          return WrongType(path, "object", value[i]);
        }
      }
      return !value.empty();
    }
    case Shape::kMap:
      if (!value.is_object()) return WrongType(path, "object", value);
      for (auto it = value.begin(); it != value.end();) {
        PathScope scope(path, it.key());
        if (it->is_null()) {
          it = value.erase(it);
          continue;
        }
        RETURN_IF_ERROR(Visit(type.target, *it, path, out));
        ++it;
      }
      return !value.empty();
  }
  return true;
}

}  // namespace enclave::cluster
