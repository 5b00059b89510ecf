// Writes JSON straight into one string: no tree, no copy. Answers with millions of numbers are
// written this way.
//
//   JsonWriter json(&body);
//   json.BeginObject().Key("status").String("success").EndObject();
//
// Commas are put where they belong by what was written last. Values; one thread at a time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "telemetry/labels.h"

namespace enclave::observatory::api {

// A sample's value as Prometheus writes it, without quotes: Go's strconv with format 'f' and the
// fewest digits that read back the same ('e' below 1e-6 and from 1e21 on), NaN, +Inf, -Inf.
void AppendSampleValue(std::string* out, double value);
// Milliseconds as seconds: 1435781451.781, 12, 1.500.
void AppendSeconds(std::string* out, std::int64_t time_ms);
void AppendInteger(std::string* out, std::int64_t value);
// RFC 8259, quotes included; bytes that are not UTF-8 become U+FFFD.
void AppendJsonString(std::string* out, std::string_view text);

class JsonWriter {
 public:
  explicit JsonWriter(std::string* out) : out_(out) {}

  JsonWriter& BeginObject() { return Open('{'); }
  JsonWriter& EndObject() { return Close('}'); }
  JsonWriter& BeginArray() { return Open('['); }
  JsonWriter& EndArray() { return Close(']'); }
  JsonWriter& Key(std::string_view name);
  JsonWriter& String(std::string_view value);
  JsonWriter& Integer(std::int64_t value);
  JsonWriter& Bool(bool value) { return Raw(value ? "true" : "false"); }
  // A finite number in its shortest form; others as null.
  JsonWriter& Number(double value);
  // Text that is JSON already.
  JsonWriter& Raw(std::string_view json);
  // {"name":"value",...}
  JsonWriter& LabelSet(const telemetry::Labels& labels);
  // [1435781451.781,"1"]: one point of a Prometheus answer.
  JsonWriter& Point(std::int64_t time_ms, double value);

  std::string* out() { return out_; }

 private:
  void Separate() {
    if (out_->empty()) return;
    const char last = out_->back();
    if (last != '{' && last != '[' && last != ':') out_->push_back(',');
  }
  JsonWriter& Open(char bracket) {
    Separate();
    out_->push_back(bracket);
    return *this;
  }
  JsonWriter& Close(char bracket) {
    out_->push_back(bracket);
    return *this;
  }

  std::string* out_;
};

}  // namespace enclave::observatory::api
