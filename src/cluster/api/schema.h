// What fields the built-in kinds have, as data: which names, of which types, and which of them
// vanish when they are zero (Go's `omitempty` on a plain field) or stay (a pointer).
//
// Normalise makes two writings of the same object equal, as a round trip through the typed clients
// does: nulls and zero values vanish, quantities become canonical ("0.5" -> "500m"). Without that
// `kubectl rollout undo`, which sends a template through Go types, would make a new hash of it.
//
// Thread safety: immutable after construction.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kube/object.h"

namespace enclave::cluster {

class Schema {
 public:
  // The types of k8s.io/api that the built-in kinds are made of.
  static const Schema& BuiltIn();

  // `text` holds one type a line: "Name: field type, field type". Types are
  //   s string, i integer, n number, b boolean, q quantity, x integer or string, t time, any,
  //   Name another type, [T] a list, {T} a map; a `*` behind s, i, b keeps zero values.
  // A broken text breaks a CHECK: it is part of the program.
  explicit Schema(std::string_view text);

  struct Findings {
    std::vector<std::string> unknown_fields;  // "spec.template.spec.foo", removed from the object
  };
  // `type` is the kind's name. kInvalidArgument when a field has the wrong type. A type that the
  // schema does not have leaves the object as it is.
  base::Result<Findings> Normalise(std::string_view type, kube::Json& object) const;

 private:
  enum class Shape : unsigned char {
    kString,
    kInteger,
    kNumber,
    kBoolean,
    kQuantity,
    kIntOrString,
    kTime,
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
  using Struct = std::map<std::string, int, std::less<>>;  // field -> index in types_

  int ParseType(std::string_view text);
  int StructIndex(std::string_view name);
  // False when the value is to vanish.
  base::Result<bool> Visit(int type, kube::Json& value, std::string& path, Findings& out) const;
  base::Result<> VisitStruct(int index, kube::Json& value, std::string& path, Findings& out) const;

  std::vector<Struct> structs_;
  std::vector<bool> defined_;
  std::map<std::string, int, std::less<>> names_;
  std::vector<Type> types_;
};

}  // namespace enclave::cluster
