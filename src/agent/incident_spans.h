// The steps of an incident as spans of the trace that it adopted, with links to the others that
// show it: context, diagnosis, plan, action, verification and undo, under one span "incident".
//
// A crash loses the spans under way; the next process begins a new "incident" in the same trace.
// Without a tracer nothing is recorded.
//
// Threading: one executor.
#pragma once

#include <string>
#include <string_view>

#include "agent/record.h"
#include "otel/tracer.h"

namespace enclave::agent {

class IncidentSpans {
 public:
  explicit IncidentSpans(otel::Tracer* tracer) : tracer_(tracer) {}

  // Ends the step under way, if any, and begins the next, which is under way for `ago`. The first
  // only when the record has its trace: all of them are in it.
  void Begin(const Record& record, std::string_view step, base::Duration ago = {});
  void Note(std::string_view key, telemetry::AttributeValue value);
  void End();
  void Fail(const std::string& why);  // and End
  // The incident is over.
  void Close(const Record& record);

 private:
  void BeginIncident(const Record& record, base::Duration ago);
  otel::Tracer* tracer_;
  otel::Span incident_;
  otel::Span step_;
};

}  // namespace enclave::agent
