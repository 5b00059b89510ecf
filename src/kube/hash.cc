#include "kube/hash.h"

#include <array>

#include "kube/names.h"

namespace enclave::kube {

std::string TemplateHash(const Json& pod_template, std::optional<std::uint32_t> collision_count) {
  std::uint32_t hash = Fnv1a32(pod_template.dump(-1, ' ', false, Json::error_handler_t::replace));
  if (collision_count) {
    std::array<char, 8> bytes{};
    for (unsigned i = 0; i < 4; ++i) {
      bytes[i] = static_cast<char>((*collision_count >> (8 * i)) & 0xff);
    }
    hash = Fnv1a32({bytes.data(), bytes.size()}, hash);
  }
  std::string text = std::to_string(hash);
  for (char& digit : text) {
    digit = kSafeAlphabet[static_cast<std::uint8_t>(digit) % kSafeAlphabet.size()];
  }
  return text;
}

}  // namespace enclave::kube
