#include "cluster/api/field_errors.h"

#include <fmt/format.h>

namespace enclave::cluster {
namespace {

using kube::Json;

// A hostile body can hold as many faults as fields.
constexpr std::size_t kMaxCauses = 32;

std::string Shown(const Json& value) {
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() <= 512) return text;
  // Cut between characters, so that the message stays UTF-8.
  std::size_t end = 500;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + "...";
}

}  // namespace

void FieldErrors::Add(std::string field, std::string_view reason, std::string message) {
  if (causes_.size() < kMaxCauses) {
    causes_.push_back({std::move(field), reason, std::move(message)});
  }
}

void FieldErrors::Invalid(std::string field, const Json& value, std::string_view detail) {
  Add(std::move(field), "FieldValueInvalid",
      fmt::format("Invalid value: {}: {}", Shown(value), detail));
}

void FieldErrors::Required(std::string field, std::string_view detail) {
  Add(std::move(field), "FieldValueRequired",
      detail.empty() ? "Required value" : fmt::format("Required value: {}", detail));
}

void FieldErrors::Duplicate(std::string field, const Json& value) {
  Add(std::move(field), "FieldValueDuplicate", "Duplicate value: " + Shown(value));
}

void FieldErrors::NotFound(std::string field, const Json& value) {
  Add(std::move(field), "FieldValueNotFound", "Not found: " + Shown(value));
}

void FieldErrors::NotSupported(std::string field, const Json& value,
                               std::span<const std::string_view> supported) {
  std::string list;
  for (const std::string_view one : supported) {
    list += fmt::format("{}\"{}\"", list.empty() ? "" : ", ", one);
  }
  Add(std::move(field), "FieldValueNotSupported",
      fmt::format("Unsupported value: {}: supported values: {}", Shown(value), list));
}

void FieldErrors::Forbidden(std::string field, std::string_view detail) {
  Add(std::move(field), "FieldValueForbidden", fmt::format("Forbidden: {}", detail));
}

void FieldErrors::Check(std::string field, const Json& value, const base::Result<>& check) {
  if (!check) Invalid(std::move(field), value, check.error().message());
}

base::Error FieldErrors::ToError(const kube::Kind& kind, std::string_view name) const {
  std::string list;
  for (const Cause& cause : causes_) {
    if (!list.empty()) list += ", ";
    list += cause.field + ": " + cause.message;
  }
  if (causes_.size() > 1) list = "[" + list + "]";
  const std::string qualified = kind.group.empty() ? kind.kind : kind.kind + "." + kind.group;
  return base::Error(base::ErrorKind::kUnprocessable,
                     fmt::format("{} \"{}\" is invalid: {}", qualified, name, list));
}

Json FieldErrors::Causes() const {
  Json causes = Json::array();
  for (const Cause& cause : causes_) {
    causes.push_back(
        {{"reason", cause.reason}, {"message", cause.message}, {"field", cause.field}});
  }
  return causes;
}

std::string Indexed(std::string_view field, std::size_t index) {
  return fmt::format("{}[{}]", field, index);
}

}  // namespace enclave::cluster
