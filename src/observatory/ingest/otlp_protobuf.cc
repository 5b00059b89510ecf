#include "observatory/ingest/otlp_protobuf.h"

#include <algorithm>
#include <cstdint>

#include <fmt/format.h>
#include <google/protobuf/io/zero_copy_stream.h>

namespace enclave::observatory::ingest {
namespace {

// Hands the bytes out in pieces and charges, before each, what the parser has allocated so far.
class MeteredStream final : public google::protobuf::io::ZeroCopyInputStream {
 public:
  MeteredStream(std::string_view bytes, google::protobuf::Arena& arena, ByteBudget::Hold& hold)
      : bytes_(bytes), arena_(arena), hold_(hold) {}

  bool Next(const void** data, int* size) override {
    if (at_ == bytes_.size() || !charged_) return false;
    const std::size_t piece = std::min(bytes_.size() - at_, kPiece);
    const auto allocated = static_cast<std::size_t>(arena_.SpaceAllocated());
    // Texts that are too long for a string's own memory are not on the arena.
    charged_ = hold_.Charge(allocated - allocated_ + piece);
    if (!charged_) return false;
    allocated_ = allocated;
    *data = bytes_.data() + at_;
    *size = static_cast<int>(piece);
    at_ += piece;
    return true;
  }
  void BackUp(int count) override { at_ -= static_cast<std::size_t>(count); }
  bool Skip(int count) override {
    const auto wanted = static_cast<std::size_t>(count);
    const bool there = wanted <= bytes_.size() - at_;
    at_ = there ? at_ + wanted : bytes_.size();
    return there;
  }
  std::int64_t ByteCount() const override { return static_cast<std::int64_t>(at_); }

  const base::Result<>& charged() const { return charged_; }

 private:
  static constexpr std::size_t kPiece = 64 << 10;
  const std::string_view bytes_;
  google::protobuf::Arena& arena_;
  ByteBudget::Hold& hold_;
  std::size_t at_ = 0;
  std::size_t allocated_ = 0;
  base::Result<> charged_{};
};

}  // namespace

base::Result<> ReadOtlpProtobuf(std::string_view bytes, google::protobuf::Arena& arena,
                                google::protobuf::Message& message, ByteBudget::Hold& hold) {
  MeteredStream stream(bytes, arena, hold);
  const bool parsed = message.ParseFromZeroCopyStream(&stream);
  if (!stream.charged()) return stream.charged();
  if (!parsed) {
    return base::Fail(base::ErrorKind::kInvalidArgument,
                      fmt::format("the body is no {}: it is broken, nested too deep, or has text "
                                  "that is not UTF-8",
                                  message.GetDescriptor()->full_name()));
  }
  return {};
}

}  // namespace enclave::observatory::ingest
