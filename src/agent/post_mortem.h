// The story of an incident that is over, in Markdown, made from its events alone.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/ledger.h"
#include "agent/ports.h"
#include "agent/record.h"

namespace enclave::agent {

// `impact` is unset when it could not be read.
std::string PostMortem(const Record& record, const std::vector<Event>& events,
                       const std::optional<Impact>& impact);

// One line of the timeline; empty for events that say nothing to people.
std::string Describe(const Event& event);

}  // namespace enclave::agent
