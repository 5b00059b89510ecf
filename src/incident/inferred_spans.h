// Spans where none came: lines that name their span tell when it ran and whom it called.
#pragma once

#include "incident/intern.h"
#include "incident/log_lines.h"
#include "incident/span_table.h"

namespace enclave::incident {

// Fills an empty table, which is linked afterwards. A span lasts at least from its first line to
// its last, and is known by what it writes first. Of the spans of a request that lie within each
// other the inner one was called by the outer one, between the outer one's lines around it: where
// they are of two services, that stretch stands for the caller's span. Linear but for the sorting
// of each request's spans. Rows are named as the lines name them.
void InferSpans(const LogLines& lines, SpanTable& table);

}  // namespace enclave::incident
