#include "incident/span_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <optional>
#include <string_view>
#include <tuple>
#include <variant>

#include "incident/parallel.h"

namespace enclave::incident {
namespace {

using telemetry::Attributes;
using telemetry::AttributeValue;

// The first of several names that is there, as text; semantic conventions have renamed some.
std::string TextOf(const Attributes& attributes, std::initializer_list<const char*> keys) {
  for (const char* key : keys)
    if (const AttributeValue* value = telemetry::Find(attributes, key)) return ToText(*value);
  return "";
}

std::string LocationIn(const Attributes& attributes) {
  const std::string file = TextOf(attributes, {"code.filepath", "code.file.path"});
  if (file.empty()) return "";
  const std::string line = TextOf(attributes, {"code.lineno", "code.line.number"});
  const std::string function = TextOf(attributes, {"code.function", "code.function.name"});
  std::string location = line.empty() ? file : fmt::format("{}:{}", file, line);
  if (!function.empty()) location += fmt::format(" ({})", function);
  return location;
}

// What of a span's attributes is asked of every span, found in one walk over them.
struct KnownAttributes {
  const AttributeValue* status_code = nullptr;
  const AttributeValue* old_status_code = nullptr;
  const AttributeValue* peer_service = nullptr;
  const AttributeValue* server_address = nullptr;
  const AttributeValue* net_peer_name = nullptr;
  const AttributeValue* http_host = nullptr;
  const AttributeValue* file = nullptr;

  explicit KnownAttributes(const Attributes& attributes) {
    for (const telemetry::Attribute& attribute : attributes) {
      const std::string_view key = attribute.key;
      const AttributeValue** known = key == "http.response.status_code" ? &status_code
                                     : key == "http.status_code"        ? &old_status_code
                                     : key == "peer.service"            ? &peer_service
                                     : key == "server.address"          ? &server_address
                                     : key == "net.peer.name"           ? &net_peer_name
                                     : key == "http.host"               ? &http_host
                                     : key == "code.filepath"           ? &file
                                     : key == "code.file.path"          ? &file
                                                                        : nullptr;
      if (known != nullptr && *known == nullptr) *known = &attribute.value;
    }
  }
};

bool SaysServerError(const KnownAttributes& known) {
  const AttributeValue* value =
      known.status_code != nullptr ? known.status_code : known.old_status_code;
  if (value == nullptr) return false;
  if (const auto* number = std::get_if<std::int64_t>(value)) return *number / 100 == 5;
  const std::string code = ToText(*value);
  return code.size() == 3 && code[0] == '5';
}

std::optional<FailureNote> FailureOf(const telemetry::Span& span, const KnownAttributes& known) {
  const telemetry::SpanEvent* exception = nullptr;
  for (const telemetry::SpanEvent& event : span.events)
    if (event.name == "exception") exception = &event;
  if (span.status != telemetry::SpanStatus::kError &&
      (exception == nullptr || span.status == telemetry::SpanStatus::kOk) &&
      !SaysServerError(known))
    return std::nullopt;
  FailureNote note{.message = span.status_message, .location = LocationIn(span.attributes)};
  if (exception != nullptr) {
    note.exception = TextOf(exception->attributes, {"exception.type"});
    if (const std::string text = TextOf(exception->attributes, {"exception.message"});
        !text.empty())
      note.message = text;
    if (const std::string where = LocationIn(exception->attributes); !where.empty())
      note.location = where;
  }
  return note;
}

// The service that a client's span says it calls, as "cart" of cart.shop.svc:7070.
std::string NamedPeer(const KnownAttributes& known) {
  if (known.peer_service != nullptr)
    if (std::string peer = ToText(*known.peer_service); !peer.empty()) return peer;
  const AttributeValue* value = known.server_address != nullptr  ? known.server_address
                                : known.net_peer_name != nullptr ? known.net_peer_name
                                                                 : known.http_host;
  if (value == nullptr) return "";
  std::string address = ToText(*value);
  if (const std::size_t dot = address.find('.'); dot != std::string::npos) {
    const bool is_ip = address.find_first_not_of("0123456789.:") == std::string::npos;
    if (is_ip) return "";
    address.resize(dot);
  }
  if (const std::size_t colon = address.find(':'); colon != std::string::npos)
    address.resize(colon);
  return address;
}

std::string_view ServiceNameIn(const Attributes& resource) {
  for (const telemetry::Attribute& attribute : resource)
    if (std::string_view(attribute.key) == "service.name") {
      const auto* text = std::get_if<std::string>(&attribute.value);
      if (text != nullptr) return *text;
      break;
    }
  return "unknown_service";
}

std::uint64_t Spread(std::uint64_t id) {
  return id * 0x9e3779b97f4a7c15ULL;
}

std::uint32_t TagOf(std::uint64_t spread) {
  return static_cast<std::uint32_t>(spread);
}

// How many rows ahead memory is asked for.
constexpr std::uint32_t kAhead = 8;
// Rows that one thread takes at a time.
constexpr std::uint32_t kRunOfRows = 4096;

}  // namespace

std::uint32_t SpanTable::OperationOf(std::uint32_t service, std::string_view name) {
  const std::uint32_t number = names_.Intern(name);
  const auto [operation, is_new] = operation_numbers_.Take(service, number);
  if (is_new) operations_.push_back({service, number});
  return operation;
}

void SpanTable::Add(const telemetry::Span& span, std::uint32_t bin) {
  const std::uint32_t service = services_.Intern(ServiceNameIn(span.resource));
  Row row{.trace_id = span.trace_id,
          .id = span.span_id.value(),
          .parent_id = span.parent_id ? span.parent_id->value() : 0,
          .start_ns = span.start_ns,
          .end_ns = std::max(span.end_ns, span.start_ns),
          .operation = OperationOf(service, span.name),
          .service = service,
          .bin = bin};
  row.is_call = span.kind == telemetry::SpanKind::kClient;
  row.detached = span.kind == telemetry::SpanKind::kConsumer;
  const KnownAttributes known(span.attributes);
  if (std::optional<FailureNote> note = FailureOf(span, known)) {
    row.failed = true;
    row.failure = static_cast<std::uint32_t>(failures_.size());
    failures_.push_back(*std::move(note));
  }
  if (known.file != nullptr)
    if (const std::string place = LocationIn(span.attributes); !place.empty())
      row.place = names_.Intern(place);
  if (row.is_call)
    if (const std::string peer = NamedPeer(known); !peer.empty())
      named_peers_.emplace_back(static_cast<std::uint32_t>(rows_.size()), names_.Intern(peer));
  rows_.push_back(row);
}

void SpanTable::Add(const Inferred& span) {
  const std::uint32_t service = services_.Intern(span.service);
  Row row{.trace_id = span.trace_id,
          .id = span.id,
          .parent_id = span.parent_id,
          .start_ns = span.start_ns,
          .end_ns = std::max(span.end_ns, span.start_ns),
          .operation = OperationOf(service, span.operation),
          .service = service,
          .bin = span.bin};
  row.is_call = span.is_call;
  inferred_ = true;
  rows_.push_back(row);
}

void SpanTable::Link(telemetry::Workers* workers) {
  DropRepeated();
  LinkParents();
  ListChildren();
  // Each row is looked at on its own, and contexts are no part of that.
  const auto rows = static_cast<std::uint32_t>(rows_.size());
  ForEach(workers, 1 + (rows + kRunOfRows - 1) / kRunOfRows, [&](std::size_t item) {
    if (item == 0) return NumberContexts();
    const auto from = static_cast<std::uint32_t>(item - 1) * kRunOfRows;
    LookAtChildren(from, std::min(rows, from + kRunOfRows));
  });
  NameUnanswered();
}

std::uint32_t SpanTable::Find(const trace::TraceId& trace_id, std::uint64_t id) const {
  if (slots_.empty() || id == 0) return kNone;
  const std::size_t mask = slots_.size() - 1;
  const std::uint64_t spread = Spread(id);
  for (std::size_t slot = spread >> 20 & mask;; slot = (slot + 1) & mask) {
    const Slot& found = slots_[slot];
    if (found.row == kNone) return kNone;
    if (found.tag == TagOf(spread) && rows_[found.row].id == id &&
        rows_[found.row].trace_id == trace_id)
      return found.row;
  }
}

void SpanTable::WillList(std::uint64_t id) const {
  if (!slots_.empty()) __builtin_prefetch(&slots_[Spread(id) >> 20 & (slots_.size() - 1)]);
}

void SpanTable::WillFind(std::uint64_t id) const {
  if (slots_.empty()) return;
  const Slot& slot = slots_[Spread(id) >> 20 & (slots_.size() - 1)];
  if (slot.row != kNone) __builtin_prefetch(&rows_[slot.row]);
}

void SpanTable::DropRepeated() {
  slots_.assign(std::bit_ceil(rows_.size() + rows_.size() / 2 + 1), Slot{});
  const std::size_t mask = slots_.size() - 1;
  std::uint32_t kept = 0;
  std::size_t named = 0;
  for (std::uint32_t number = 0; number < rows_.size(); ++number) {
    if (number + kAhead < rows_.size()) WillList(rows_[number + kAhead].id);
    const bool is_named = named < named_peers_.size() && named_peers_[named].first == number;
    const std::uint64_t spread = Spread(rows_[number].id);
    std::size_t slot = spread >> 20 & mask;
    bool repeated = false;
    for (; slots_[slot].row != kNone && !repeated; slot = (slot + 1) & mask)
      repeated = slots_[slot].tag == TagOf(spread) &&
                 rows_[slots_[slot].row].id == rows_[number].id &&
                 rows_[slots_[slot].row].trace_id == rows_[number].trace_id;
    if (repeated) {
      if (is_named) named_peers_[named++].first = kNone;
      continue;
    }
    slots_[slot] = {TagOf(spread), kept};
    if (is_named) named_peers_[named++].first = kept;
    if (kept != number) rows_[kept] = rows_[number];
    ++kept;
  }
  rows_.resize(kept, rows_.empty() ? Row{.trace_id = *trace::TraceId::Parse("1")} : rows_[0]);
  std::erase_if(named_peers_, [](const auto& peer) { return peer.first == kNone; });
}

void SpanTable::LinkParents() {
  for (std::uint32_t number = 0; number < rows_.size(); ++number) {
    if (number + 2 * kAhead < rows_.size()) WillList(rows_[number + 2 * kAhead].parent_id);
    if (number + kAhead < rows_.size()) WillFind(rows_[number + kAhead].parent_id);
    Row& row = rows_[number];
    const std::uint32_t parent = Find(row.trace_id, row.parent_id);
    if (parent == kNone || parent == number) continue;
    row.parent = parent;
    row.is_entry = rows_[parent].service != row.service;
    if (row.start_ns >= rows_[parent].end_ns && rows_[parent].end_ns > rows_[parent].start_ns)
      row.detached = true;
    rows_[parent].children++;
  }
}

// A node of the calling context tree is its parent's node and an operation.
void SpanTable::NumberContexts() {
  constexpr std::size_t kDeepest = 100;
  constexpr std::uint32_t kRoot = kNone - 1;
  PairIndex numbers;
  above_.clear();
  std::vector<std::uint32_t> chain;
  for (std::uint32_t number = 0; number < rows_.size(); ++number) {
    chain.clear();
    std::uint32_t at = number;
    // Spans from outside may name each other as parents in a circle: the walk is bounded.
    while (at != kNone && rows_[at].context == kNone && chain.size() < kDeepest) {
      chain.push_back(at);
      at = rows_[at].parent;
    }
    std::uint32_t above = at != kNone && rows_[at].context != kNone ? rows_[at].context : kRoot;
    for (; !chain.empty(); chain.pop_back()) {
      Row& row = rows_[chain.back()];
      const auto [context, is_new] = numbers.Take(above, row.operation);
      if (is_new) above_.push_back(above == kRoot ? kNone : above);
      above = row.context = context;
    }
  }
}

void SpanTable::ListChildren() {
  std::uint32_t next = 0;
  for (Row& row : rows_) {
    row.first_child = next;
    next += row.children;
    row.children = 0;
  }
  children_.resize(next);
  for (std::uint32_t number = 0; number < rows_.size(); ++number) {
    const std::uint32_t parent = rows_[number].parent;
    if (parent == kNone) continue;
    Row& row = rows_[parent];
    children_[row.first_child + row.children++] = number;
  }
  self_ms_.resize(rows_.size());
}

void SpanTable::LookAtChildren(std::uint32_t from, std::uint32_t to) {
  const auto is_before = [&](std::uint32_t a, std::uint32_t b) {
    return std::tuple(rows_[a].start_ns, rows_[a].id) < std::tuple(rows_[b].start_ns, rows_[b].id);
  };
  for (std::uint32_t number = from; number < to; ++number) {
    Row& row = rows_[number];
    const auto first = children_.begin() + row.first_child;
    if (!std::is_sorted(first, first + row.children, is_before))
      std::sort(first, first + row.children, is_before);
    FindPeer(row);
    self_ms_[number] = MeasureSelf(row);
  }
}

void SpanTable::FindPeer(Row& row) {
  for (const std::uint32_t child : ChildrenOf(row))
    if (rows_[child].service != row.service && !rows_[child].detached) {
      row.peer = rows_[child].service;
      row.is_call = row.children == 1;
      break;
    }
}

// Calls that nobody answered say whom they meant.
void SpanTable::NameUnanswered() {
  for (const auto& [number, name] : named_peers_) {
    Row& row = rows_[number];
    if (row.peer == kNone) row.peer = services_.Intern(names_.Name(name));
  }
}

double SpanTable::MeasureSelf(const Row& row) const {
  std::int64_t covered = 0;
  std::int64_t until = row.start_ns;
  for (const std::uint32_t child : ChildrenOf(row)) {
    const std::int64_t from = std::max(until, rows_[child].start_ns);
    const std::int64_t to = std::min(row.end_ns, rows_[child].end_ns);
    if (to > from) {
      covered += to - from;
      until = to;
    }
  }
  return static_cast<double>(row.end_ns - row.start_ns - covered) / 1e6;
}

}  // namespace enclave::incident
