#include "observatory/ingest/otlp_json.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <string>

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>

#include "base/quote.h"
#include "net/tls.h"
#include "observatory/ingest/json.h"
#include "observatory/ingest/text.h"

namespace enclave::observatory::ingest {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using simdjson::dom::element;

std::unexpected<base::Error> Wrong(std::string what) {
  return base::Fail(base::ErrorKind::kInvalidArgument, std::move(what));
}

// Errors gain the way to their place while they leave: "resourceSpans[0].scopeSpans[2]: ...".
base::Error At(std::string_view step, const base::Error& error) {
  const std::string& message = error.message();
  const bool joined = message.starts_with('[') || message.starts_with('.');
  return {error.kind(), fmt::format("{}{}{}", step, joined ? "" : ": ", message)};
}

template <typename Integer>
base::Result<Integer> ReadInteger(element value) {
  std::string_view text;
  if (value.get(text) == simdjson::SUCCESS) {
    Integer number = 0;
    const auto end = std::from_chars(text.data(), text.data() + text.size(), number);
    if (end.ec != std::errc() || end.ptr != text.data() + text.size() || text.empty())
      return Wrong(
          fmt::format("{} is not an integer of the field's range", base::Quote(Cut(text, 100))));
    return number;
  }
  std::int64_t with_sign = 0;
  std::uint64_t without = 0;
  if (value.get(with_sign) == simdjson::SUCCESS) {
    if (std::in_range<Integer>(with_sign)) return static_cast<Integer>(with_sign);
  } else if (value.get(without) == simdjson::SUCCESS) {
    if (std::in_range<Integer>(without)) return static_cast<Integer>(without);
  } else if (double number = 0; value.get(number) == simdjson::SUCCESS) {
    // 1e3 is an integer, written another way. The bounds are where a double is exact.
    constexpr double kExact = 9007199254740992;
    if (std::trunc(number) == number && std::abs(number) <= kExact &&
        std::in_range<Integer>(static_cast<std::int64_t>(number)))
      return static_cast<Integer>(number);
  } else {
    return Wrong("an integer is expected here, as a number or as text");
  }
  return Wrong("the number is not an integer of the field's range");
}

base::Result<double> ReadDouble(element value) {
  double number = 0;
  if (value.get(number) == simdjson::SUCCESS) return number;
  std::string_view text;
  if (value.get(text) != simdjson::SUCCESS) return Wrong("a number is expected here");
  if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (text == "Infinity") return std::numeric_limits<double>::infinity();
  if (text == "-Infinity") return -std::numeric_limits<double>::infinity();
  const auto end = std::from_chars(text.data(), text.data() + text.size(), number);
  if (end.ec != std::errc() || end.ptr != text.data() + text.size() || text.empty())
    return Wrong(fmt::format("{} is not a number", base::Quote(Cut(text, 100))));
  return number;
}

base::Result<std::string> ReadHex(std::string_view text) {
  std::string bytes;
  if (text.size() % 2 != 0) return Wrong("a hexadecimal id has an even number of digits");
  bytes.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    unsigned byte = 0;
    const auto end = std::from_chars(text.data() + i, text.data() + i + 2, byte, 16);
    if (end.ec != std::errc() || end.ptr != text.data() + i + 2)
      return Wrong(fmt::format("{} is not hexadecimal", base::Quote(Cut(text, 100))));
    bytes += static_cast<char>(byte);
  }
  return bytes;
}

base::Result<std::string> ReadBytes(const FieldDescriptor& field, element value) {
  std::string_view text;
  if (value.get(text) != simdjson::SUCCESS) return Wrong("text is expected here");
  const std::string& name = field.name();
  if (name == "trace_id" || name == "span_id" || name == "parent_span_id") return ReadHex(text);
  // Protobuf's JSON takes both alphabets, padded or not.
  std::string url(text.substr(0, text.find_last_not_of('=') + 1));
  for (char& c : url) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return net::Base64UrlDecode(url);
}

class Reader {
 public:
  explicit Reader(ByteBudget::Hold& hold) : hold_(hold) {}

  base::Result<> Object(element value, Message& message) {
    // What an empty message takes on the arena, and its place in its parent.
    const auto fields = static_cast<std::size_t>(message.GetDescriptor()->field_count());
    RETURN_IF_ERROR(hold_.Charge(fields * 16 + 64));
    simdjson::dom::object object;
    if (value.get(object) != simdjson::SUCCESS) return Wrong("an object is expected here");
    const google::protobuf::Descriptor& type = *message.GetDescriptor();
    for (const auto [key, member] : object) {
      const FieldDescriptor* field = type.FindFieldByCamelcaseName(std::string(key));
      if (field == nullptr || member.is_null()) continue;
      auto read =
          field->is_repeated() ? Array(*field, member, message) : Single(*field, member, message);
      if (!read) {
        const base::Error error = At(field->camelcase_name(), read.error());
        return base::Fail(error.kind(), "." + error.message());
      }
    }
    return {};
  }

 private:
  base::Result<> Single(const FieldDescriptor& field, element value, Message& message) {
    const Reflection& reflection = *message.GetReflection();
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32: {
        ASSIGN_OR_RETURN(const auto number, ReadInteger<std::int32_t>(value));
        reflection.SetInt32(&message, &field, number);
        return {};
      }
      case FieldDescriptor::CPPTYPE_INT64: {
        ASSIGN_OR_RETURN(const auto number, ReadInteger<std::int64_t>(value));
        reflection.SetInt64(&message, &field, number);
        return {};
      }
      case FieldDescriptor::CPPTYPE_UINT32: {
        ASSIGN_OR_RETURN(const auto number, ReadInteger<std::uint32_t>(value));
        reflection.SetUInt32(&message, &field, number);
        return {};
      }
      case FieldDescriptor::CPPTYPE_UINT64: {
        ASSIGN_OR_RETURN(const auto number, ReadInteger<std::uint64_t>(value));
        reflection.SetUInt64(&message, &field, number);
        return {};
      }
      case FieldDescriptor::CPPTYPE_DOUBLE: {
        ASSIGN_OR_RETURN(const double number, ReadDouble(value));
        reflection.SetDouble(&message, &field, number);
        return {};
      }
      case FieldDescriptor::CPPTYPE_BOOL: {
        bool truth = false;
        if (value.get(truth) != simdjson::SUCCESS) return Wrong("true or false is expected here");
        reflection.SetBool(&message, &field, truth);
        return {};
      }
      case FieldDescriptor::CPPTYPE_ENUM: {
        if (value.is_string()) return Wrong("enums are numbers in OTLP's JSON, not names");
        ASSIGN_OR_RETURN(const auto number, ReadInteger<std::int32_t>(value));
        reflection.SetEnumValue(&message, &field, number);
        return {};
      }
      case FieldDescriptor::CPPTYPE_STRING: {
        ASSIGN_OR_RETURN(std::string text, Text(field, value));
        reflection.SetString(&message, &field, std::move(text));
        return {};
      }
      case FieldDescriptor::CPPTYPE_MESSAGE:
        return Object(value, *reflection.MutableMessage(&message, &field));
      default:
        return Wrong("OTLP has no field of this kind");
    }
  }

  base::Result<> Array(const FieldDescriptor& field, element value, Message& message) {
    simdjson::dom::array array;
    if (value.get(array) != simdjson::SUCCESS) return Wrong("an array is expected here");
    std::size_t index = 0;
    for (const element item : array) {
      if (auto read = Item(field, item, message); !read)
        return base::Fail(At(fmt::format("[{}]", index), read.error()));
      ++index;
    }
    return {};
  }

  base::Result<> Item(const FieldDescriptor& field, element value, Message& message) {
    const Reflection& reflection = *message.GetReflection();
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_MESSAGE:
        return Object(value, *reflection.AddMessage(&message, &field));
      case FieldDescriptor::CPPTYPE_UINT64: {
        ASSIGN_OR_RETURN(const auto number, ReadInteger<std::uint64_t>(value));
        reflection.AddUInt64(&message, &field, number);
        return {};
      }
      case FieldDescriptor::CPPTYPE_DOUBLE: {
        ASSIGN_OR_RETURN(const double number, ReadDouble(value));
        reflection.AddDouble(&message, &field, number);
        return {};
      }
      case FieldDescriptor::CPPTYPE_STRING: {
        ASSIGN_OR_RETURN(std::string text, Text(field, value));
        reflection.AddString(&message, &field, std::move(text));
        return {};
      }
      default:
        return Wrong("OTLP has no list of this kind");
    }
  }

  base::Result<std::string> Text(const FieldDescriptor& field, element value) {
    if (field.type() == FieldDescriptor::TYPE_BYTES) return ReadBytes(field, value);
    std::string_view text;
    if (value.get(text) != simdjson::SUCCESS) return Wrong("text is expected here");
    return std::string(text);
  }

  ByteBudget::Hold& hold_;
};

}  // namespace

base::Result<> ReadOtlpJson(std::string_view text, Message& message, ByteBudget::Hold& hold) {
  simdjson::dom::parser parser;
  ASSIGN_OR_RETURN(const element root, ParseJson(parser, text, hold));
  auto read = Reader(hold).Object(root, message);
  if (!read && read.error().message().starts_with('.'))
    return base::Fail(read.error().kind(), read.error().message().substr(1));
  return read;
}

}  // namespace enclave::observatory::ingest
