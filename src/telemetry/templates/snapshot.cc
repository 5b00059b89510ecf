#include "telemetry/templates/snapshot.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "telemetry/templates/scanner.h"

namespace enclave::telemetry::templates {
namespace {

constexpr std::string_view kMagic = "enclave templates 1\n";

void PutNumber(std::uint64_t number, std::string* out) {
  for (; number >= 0x80; number >>= 7U) out->push_back(static_cast<char>(number | 0x80U));
  out->push_back(static_cast<char>(number));
}

void PutSignature(std::uint64_t signature, std::string* out) {
  for (int i = 0; i < 8; ++i) out->push_back(static_cast<char>(signature >> (8 * i)));
}

class SnapshotReader {
 public:
  explicit SnapshotReader(std::string_view bytes) : bytes_(bytes) {}

  base::Result<std::uint64_t> Number() {
    std::uint64_t number = 0;
    for (unsigned shift = 0; shift < 64 && at_ < bytes_.size(); shift += 7) {
      const auto byte = static_cast<unsigned char>(bytes_[at_++]);
      number |= static_cast<std::uint64_t>(byte & 0x7FU) << shift;
      if (byte < 0x80) return number;
    }
    return Broken();
  }

  base::Result<std::string_view> Text(std::uint64_t most) {
    ASSIGN_OR_RETURN(const std::uint64_t size, Number());
    if (size > most || size > bytes_.size() - at_) return Broken();
    const std::string_view text = bytes_.substr(at_, size);
    at_ += size;
    return text;
  }

  base::Result<std::uint64_t> Signature() {
    if (bytes_.size() - at_ < 8) return Broken();
    std::uint64_t signature = 0;
    for (int i = 0; i < 8; ++i)
      signature |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes_[at_++])) << (8 * i);
    return signature;
  }

  std::unexpected<base::Error> Broken() const {
    return base::Fail(
        base::ErrorKind::kInvalidArgument,
        fmt::format("snapshot of log templates: damaged at byte {} of {}; without it, "
                    "templates are found anew",
                    at_, bytes_.size()));
  }

  bool AtEnd() const { return at_ == bytes_.size(); }

 private:
  std::string_view bytes_;
  std::size_t at_ = 0;
};

void PutTemplate(const Template& known, std::string* out) {
  PutNumber(known.text.size(), out);
  out->append(known.text);
  PutNumber(known.count, out);
  PutNumber(known.first, out);
  PutNumber(known.last, out);
  std::vector<std::uint64_t> wild;
  for (std::size_t i = 0; i < known.slots.size(); ++i)
    if (known.slots[i].wild) wild.push_back(i);
  PutNumber(wild.size(), out);
  for (const std::uint64_t i : wild) PutNumber(i, out);
  PutNumber(known.watched.size(), out);
  for (const std::uint16_t i : known.watched) {
    const Slot& slot = known.slots[i];
    PutNumber(static_cast<std::uint64_t>(slot.varied) | static_cast<std::uint64_t>(slot.gap) << 1U |
                  static_cast<std::uint64_t>(slot.plain) << 2U |
                  static_cast<std::uint64_t>(slot.row_varied) << 3U,
              out);
    PutNumber(slot.prefix, out);
    PutNumber(slot.suffix, out);
  }
}

base::Result<Template> ReadTemplate(std::size_t max_pieces, std::size_t max_message_bytes,
                                    std::vector<Piece>* pieces, SnapshotReader* reader) {
  ASSIGN_OR_RETURN(const std::string_view text, reader->Text(max_message_bytes));
  Scan(text, max_pieces, pieces);
  Template made(text, *pieces);
  ASSIGN_OR_RETURN(made.count, reader->Number());
  ASSIGN_OR_RETURN(made.first, reader->Number());
  ASSIGN_OR_RETURN(made.last, reader->Number());
  ASSIGN_OR_RETURN(const std::uint64_t wild, reader->Number());
  for (std::uint64_t k = 0; k < wild; ++k) {
    ASSIGN_OR_RETURN(const std::uint64_t i, reader->Number());
    if (i >= made.slots.size() || !made.slots[i].MayBeWild() || made.slots[i].wild)
      return reader->Broken();
    made.MakeWild(i);
  }
  ASSIGN_OR_RETURN(const std::uint64_t watched, reader->Number());
  if (watched != made.watched.size()) return reader->Broken();
  for (const std::uint16_t i : made.watched) {
    Slot& slot = made.slots[i];
    ASSIGN_OR_RETURN(const std::uint64_t flags, reader->Number());
    ASSIGN_OR_RETURN(const std::uint64_t prefix, reader->Number());
    ASSIGN_OR_RETURN(const std::uint64_t suffix, reader->Number());
    slot.varied = slot.MayVary() && (flags & 1U) != 0;
    slot.gap = slot.kind == PieceKind::kBlank && (flags & 2U) != 0;
    slot.plain = (flags & 4U) != 0;
    slot.row_varied = (flags & 8U) != 0;
    const std::size_t size = slot.end - slot.begin;
    slot.prefix = static_cast<std::uint16_t>(std::min<std::uint64_t>({prefix, size, 0xFFFF}));
    slot.suffix = static_cast<std::uint16_t>(std::min<std::uint64_t>({suffix, size, 0xFFFF}));
  }
  return made;
}

}  // namespace

std::string WriteSnapshot(const TemplateTable& table, std::uint64_t messages) {
  std::string out(kMagic);
  PutNumber(messages, &out);
  const auto all = table.OldestFirst();
  PutNumber(all.size(), &out);
  for (const auto place : all) PutTemplate(table.At(place), &out);
  const auto aliases = table.Aliases();
  PutNumber(aliases.size(), &out);
  for (const auto& [from, to] : aliases) {
    PutSignature(from, &out);
    PutSignature(to, &out);
  }
  return out;
}

base::Result<> ReadSnapshot(std::string_view bytes, std::size_t max_pieces,
                            std::size_t max_message_bytes, TemplateTable* table,
                            std::uint64_t* messages) {
  if (!bytes.starts_with(kMagic))
    return base::Fail(base::ErrorKind::kInvalidArgument,
                      "snapshot of log templates: these bytes are none of this version; without "
                      "it, templates are found anew");
  SnapshotReader reader(bytes.substr(kMagic.size()));
  ASSIGN_OR_RETURN(*messages, reader.Number());
  ASSIGN_OR_RETURN(const std::uint64_t templates, reader.Number());
  std::vector<Piece> pieces;
  for (std::uint64_t k = 0; k < templates; ++k) {
    ASSIGN_OR_RETURN(Template made, ReadTemplate(max_pieces, max_message_bytes, &pieces, &reader));
    table->Insert(std::move(made));
  }
  ASSIGN_OR_RETURN(const std::uint64_t aliases, reader.Number());
  for (std::uint64_t k = 0; k < aliases; ++k) {
    ASSIGN_OR_RETURN(const std::uint64_t from, reader.Signature());
    ASSIGN_OR_RETURN(const std::uint64_t to, reader.Signature());
    table->Alias(from, to);
  }
  if (!reader.AtEnd()) return reader.Broken();
  return {};
}

}  // namespace enclave::telemetry::templates
