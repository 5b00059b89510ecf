// What an observatory knows of a trace, out of one evidence document (docs/formats/evidence.md).
//
// Threading: a value; blocks.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "base/result.h"
#include "cli/story.h"
#include "net/event_loop.h"

namespace enclave::cli {

// Adds the trace's spans and log lines. What the document left out for its size is named in
// story.missing. kInvalidArgument for what is no evidence document.
base::Result<> AddEvidence(const nlohmann::json& document, Story& story);

// Asks the observatory at `url`. A trace of which it knows nothing adds nothing.
base::Result<> ReadEvidence(const std::string& url, net::EventLoop& loop, Story& story);

}  // namespace enclave::cli
