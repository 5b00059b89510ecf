#include "incident/span_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <optional>
#include <tuple>

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

bool SaysServerError(const Attributes& attributes) {
  const std::string code = TextOf(attributes, {"http.response.status_code", "http.status_code"});
  return code.size() == 3 && code[0] == '5';
}

std::optional<FailureNote> FailureOf(const telemetry::Span& span) {
  const telemetry::SpanEvent* exception = nullptr;
  for (const telemetry::SpanEvent& event : span.events)
    if (event.name == "exception") exception = &event;
  if (span.status != telemetry::SpanStatus::kError &&
      (exception == nullptr || span.status == telemetry::SpanStatus::kOk) &&
      !SaysServerError(span.attributes))
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
std::string NamedPeer(const Attributes& attributes) {
  if (std::string peer = TextOf(attributes, {"peer.service"}); !peer.empty()) return peer;
  std::string address = TextOf(attributes, {"server.address", "net.peer.name", "http.host"});
  if (const std::size_t dot = address.find('.'); dot != std::string::npos) {
    const bool is_ip = address.find_first_not_of("0123456789.:") == std::string::npos;
    if (is_ip) return "";
    address.resize(dot);
  }
  if (const std::size_t colon = address.find(':'); colon != std::string::npos)
    address.resize(colon);
  return address;
}

std::uint64_t Spread(std::uint64_t id) {
  return id * 0x9e3779b97f4a7c15ULL;
}

}  // namespace

std::uint32_t SpanTable::OperationOf(std::uint32_t service, std::string_view name) {
  const std::uint32_t number = names_.Intern(name);
  const auto [at, is_new] =
      operation_numbers_.try_emplace(static_cast<std::uint64_t>(service) << 32 | number,
                                     static_cast<std::uint32_t>(operations_.size()));
  if (is_new) operations_.push_back({service, number});
  return at->second;
}

void SpanTable::Add(const telemetry::Span& span, std::uint32_t bin) {
  const AttributeValue* name = telemetry::Find(span.resource, "service.name");
  const std::string* text = name == nullptr ? nullptr : std::get_if<std::string>(name);
  const std::uint32_t service = services_.Intern(text == nullptr ? "unknown_service" : *text);
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
  if (std::optional<FailureNote> note = FailureOf(span)) {
    row.failed = true;
    row.failure = static_cast<std::uint32_t>(failures_.size());
    failures_.push_back(*std::move(note));
  }
  if (row.is_call)
    if (std::string peer = NamedPeer(span.attributes); !peer.empty())
      named_peers_.emplace_back(static_cast<std::uint32_t>(rows_.size()), std::move(peer));
  rows_.push_back(row);
}

void SpanTable::Link() {
  DropRepeated();
  LinkParents();
  ListChildren();
  FindPeers();
  NumberContexts();
  MeasureSelf();
}

std::uint32_t SpanTable::FindRow(const trace::TraceId& trace_id, std::uint64_t id) const {
  if (slots_.empty() || id == 0) return kNone;
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t slot = Spread(id) >> 20 & mask;; slot = (slot + 1) & mask) {
    const std::uint32_t row = slots_[slot];
    if (row == kNone) return kNone;
    if (rows_[row].id == id && rows_[row].trace_id == trace_id) return row;
  }
}

std::uint32_t SpanTable::Find(trace::TraceId trace_id, trace::SpanId id) const {
  return FindRow(trace_id, id.value());
}

void SpanTable::DropRepeated() {
  slots_.assign(std::bit_ceil(rows_.size() * 2 + 1), kNone);
  const std::size_t mask = slots_.size() - 1;
  std::uint32_t kept = 0;
  std::size_t named = 0;
  for (std::uint32_t number = 0; number < rows_.size(); ++number) {
    const bool is_named = named < named_peers_.size() && named_peers_[named].first == number;
    std::size_t slot = Spread(rows_[number].id) >> 20 & mask;
    bool repeated = false;
    for (; slots_[slot] != kNone && !repeated; slot = (slot + 1) & mask)
      repeated = rows_[slots_[slot]].id == rows_[number].id &&
                 rows_[slots_[slot]].trace_id == rows_[number].trace_id;
    if (repeated) {
      if (is_named) named_peers_[named++].first = kNone;
      continue;
    }
    slots_[slot] = kept;
    if (is_named) named_peers_[named++].first = kept;
    if (kept != number) rows_[kept] = rows_[number];
    ++kept;
  }
  rows_.resize(kept, rows_.empty() ? Row{.trace_id = *trace::TraceId::Parse("1")} : rows_[0]);
  std::erase_if(named_peers_, [](const auto& peer) { return peer.first == kNone; });
}

void SpanTable::LinkParents() {
  for (std::uint32_t number = 0; number < rows_.size(); ++number) {
    Row& row = rows_[number];
    const std::uint32_t parent = FindRow(row.trace_id, row.parent_id);
    if (parent == kNone || parent == number) continue;
    row.parent = parent;
    if (row.start_ns >= rows_[parent].end_ns && rows_[parent].end_ns > rows_[parent].start_ns)
      row.detached = true;
    rows_[parent].children++;
  }
}

// A node of the calling context tree is its parent's node and an operation.
void SpanTable::NumberContexts() {
  constexpr std::size_t kDeepest = 100;
  constexpr std::uint32_t kRoot = kNone - 1;
  std::unordered_map<std::uint64_t, std::uint32_t> numbers;
  std::vector<bool> done(rows_.size(), false);
  std::vector<std::uint32_t> chain;
  for (std::uint32_t number = 0; number < rows_.size(); ++number) {
    chain.clear();
    std::uint32_t at = number;
    // Spans from outside may name each other as parents in a circle: the walk is bounded.
    while (at != kNone && !done[at] && chain.size() < kDeepest) {
      chain.push_back(at);
      at = rows_[at].parent;
    }
    std::uint32_t above = at != kNone && done[at] ? rows_[at].context : kRoot;
    for (; !chain.empty(); chain.pop_back()) {
      Row& row = rows_[chain.back()];
      const auto [node, is_new] =
          numbers.try_emplace(static_cast<std::uint64_t>(above) << 32 | row.operation, contexts_);
      if (is_new) ++contexts_;
      above = row.context = node->second;
      done[chain.back()] = true;
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
  for (const Row& row : rows_) {
    const auto first = children_.begin() + row.first_child;
    std::sort(first, first + row.children, [&](std::uint32_t a, std::uint32_t b) {
      return std::tuple(rows_[a].start_ns, rows_[a].id) <
             std::tuple(rows_[b].start_ns, rows_[b].id);
    });
  }
}

void SpanTable::FindPeers() {
  for (Row& row : rows_)
    for (const std::uint32_t child : ChildrenOf(row))
      if (rows_[child].service != row.service && !rows_[child].detached) {
        row.peer = rows_[child].service;
        row.is_call = row.children == 1;
        break;
      }
  // Calls that nobody answered say whom they meant.
  for (const auto& [number, name] : named_peers_) {
    Row& row = rows_[number];
    if (row.peer == kNone) row.peer = services_.Intern(name);
  }
}

void SpanTable::MeasureSelf() {
  self_ms_.resize(rows_.size());
  for (std::uint32_t number = 0; number < rows_.size(); ++number) {
    const Row& row = rows_[number];
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
    self_ms_[number] = static_cast<double>(row.end_ns - row.start_ns - covered) / 1e6;
  }
}

}  // namespace enclave::incident
