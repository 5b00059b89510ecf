#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <vector>

#include "kube/patch.h"

namespace enclave::kube {
namespace {

using base::ErrorKind;
using base::Fail;
using Pointer = std::vector<std::string>;  // RFC 6901, decoded tokens

base::Result<Pointer> ParsePointer(const Json& operation, std::string_view member) {
  const Json& value = At(operation, member);
  if (!value.is_string()) {
    return Fail(ErrorKind::kInvalidArgument, fmt::format("\"{}\" must be a string", member));
  }
  const auto& text = value.get_ref<const std::string&>();
  Pointer tokens;
  if (text.empty()) return tokens;
  if (text[0] != '/') {
    return Fail(ErrorKind::kInvalidArgument,
                fmt::format("\"{}\": \"{}\" must be empty or begin with '/'", member, text));
  }
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '/') {
      tokens.emplace_back();
    } else if (c != '~') {
      tokens.back() += c;
    } else if (at + 1 < text.size() && (text[at + 1] == '0' || text[at + 1] == '1')) {
      tokens.back() += text[++at] == '0' ? '~' : '/';
    } else {
      return Fail(ErrorKind::kInvalidArgument,
                  fmt::format("\"{}\": '~' in \"{}\" must be followed by 0 or 1", member, text));
    }
  }
  return tokens;
}

std::string Text(const Pointer& pointer) {
  return fmt::format("/{}", fmt::join(pointer, "/"));
}

std::unexpected<base::Error> Missing(const Pointer& pointer) {
  return Fail(ErrorKind::kUnprocessable, fmt::format("\"{}\" does not exist", Text(pointer)));
}

// RFC 6901, 4: digits without a leading zero.
std::optional<std::size_t> ParseIndex(const std::string& token) {
  std::size_t index = 0;
  const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), index);
  if (error != std::errc() || end != token.data() + token.size()) return std::nullopt;
  if (token.size() > 1 && token[0] == '0') return std::nullopt;
  return index;
}

// The value `count` tokens down from the root, or null when there is none.
Json* Find(Json& root, const Pointer& pointer, std::size_t count) {
  Json* here = &root;
  for (std::size_t i = 0; i < count; ++i) {
    if (here->is_object()) {
      const auto found = here->find(pointer[i]);
      if (found == here->end()) return nullptr;
      here = &*found;
    } else if (here->is_array()) {
      const auto index = ParseIndex(pointer[i]);
      if (!index || *index >= here->size()) return nullptr;
      here = &(*here)[*index];
    } else {
      return nullptr;
    }
  }
  return here;
}

base::Result<> Add(Json& root, const Pointer& pointer, Json value) {
  if (pointer.empty()) {
    root = std::move(value);
    return {};
  }
  Json* parent = Find(root, pointer, pointer.size() - 1);
  if (parent == nullptr || !parent->is_structured()) {
    return Fail(ErrorKind::kUnprocessable,
                fmt::format("\"{}\" has no parent object or list", Text(pointer)));
  }
  const std::string& last = pointer.back();
  if (parent->is_object()) {
    (*parent)[last] = std::move(value);
    return {};
  }
  const auto index = last == "-" ? std::optional(parent->size()) : ParseIndex(last);
  if (!index || *index > parent->size()) {
    return Fail(ErrorKind::kUnprocessable,
                fmt::format("\"{}\" is not an index within the list", Text(pointer)));
  }
  parent->insert(parent->begin() + static_cast<std::ptrdiff_t>(*index), std::move(value));
  return {};
}

base::Result<Json> Remove(Json& root, const Pointer& pointer) {
  if (pointer.empty()) {
    return Fail(ErrorKind::kUnprocessable, "the whole document cannot be removed");
  }
  Json* found = Find(root, pointer, pointer.size());
  if (found == nullptr) return Missing(pointer);
  Json value = std::move(*found);
  Json* parent = Find(root, pointer, pointer.size() - 1);
  if (parent->is_object()) {
    parent->erase(pointer.back());
  } else {
    parent->erase(*ParseIndex(pointer.back()));
  }
  return value;
}

// Bytes of a value, roughly; stops counting past `limit`.
std::size_t SizeOf(const Json& value, std::size_t limit) {
  if (value.is_string()) return value.get_ref<const std::string&>().size() + 8;
  std::size_t size = 8;
  if (value.is_object()) {
    for (const auto& [key, child] : value.items()) {
      size += key.size() + SizeOf(child, limit);
      if (size > limit) break;
    }
  } else if (value.is_array()) {
    for (const Json& child : value) {
      size += SizeOf(child, limit);
      if (size > limit) break;
    }
  }
  return size;
}

base::Result<> CheckDepth(const Pointer& pointer, const Json& value) {
  const auto above = std::min<std::size_t>(pointer.size(), kMaxPatchDepth);
  const int room = kMaxPatchDepth - static_cast<int>(above);
  if (JsonDepth(value, room) <= room && pointer.size() <= kMaxPatchDepth) return {};
  return Fail(ErrorKind::kTooLarge,
              fmt::format("the result would be nested deeper than {} levels", kMaxPatchDepth));
}

class Application {
 public:
  explicit Application(Json& root) : root_(root) {}

  base::Result<> Apply(const Json& operation) {
    const std::string& op = StringAt(operation, "op");
    ASSIGN_OR_RETURN(const Pointer path, ParsePointer(operation, "path"));
    if (op == "remove") {
      RETURN_IF_ERROR(Remove(root_, path));
      return {};
    }
    if (op == "add" || op == "replace" || op == "test") {
      const auto value = operation.find("value");
      if (value == operation.end()) {
        return Fail(ErrorKind::kInvalidArgument, "\"value\" is missing");
      }
      if (op == "test") return Test(path, *value);
      RETURN_IF_ERROR(CheckDepth(path, *value));
      if (op == "add") return Add(root_, path, *value);
      Json* found = Find(root_, path, path.size());
      if (found == nullptr) return Missing(path);
      *found = *value;
      return {};
    }
    if (op == "move" || op == "copy") {
      ASSIGN_OR_RETURN(const Pointer from, ParsePointer(operation, "from"));
      const Json* found = Find(root_, from, from.size());
      if (found == nullptr) return Missing(from);
      RETURN_IF_ERROR(CheckDepth(path, *found));
      if (op == "copy") {
        copied_ += SizeOf(*found, kMaxCopiedBytes);
        if (copied_ > kMaxCopiedBytes) {
          return Fail(ErrorKind::kTooLarge,
                      fmt::format("\"copy\" operations are bound to {} bytes", kMaxCopiedBytes));
        }
        return Add(root_, path, *found);
      }
      if (from == path) return {};
      ASSIGN_OR_RETURN(Json value, Remove(root_, from));
      return Add(root_, path, std::move(value));
    }
    return Fail(ErrorKind::kInvalidArgument,
                fmt::format("\"op\": \"{}\" is not one of add, remove, replace, move, copy, test",
                            op.substr(0, 64)));
  }

 private:
  base::Result<> Test(const Pointer& path, const Json& expected) {
    const Json* found = Find(root_, path, path.size());
    // RFC 6902 has a missing member differ from null; Kubernetes' library takes them as equal.
    if (found == nullptr ? expected.is_null() : *found == expected) return {};
    return Fail(ErrorKind::kUnprocessable,
                fmt::format("testing value {} failed: {}", Text(path),
                            found == nullptr ? "it does not exist" : "it is different"));
  }

  Json& root_;
  std::size_t copied_ = 0;
};

}  // namespace

base::Result<Json> ApplyJsonPatch(Json target, const Json& operations) {
  if (!operations.is_array()) {
    return Fail(ErrorKind::kInvalidArgument, "a JSON patch must be a list of operations");
  }
  if (operations.size() > kMaxPatchOperations) {
    return Fail(ErrorKind::kTooLarge,
                fmt::format("the allowed maximum operations in a JSON patch is {}, got {}",
                            kMaxPatchOperations, operations.size()));
  }
  Application application(target);
  std::size_t index = 0;
  for (const Json& operation : operations) {
    if (auto applied = application.Apply(operation); !applied) {
      return Fail(applied.error().While(fmt::format("JSON patch operation {}", index)));
    }
    ++index;
  }
  return target;
}

}  // namespace enclave::kube
