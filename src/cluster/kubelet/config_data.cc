#include "cluster/kubelet/config_data.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace enclave::cluster {

using kube::Json;

namespace {

// RFC 4648, section 4; line breaks are skipped, as Go's decoder does.
std::optional<std::string> DecodeStandardBase64(std::string_view text) {
  static constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  static const auto kValues = [] {
    std::array<std::int8_t, 256> values;
    values.fill(-1);
    for (std::size_t i = 0; i < kAlphabet.size(); ++i)
      values[static_cast<unsigned char>(kAlphabet[i])] = static_cast<std::int8_t>(i);
    return values;
  }();
  std::string out;
  out.reserve(text.size() / 4 * 3);
  std::uint32_t bits = 0;
  int digits = 0;
  int padding = 0;
  for (const char c : text) {
    if (c == '\n' || c == '\r') continue;
    if (c == '=') {
      ++padding;
      continue;
    }
    const std::int8_t value = kValues[static_cast<unsigned char>(c)];
    if (value < 0 || padding > 0) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    if (++digits % 4 == 0) {
      out += static_cast<char>(bits >> 16 & 255);
      out += static_cast<char>(bits >> 8 & 255);
      out += static_cast<char>(bits & 255);
      bits = 0;
    }
  }
  const int rest = digits % 4;
  if (rest == 0) return padding == 0 ? std::optional(std::move(out)) : std::nullopt;
  if (rest == 1 || padding != 4 - rest) return std::nullopt;
  if (rest == 2) {
    out += static_cast<char>(bits >> 4 & 255);
  } else {
    out += static_cast<char>(bits >> 10 & 255);
    out += static_cast<char>(bits >> 2 & 255);
  }
  return out;
}

void AddDecoded(const Json& values, std::map<std::string, std::string>& data) {
  if (!values.is_object()) return;
  for (const auto& [key, value] : values.items()) {
    if (!value.is_string()) continue;
    if (auto decoded = DecodeStandardBase64(value.get_ref<const std::string&>()))
      data[key] = std::move(*decoded);
  }
}

}  // namespace

std::map<std::string, std::string> ConfigMapData(const kube::Object& config_map) {
  std::map<std::string, std::string> data;
  const Json& values = kube::At(config_map.json(), "data");
  if (values.is_object()) {
    for (const auto& [key, value] : values.items())
      if (value.is_string()) data[key] = value.get<std::string>();
  }
  AddDecoded(kube::At(config_map.json(), "binaryData"), data);
  return data;
}

std::map<std::string, std::string> SecretData(const kube::Object& secret) {
  std::map<std::string, std::string> data;
  AddDecoded(kube::At(secret.json(), "data"), data);
  return data;
}

}  // namespace enclave::cluster
