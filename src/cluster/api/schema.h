// What fields the built-in kinds have, as data: which names, of which types, and which of them
// vanish when they are zero (Go's `omitempty` on a plain field) or stay (a pointer).
//
// Normalise makes two writings of the same object equal, as a round trip through the typed clients
// does: nulls and zero values vanish, quantities become canonical ("0.5" -> "500m"). Without that
// `kubectl rollout undo`, which sends a template through Go types, would make a new hash of it.
//
// Thread safety: immutable after construction.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "kube/object.h"

namespace enclave::cluster {

struct WireField;  // of a protobuf message (schema_protobuf.cc)

class Schema {
 public:
  // The types of k8s.io/api that the built-in kinds are made of.
  static const Schema& BuiltIn();

  // `text` holds one type a line: "Name: field NUMBER type, field type". Types are
  //   s string, i integer, n number, b boolean, q quantity, x integer or string, t time, y bytes
  //   (base64 in JSON), any, Name another type, [T] a list, {T} a map; a `*` behind s, i, b keeps
  //   zero values. NUMBER is the field's in protobuf, "a/b" in an embedded message.
  // A broken text breaks a CHECK: it is part of the program.
  explicit Schema(std::string_view text);

  struct Findings {
    std::vector<std::string> unknown_fields;  // "spec.template.spec.foo", removed from the object
  };
  // `type` is the kind's name. kInvalidArgument when a field has the wrong type. A type that the
  // schema does not have leaves the object as it is.
  base::Result<Findings> Normalise(std::string_view type, kube::Json& object) const;

  // Adds to `components` what OpenAPI v3 says of a type and of all types in it, each under its
  // OpenApiName. False for a type that the schema does not have.
  bool DescribeOpenApi(std::string_view type, kube::Json& components) const;

  // The object in a protobuf message of this type (proto2, as k8s.io/api's generated.proto). Fields
  // that the schema does not know are left out. kInvalidArgument for what is no such message,
  // kUnsupportedMedia for a type or a part that is only known in JSON.
  base::Result<kube::Json> DecodeProtobuf(std::string_view type, std::string_view message) const;

 private:
  enum class Shape : unsigned char {
    kString,
    kInteger,
    kNumber,
    kBoolean,
    kQuantity,
    kIntOrString,
    kTime,
    kBytes,
    kAny,
    kStruct,
    kList,
    kMap
  };
  struct Type {
    Shape shape = Shape::kAny;
    bool keeps_zero = false;
    int target = -1;  // of kStruct: index in structs_; of kList and kMap: index in types_
  };
  // Protobuf: {number of the embedded message or 0, number}.
  using Number = std::pair<std::uint32_t, std::uint32_t>;
  struct Struct {
    std::map<std::string, int, std::less<>> fields;           // name -> index in types_
    std::map<Number, std::pair<std::string, int>> by_number;  // -> name, index in types_
    std::set<std::uint32_t> embedded;
  };

  int ParseType(std::string_view text);
  void ParseField(std::string_view text, int index);
  int StructIndex(std::string_view name);
  // False when the value is to vanish.
  base::Result<bool> Visit(int type, kube::Json& value, std::string& path, Findings& out) const;
  base::Result<> VisitStruct(int index, kube::Json& value, std::string& path, Findings& out) const;

  kube::Json OpenApiOf(int type, kube::Json& components) const;

  base::Result<> DecodeStruct(int index, std::uint32_t embedded_in, std::string_view message,
                              kube::Json& out) const;
  base::Result<> DecodeField(int type, const std::string& name, const WireField& field,
                             kube::Json& out) const;
  base::Result<kube::Json> DecodeValue(int type, const WireField& field) const;

  std::vector<Struct> structs_;
  std::vector<bool> defined_;
  std::map<std::string, int, std::less<>> names_;
  std::vector<Type> types_;
};

// The name of a type among the components of an OpenAPI document. What stands behind the last dot
// is what kubectl explain shows.
std::string OpenApiName(std::string_view type);

}  // namespace enclave::cluster
