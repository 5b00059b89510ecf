#include "json_writer.h"

#include <charconv>
#include <cmath>
#include <cstdlib>

#include "base/quote.h"

namespace enclave::observatory::api {
namespace {

// 1.2345e+20 as 123450000000000000000. to_chars with `fixed` would print digits past the shortest
// form there; Go fills with zeros.
void AppendExpanded(std::string* out, std::string_view scientific) {
  const std::size_t e = scientific.find('e');
  int exponent = 0;
  std::string_view power = scientific.substr(e + 1);
  if (power.starts_with('+')) power.remove_prefix(1);
  std::from_chars(power.data(), power.data() + power.size(), exponent);
  int digits = -1;  // those after the first
  for (const char c : scientific.substr(0, e)) {
    if (c == '.') continue;
    out->push_back(c);
    if (c != '-') ++digits;
  }
  for (int i = digits; i < exponent; ++i) out->push_back('0');
}

bool IsPlain(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x20 && byte < 0x7f && c != '"' && c != '\\';
}

}  // namespace

void AppendSampleValue(std::string* out, double value) {
  if (std::isnan(value)) {
    out->append("NaN");
    return;
  }
  if (std::isinf(value)) {
    out->append(value > 0 ? "+Inf" : "-Inf");
    return;
  }
  char buffer[64];
  const double size = std::fabs(value);
  if (size != 0 && (size < 1e-6 || size >= 1e21)) {
    const auto end =
        std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
    out->append(buffer, end.ptr);
    return;
  }
  constexpr double kExactIntegers = 9007199254740992.0;  // 2^53
  if (size >= kExactIntegers) {
    const auto end =
        std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
    AppendExpanded(out, std::string_view(buffer, end.ptr));
    return;
  }
  // Most samples are whole numbers, and those are written much faster as integers.
  const auto whole = static_cast<std::int64_t>(value);
  if (static_cast<double>(whole) == value && !(whole == 0 && std::signbit(value))) {
    const auto end = std::to_chars(buffer, buffer + sizeof buffer, whole);
    out->append(buffer, end.ptr);
    return;
  }
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed);
  out->append(buffer, end.ptr);
}

void AppendInteger(std::string* out, std::int64_t value) {
  char buffer[24];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value);
  out->append(buffer, end.ptr);
}

void AppendSeconds(std::string* out, std::int64_t time_ms) {
  std::int64_t seconds = time_ms / 1000;
  std::int64_t rest = time_ms % 1000;
  if (time_ms < 0) {
    out->push_back('-');
    seconds = -seconds;
    rest = -rest;
  }
  AppendInteger(out, seconds);
  if (rest == 0) return;
  out->push_back('.');
  out->push_back(static_cast<char>('0' + rest / 100));
  out->push_back(static_cast<char>('0' + rest / 10 % 10));
  out->push_back(static_cast<char>('0' + rest % 10));
}

void AppendJsonString(std::string* out, std::string_view text) {
  for (const char c : text) {
    if (IsPlain(c)) continue;
    out->append(base::Quote(text));
    return;
  }
  out->push_back('"');
  out->append(text);
  out->push_back('"');
}

JsonWriter& JsonWriter::Key(std::string_view name) {
  Separate();
  AppendJsonString(out_, name);
  out_->push_back(':');
  return *this;
}

JsonWriter& JsonWriter::String(std::string_view value) {
  Separate();
  AppendJsonString(out_, value);
  return *this;
}

JsonWriter& JsonWriter::Integer(std::int64_t value) {
  Separate();
  AppendInteger(out_, value);
  return *this;
}

JsonWriter& JsonWriter::Number(double value) {
  if (!std::isfinite(value)) return Raw("null");
  Separate();
  AppendSampleValue(out_, value);
  return *this;
}

JsonWriter& JsonWriter::Raw(std::string_view json) {
  Separate();
  out_->append(json);
  return *this;
}

JsonWriter& JsonWriter::LabelSet(const telemetry::Labels& labels) {
  BeginObject();
  for (const telemetry::Label& label : labels) Key(label.name).String(label.value);
  return EndObject();
}

JsonWriter& JsonWriter::Point(std::int64_t time_ms, double value) {
  Separate();
  out_->push_back('[');
  AppendSeconds(out_, time_ms);
  out_->append(",\"");
  AppendSampleValue(out_, value);
  out_->append("\"]");
  return *this;
}

}  // namespace enclave::observatory::api
