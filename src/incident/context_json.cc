#include "incident/context_json.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <type_traits>
#include <utility>

#include "base/quote.h"
#include "base/utf8.h"
#include "incident/context_fields.h"

namespace enclave::incident {
namespace {

using OrderedJson = nlohmann::ordered_json;

// Writes a value as JSON; structures through VisitFields.
class Writer {
 public:
  explicit Writer(OrderedJson& object) : object_(object) {}

  template <typename T>
  void operator()(const char* name, const T& value) {
    object_[name] = Write(value);
  }

 private:
  static OrderedJson Write(const std::string& text) {
    if (base::IsUtf8(text)) return text;
    std::string hex;
    for (const char c : text) hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
    return {{"bytes", hex}};
  }
  static OrderedJson Write(double number) {
    if (std::isnan(number)) return "NaN";
    if (std::isinf(number)) return number > 0 ? "Infinity" : "-Infinity";
    return number;
  }
  static OrderedJson Write(bool truth) { return truth; }
  static OrderedJson Write(std::int64_t number) { return number; }
  static OrderedJson Write(std::uint64_t number) { return number; }
  template <typename Enum>
    requires std::is_enum_v<Enum>
  static OrderedJson Write(Enum value) {
    return std::string(ToString(value));
  }
  static OrderedJson Write(const std::optional<trace::TraceId>& id) {
    return id ? OrderedJson(id->ToString()) : OrderedJson();
  }
  static OrderedJson Write(const telemetry::Labels& labels) {
    OrderedJson json = OrderedJson::array();
    for (const telemetry::Label& label : labels)
      json.push_back({Write(label.name), Write(label.value)});
    return json;
  }
  static OrderedJson Write(const std::map<std::string, std::uint64_t>& counts) {
    OrderedJson json = OrderedJson::array();
    for (const auto& [name, count] : counts) json.push_back({Write(name), count});
    return json;
  }
  template <typename T>
  static OrderedJson Write(const std::vector<T>& items) {
    OrderedJson json = OrderedJson::array();
    for (const T& item : items) json.push_back(Write(item));
    return json;
  }
  template <HasFields T>
  static OrderedJson Write(const T& value) {
    OrderedJson json = OrderedJson::object();
    Writer writer(json);
    VisitFields(writer, value);
    return json;
  }

  OrderedJson& object_;
};

// Reads values and stops at the first that is not what it should be.
class Reader {
 public:
  explicit Reader(const OrderedJson& object) : object_(&object) {}

  template <typename T>
  void operator()(const char* name, T& value) {
    if (!why_.empty()) return;
    const auto at = object_->find(name);
    if (at == object_->end()) return;
    const std::size_t length = path_.size();
    if (!path_.empty()) path_ += '.';
    path_ += name;
    Read(*at, value);
    if (why_.empty()) path_.resize(length);
  }

  base::Result<> Finish() const {
    if (why_.empty()) return {};
    return base::Fail(base::ErrorKind::kInvalidArgument,
                      fmt::format("reading an incident context: {}: {}", path_, why_));
  }

 private:
  void Fail(std::string_view why) { why_ = why; }

  void Read(const OrderedJson& json, std::string& text) {
    if (json.is_string()) {
      text = json.get_ref<const std::string&>();
      return;
    }
    const auto bytes = json.is_object() ? json.find("bytes") : json.end();
    if (!json.is_object() || bytes == json.end() || !bytes->is_string())
      return Fail("a text is wanted");
    const auto& hex = bytes->get_ref<const std::string&>();
    text.clear();
    if (hex.size() % 2 != 0) return Fail("an even number of hexadecimal digits is wanted");
    for (std::size_t i = 0; i < hex.size(); i += 2) {
      unsigned value = 0;
      const char* end = hex.data() + i + 2;
      const auto [stop, error] = std::from_chars(hex.data() + i, end, value, 16);
      if (error != std::errc() || stop != end) return Fail("hexadecimal digits are wanted");
      text += static_cast<char>(value);
    }
  }
  void Read(const OrderedJson& json, double& number) {
    if (json.is_number()) {
      number = json.get<double>();
    } else if (json == "NaN") {
      number = std::numeric_limits<double>::quiet_NaN();
    } else if (json == "Infinity") {
      number = std::numeric_limits<double>::infinity();
    } else if (json == "-Infinity") {
      number = -std::numeric_limits<double>::infinity();
    } else {
      Fail("a number is wanted");
    }
  }
  void Read(const OrderedJson& json, bool& truth) {
    if (!json.is_boolean()) return Fail("true or false is wanted");
    truth = json.get<bool>();
  }
  void Read(const OrderedJson& json, std::int64_t& number) {
    const bool fits = json.is_number_integer() &&
                      (!json.is_number_unsigned() || json.get<std::uint64_t>() <= INT64_MAX);
    if (!fits) return Fail("a whole number is wanted");
    number = json.get<std::int64_t>();
  }
  void Read(const OrderedJson& json, std::uint64_t& number) {
    if (!json.is_number_unsigned()) return Fail("a whole number of at least 0 is wanted");
    number = json.get<std::uint64_t>();
  }
  template <typename Enum>
    requires std::is_enum_v<Enum>
  void Read(const OrderedJson& json, Enum& value) {
    if (!json.is_string()) return Fail("a word is wanted");
    const auto& word = json.get_ref<const std::string&>();
    for (std::uint8_t i = 0; i <= static_cast<std::uint8_t>(LastOf(Enum{})); ++i)
      if (ToString(static_cast<Enum>(i)) == word) {
        value = static_cast<Enum>(i);
        return;
      }
    Fail(fmt::format("no such word: {}", base::Quote(word)));
  }
  void Read(const OrderedJson& json, std::optional<trace::TraceId>& id) {
    id.reset();
    if (json.is_null()) return;
    if (json.is_string()) id = trace::TraceId::Parse(json.get_ref<const std::string&>());
    if (!id) Fail("a trace id of 32 hexadecimal digits, or null, is wanted");
  }
  void Read(const OrderedJson& json, telemetry::Labels& labels) {
    labels = {};
    ReadPairs(json, [&](const OrderedJson& value, const std::string& name) {
      std::string text;
      Read(value, text);
      labels.Set(name, text);
    });
  }
  void Read(const OrderedJson& json, std::map<std::string, std::uint64_t>& counts) {
    counts.clear();
    ReadPairs(json, [&](const OrderedJson& value, const std::string& name) {
      Read(value, counts[name]);
    });
  }
  template <typename Take>
  void ReadPairs(const OrderedJson& json, const Take& take) {
    if (!json.is_array()) return Fail("a list is wanted");
    for (const OrderedJson& pair : json) {
      if (!pair.is_array() || pair.size() != 2) return Fail("pairs of name and value are wanted");
      std::string name;
      Read(pair[0], name);
      if (why_.empty()) take(pair[1], std::move(name));
      if (!why_.empty()) return;
    }
  }
  template <typename T>
  void Read(const OrderedJson& json, std::vector<T>& items) {
    if (!json.is_array()) return Fail("a list is wanted");
    items.clear();
    items.resize(json.size());
    const std::size_t length = path_.size();
    for (std::size_t i = 0; i < items.size(); ++i) {
      path_ += fmt::format("[{}]", i);
      Read(json[i], items[i]);
      if (!why_.empty()) return;
      path_.resize(length);
    }
  }
  template <HasFields T>
  void Read(const OrderedJson& json, T& value) {
    if (!json.is_object()) return Fail("an object is wanted");
    const OrderedJson* outer = std::exchange(object_, &json);
    VisitFields(*this, value);
    object_ = outer;
  }

  const OrderedJson* object_;
  std::string path_;
  std::string why_;
};

}  // namespace

std::string ContextToJson(const Context& context) {
  OrderedJson json{{"format", kContextFormat}};
  Writer writer(json);
  VisitFields(writer, context);
  return json.dump();
}

base::Result<Context> ContextFromJson(std::string_view text) {
  const auto fail = [](std::string why) {
    return base::Fail(base::ErrorKind::kInvalidArgument,
                      "reading an incident context: " + std::move(why));
  };
  if (text.size() > kMostContextBytes)
    return fail(fmt::format("{} bytes are more than {}", text.size(), kMostContextBytes));
  const OrderedJson json = OrderedJson::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return fail("no JSON object");
  const auto format = json.find("format");
  if (format == json.end() || *format != kContextFormat)
    return fail(fmt::format("format: {} is wanted", base::Quote(kContextFormat)));
  Context context;
  Reader reader(json);
  VisitFields(reader, context);
  RETURN_IF_ERROR(reader.Finish());
  return context;
}

std::string_view ToString(Signal signal) {
  switch (signal) {
    case Signal::kCpu:
      return "cpu";
    case Signal::kMemory:
      return "memory";
    case Signal::kDisk:
      return "disk";
    case Signal::kNetwork:
      return "network";
    case Signal::kLatency:
      return "latency";
    case Signal::kErrors:
      return "errors";
    case Signal::kTraffic:
      return "traffic";
    case Signal::kRestarts:
      return "restarts";
    case Signal::kCertificate:
      return "certificate";
    case Signal::kOther:
      return "other";
  }
  return "";
}

std::string_view ToString(LogChange change) {
  switch (change) {
    case LogChange::kNew:
      return "new";
    case LogChange::kVanished:
      return "vanished";
    case LogChange::kBursting:
      return "bursting";
    case LogChange::kDwindling:
      return "dwindling";
  }
  return "";
}

std::string_view ToString(ChangeKind kind) {
  switch (kind) {
    case ChangeKind::kRollout:
      return "rollout";
    case ChangeKind::kConfiguration:
      return "configuration";
    case ChangeKind::kScale:
      return "scale";
    case ChangeKind::kNetwork:
      return "network";
    case ChangeKind::kDeletion:
      return "deletion";
    case ChangeKind::kOther:
      return "other";
  }
  return "";
}

}  // namespace enclave::incident
