#include "cluster/kubelet/grpc_health.h"

#include <cstdint>
#include <optional>

namespace enclave::cluster {
namespace {

std::unexpected<base::Error> Malformed(const char* what) {
  return base::Fail(base::ErrorKind::kInvalidArgument,
                    std::string("malformed health response: ") + what);
}

std::optional<std::uint64_t> TakeVarint(std::string_view* bytes) {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    if (bytes->empty()) return std::nullopt;
    auto byte = static_cast<unsigned char>(bytes->front());
    bytes->remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return value;
  }
  return std::nullopt;
}

void PutVarint(std::string* out, std::uint64_t value) {
  while (value >= 0x80) {
    out->push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out->push_back(static_cast<char>(value));
}

}  // namespace

std::string EncodeHealthRequest(std::string_view service) {
  std::string message;
  if (!service.empty()) {
    message.push_back(0x0a);
    PutVarint(&message, service.size());
    message.append(service);
  }
  std::string frame(1, '\0');
  for (int shift = 24; shift >= 0; shift -= 8) {
    frame.push_back(static_cast<char>(message.size() >> shift));
  }
  return frame + message;
}

base::Result<HealthStatus> ParseHealthResponse(std::string_view body) {
  if (body.size() < 5) return Malformed("no message");
  if (body[0] != 0) return Malformed("compressed, though nothing allowed that");
  std::uint32_t length = 0;
  for (std::size_t i = 1; i <= 4; ++i) length = length << 8 | static_cast<unsigned char>(body[i]);
  body.remove_prefix(5);
  if (body.size() != length) return Malformed("wrong length");
  std::uint64_t status = 0;
  while (!body.empty()) {
    auto tag = TakeVarint(&body);
    if (!tag || *tag >> 3 == 0) return Malformed("tag");
    std::uint64_t skip = 0;
    switch (*tag & 7) {
      case 0: {
        auto value = TakeVarint(&body);
        if (!value) return Malformed("varint");
        if (*tag >> 3 == 1) status = *value;
        break;
      }
      case 1:
        skip = 8;
        break;
      case 2: {
        auto size = TakeVarint(&body);
        if (!size) return Malformed("length");
        skip = *size;
        break;
      }
      case 5:
        skip = 4;
        break;
      default:
        return Malformed("wire type");
    }
    if (skip > body.size()) return Malformed("field beyond the end");
    body.remove_prefix(skip);
  }
  return status <= 3 ? static_cast<HealthStatus>(status) : HealthStatus::kUnknown;
}

std::string_view ToString(HealthStatus status) {
  switch (status) {
    case HealthStatus::kServing:
      return "SERVING";
    case HealthStatus::kNotServing:
      return "NOT_SERVING";
    case HealthStatus::kServiceUnknown:
      return "SERVICE_UNKNOWN";
    case HealthStatus::kUnknown:
      break;
  }
  return "UNKNOWN";
}

}  // namespace enclave::cluster
