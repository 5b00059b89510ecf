#include "telemetry/templates/miner.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "telemetry/templates/head_parts.h"
#include "telemetry/templates/snapshot.h"
#include "telemetry/templates/template_table.h"
#include "telemetry/templates/value_forms.h"

namespace enclave::telemetry::templates {
namespace {

// The signature may be any number, so may the id.
TemplateId IdOf(const Template& known) {
  return TemplateId(known.signature);
}

// `12 ms`, `12ms`: what the number counts stands behind it, in the template.
void GiveUnit(std::string_view message, std::size_t end, Variable* variable) {
  if (variable->type != VariableType::kNumber || !variable->value) return;
  if (end < message.size() && message[end] == ' ') ++end;
  std::size_t unit = end;
  while (unit < message.size() && IsLetter(message[unit])) ++unit;
  const std::string_view name = message.substr(end, unit - end);
  // One letter behind a blank may be anything.
  if (name.size() < 2 && end > 0 && message[end - 1] == ' ') return;
  const double seconds = SecondsOfUnit(name);
  if (seconds == 0) return;
  variable->type = VariableType::kDuration;
  variable->value = *variable->value * seconds;
}

class VariableReader {
 public:
  VariableReader(std::string_view message, std::vector<Variable>* variables)
      : message_(message), variables_(*variables) {}

  void Read(const Piece& piece, const Slot* slot, const Template* known) {
    if (piece.kind == PieceKind::kVariable || (slot != nullptr && slot->IsValue())) {
      const std::string_view joint = slot != nullptr ? known->Joint(*slot) : std::string_view();
      if (piece.repeat > 1 && !joint.empty()) return ReadRow(piece, joint);
      return Put(piece.repeat > 1 ? VariableType::kList : piece.type, piece.begin, piece.end);
    }
    if (slot == nullptr) return;
    if (slot->kind == PieceKind::kBlank && slot->gap) {
      const std::string_view text = Trim(message_.substr(piece.begin, piece.end - piece.begin));
      variables_.push_back({VariableType::kSize, text, std::nullopt});
    } else if (slot->MayVary()) {
      const std::string_view template_text = known->Part(*slot);
      const Span value = slot->ValueIn(template_text);
      const std::size_t behind = template_text.size() - value.end;
      if (value.end == 0) return;
      const std::size_t begin = std::min<std::size_t>(piece.begin + value.begin, piece.end);
      const std::size_t most = piece.end - begin;
      Put(piece.type, begin, piece.end - std::min(behind, most));
    }
  }

 private:
  void Put(VariableType type, std::size_t begin, std::size_t end) {
    Variable variable{type, message_.substr(begin, end - begin), std::nullopt};
    if (type == VariableType::kText && !variable.text.empty() &&
        NumberEnd(variable.text, 0) == variable.text.size())
      variable.type = VariableType::kNumber;
    variable.value = ValueOf(variable.type, variable.text);
    GiveUnit(message_, end, &variable);
    variables_.push_back(variable);
  }

  void ReadRow(const Piece& piece, std::string_view joint) {
    std::size_t begin = piece.begin;
    while (begin < piece.end) {
      const std::size_t at = message_.substr(0, piece.end).find(joint, begin);
      const std::size_t end = at == std::string_view::npos ? piece.end : at;
      Put(NumberEnd(message_.substr(0, end), begin) == end ? VariableType::kNumber : piece.type,
          begin, end);
      begin = end + joint.size();
    }
  }

  std::string_view message_;
  std::vector<Variable>& variables_;
};

}  // namespace

std::string ToString(TemplateId id) {
  return fmt::format("{:016x}", static_cast<std::uint64_t>(id));
}

Miner::Miner(Options options)
    : options_(options),
      table_(std::make_unique<TemplateTable>(options.max_templates, options.max_bytes)) {}
Miner::~Miner() = default;
Miner::Miner(Miner&&) noexcept = default;
Miner& Miner::operator=(Miner&&) noexcept = default;

std::string_view Miner::Cut(std::string_view message) const {
  return Trim(message.substr(0, options_.max_message_bytes));
}

TemplateId Miner::Add(std::string_view message) {
  message = Cut(message);
  Scan(message, options_.max_pieces, &pieces_);
  return IdOf(table_->At(table_->Add(message, pieces_, ++messages_)));
}

std::optional<TemplateId> Miner::Resolve(TemplateId id) const {
  const auto place = table_->Resolve(static_cast<std::uint64_t>(id));
  if (place == TemplateTable::kNone) return std::nullopt;
  return IdOf(table_->At(place));
}

std::optional<TemplateId> Miner::Match(std::string_view message) {
  Scan(Cut(message), options_.max_pieces, &pieces_);
  const auto place = table_->Find(pieces_);
  if (place == TemplateTable::kNone) return std::nullopt;
  return IdOf(table_->At(place));
}

std::string Miner::Text(TemplateId id) const {
  const auto place = table_->Resolve(static_cast<std::uint64_t>(id));
  return place == TemplateTable::kNone ? std::string() : table_->At(place).Render();
}

TemplateInfo Miner::InfoOf(std::uint32_t place) const {
  const Template& known = table_->At(place);
  return {.id = IdOf(known),
          .count = known.count,
          .first = known.first,
          .last = known.last,
          .text = known.Render()};
}

std::optional<TemplateInfo> Miner::Find(TemplateId id) const {
  const auto place = table_->Resolve(static_cast<std::uint64_t>(id));
  if (place == TemplateTable::kNone) return std::nullopt;
  return InfoOf(place);
}

std::vector<TemplateInfo> Miner::Templates() const {
  std::vector<TemplateInfo> all;
  all.reserve(table_->size());
  for (const auto place : table_->OldestFirst()) all.push_back(InfoOf(place));
  std::sort(all.begin(), all.end(), [](const TemplateInfo& a, const TemplateInfo& b) {
    return a.count != b.count ? a.count > b.count : a.first < b.first;
  });
  return all;
}

std::vector<Variable> Miner::Variables(std::string_view message) {
  message = Cut(message);
  Scan(message, options_.max_pieces, &pieces_);
  const auto place = table_->Find(pieces_);
  const Template* known = place == TemplateTable::kNone ? nullptr : &table_->At(place);
  if (known != nullptr && known->slots.size() != pieces_.size()) known = nullptr;
  std::vector<Variable> variables;
  VariableReader reader(message, &variables);
  for (std::size_t i = 0; i < pieces_.size(); ++i)
    reader.Read(pieces_[i], known == nullptr ? nullptr : &known->slots[i], known);
  return variables;
}

std::size_t Miner::size() const {
  return table_->size();
}
std::size_t Miner::bytes() const {
  return table_->bytes();
}
std::uint64_t Miner::forgotten() const {
  return table_->forgotten();
}

std::string Miner::Snapshot() const {
  return WriteSnapshot(*table_, messages_);
}

base::Result<Miner> Miner::Restore(std::string_view snapshot, Options options) {
  Miner miner(options);
  RETURN_IF_ERROR(ReadSnapshot(snapshot, options.max_pieces, options.max_message_bytes,
                               miner.table_.get(), &miner.messages_));
  return miner;
}

}  // namespace enclave::telemetry::templates
