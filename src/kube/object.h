// A Kubernetes API object: an immutable JSON value with its serialised text, shared between store,
// watchers and caches. Objects are values: to change one, copy `json()`, edit, and write it through
// an Api.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace enclave::kube {

using Json = nlohmann::json;

// The cluster-wide logical clock of the store; metadata.resourceVersion in decimal. 0: none.
enum class Revision : std::uint64_t { kNone = 0 };

class Object {
 public:
  // `json` is an object with metadata; its text is dumped here, once.
  explicit Object(Json json);
  Object(Json json, std::string text) : json_(std::move(json)), text_(std::move(text)) {}

  const Json& json() const { return json_; }
  const std::string& text() const { return text_; }

  const std::string& name() const;
  const std::string& ns() const;  // "" when cluster-scoped
  const std::string& uid() const;
  Revision revision() const;
  bool deleting() const;  // has a deletionTimestamp

 private:
  Json json_;
  std::string text_;
};

using ObjectPtr = std::shared_ptr<const Object>;

// Readers for untyped JSON that never throw: a missing or differently typed field gives the
// fallback. Paths are JSON pointers in dotted form without array indices:
// "spec.template.metadata.labels".
const Json& At(const Json& value, std::string_view dotted_path);  // a null Json when absent
const std::string& StringAt(const Json& value, std::string_view dotted_path);  // "" when absent
std::int64_t IntAt(const Json& value, std::string_view dotted_path, std::int64_t fallback = 0);
bool BoolAt(const Json& value, std::string_view dotted_path, bool fallback = false);

}  // namespace enclave::kube
