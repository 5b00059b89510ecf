// A live incident, frozen: what telemetry by URL and a cluster tell of the last minutes.
#pragma once

#include <string>

#include "base/executor.h"
#include "base/result.h"
#include "incident/context.h"

namespace enclave::cli {

struct LiveOptions {
  std::string state;  // of the enclave that is asked when nothing below is given
  // "": the enclave's own, or with another's URL given, none.
  std::string prometheus;
  std::string loki;
  std::string tempo;
  std::string kubeconfig;
  std::string token;    // sent as a bearer token to all three
  std::string tenant;   // X-Scope-OrgID, of Loki and Tempo with several
  std::string at;       // "2026-01-02T03:04:05Z"; "": now
  std::string last;     // "10m"
  std::string service;  // whose users suffer; may be ""
};

// Blocks. kNotFound when nothing is given and no enclave runs. A source that does not answer is
// named in the context's `missing`.
base::Result<incident::Context> FreezeLive(const LiveOptions& options, const base::Clock& clock);

}  // namespace enclave::cli
