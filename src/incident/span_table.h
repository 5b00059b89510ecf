// The spans of a context as a table: linked to their parents, with what each took for itself. A
// span that came twice counts once.
//
// Filled by Add, then Link once; read afterwards. One thread until it is linked, then
// any. Some 120 bytes a span.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "incident/intern.h"
#include "incident/pair_index.h"
#include "incident/rate_change.h"
#include "telemetry/span.h"
#include "telemetry/workers.h"

namespace enclave::incident {

struct Operation {
  std::uint32_t service;
  std::uint32_t name;
};

// What a failed span says of its failure.
struct FailureNote {
  std::string exception{};
  std::string message{};
  std::string location{};  // file:line (function)
};

class SpanTable {
 public:
  static constexpr std::uint32_t kNone = UINT32_MAX;
  // Most windows hold fewer, and what is not written to takes no memory.
  static constexpr std::size_t kRowsAtFirst = std::size_t{1} << 16;

  struct Row {
    trace::TraceId trace_id;
    std::uint64_t id = 0;
    std::uint64_t parent_id = 0;
    std::int64_t start_ns = 0;
    std::int64_t end_ns = 0;
    std::uint32_t operation = 0;
    std::uint32_t service = 0;
    std::uint32_t context = kNone;  // the operation and those above it, up to the root
    std::uint32_t bin = 0;
    std::uint32_t peer = kNone;    // the service it called: its child's, or the one it names
    std::uint32_t parent = kNone;  // row
    std::uint32_t first_child = 0;
    std::uint32_t children = 0;
    std::uint32_t failure = kNone;  // index of its note
    std::uint32_t place = kNone;    // name: the line of code it says it stands for
    bool is_call = false;           // a client's span
    bool detached = false;          // a consumer's, or begun after its parent ended
    bool failed = false;
    bool is_entry = true;  // a request to the service: its parent is another's, or not here
    double DurationMs() const { return static_cast<double>(end_ns - start_ns) / 1e6; }
  };

  // Both outlive the table; services the logs and metrics name are numbered there too.
  SpanTable(Interner& services, Interner& names) : services_(services), names_(names) {
    rows_.reserve(kRowsAtFirst);
  }

  void Add(const telemetry::Span& span, std::uint32_t bin);
  // A span that nobody sent, known by its traces elsewhere.
  struct Inferred {
    trace::TraceId trace_id;
    std::uint64_t id = 0;
    std::uint64_t parent_id = 0;
    std::string_view service{};
    std::string_view operation{};
    std::int64_t start_ns = 0;
    std::int64_t end_ns = 0;
    std::uint32_t bin = 0;
    bool is_call = false;
  };
  void Add(const Inferred& span);
  // Threads of `workers` help where there are any.
  void Link(telemetry::Workers* workers = nullptr);

  const std::vector<Row>& rows() const { return rows_; }
  const std::vector<Operation>& operations() const { return operations_; }
  const std::string& OperationName(std::uint32_t operation) const {
    return names_.Name(operations_[operation].name);
  }
  const std::vector<FailureNote>& failures() const { return failures_; }
  // How many contexts there are: what one operation does differs with who asks for it.
  std::uint32_t contexts() const { return static_cast<std::uint32_t>(above_.size()); }
  // The context that a context was entered from; kNone for a root's.
  std::uint32_t Above(std::uint32_t context) const { return above_[context]; }
  // Whether nobody sent spans, and these are what lines tell of them: a service that writes nothing
  // does not show, called or not.
  bool inferred() const { return inferred_; }
  // Rows of the children, by start.
  std::span<const std::uint32_t> ChildrenOf(const Row& row) const {
    return std::span(children_).subspan(row.first_child, row.children);
  }
  // The duration less the time that children cover.
  double SelfMs(std::uint32_t row) const { return self_ms_[row]; }
  // The row of a span; kNone when it is not here.
  std::uint32_t Find(trace::TraceId trace_id, trace::SpanId id) const {
    return Find(trace_id, id.value());
  }
  std::uint32_t Find(const trace::TraceId& trace_id, std::uint64_t id) const;
  // Finding many costs less when each is told of some time before it is asked for: first where it
  // may be listed, then where its row may be.
  void WillList(std::uint64_t id) const;
  void WillFind(std::uint64_t id) const;

 private:
  std::uint32_t OperationOf(std::uint32_t service, std::string_view name);
  void DropRepeated();
  void LinkParents();
  void NumberContexts();
  void ListChildren();
  void LookAtChildren(std::uint32_t from, std::uint32_t to);
  void FindPeer(Row& row);
  void NameUnanswered();
  double MeasureSelf(const Row& row) const;

  Interner& services_;
  Interner& names_;
  std::vector<Row> rows_;
  std::vector<Operation> operations_;
  PairIndex operation_numbers_;  // service, name
  std::vector<FailureNote> failures_;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> named_peers_;  // row, the name it gives
  std::vector<std::uint32_t> above_;                                  // by context
  bool inferred_ = false;
  struct Slot {
    std::uint32_t tag = 0;  // of the span id: other spans' rows need not be looked at
    std::uint32_t row = kNone;
  };
  std::vector<Slot> slots_;  // open addressing over span ids
  std::vector<std::uint32_t> children_;
  std::vector<double> self_ms_;
};

}  // namespace enclave::incident
