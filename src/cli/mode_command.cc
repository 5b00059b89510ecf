// What people ask of a running agent, over its console API.
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>

#include "cli/agent_commands.h"
#include "cli/cluster_access.h"
#include "cli/state.h"
#include "kube/object.h"
#include "net/event_loop.h"
#include "net/http.h"
#include "net/http_client.h"

namespace enclave::cli {
namespace {

using base::ErrorKind;
using base::Fail;
using base::Result;
using kube::At;
using kube::Json;
using kube::StringAt;

std::string WhoAsks(const AskAgentOptions& options) {
  if (!options.by.empty()) return options.by;
  const char* user = std::getenv("USER");
  return user != nullptr && *user != '\0' ? user : "somebody";
}

Result<std::string> FindAgent(const AskAgentOptions& options) {
  if (!options.agent.empty()) return options.agent;
  ASSIGN_OR_RETURN(const StatePaths paths, ResolveState(options.state));
  const auto url = AgentUrl(paths);
  if (!url)
    return Fail(url.error().kind(), url.error().message() + "; --agent URL names one elsewhere");
  return url;
}

Result<Json> AskAgent(const AskAgentOptions& options, const std::string& method,
                      const std::string& path, const Json& body = {}) {
  net::EventLoop loop("ask-agent");
  ASSIGN_OR_RETURN(const std::string url, FindAgent(options));
  ASSIGN_OR_RETURN(const auto client, net::HttpClient::Create(loop, {.base_url = url, .tls = {}}));
  net::ClientRequest request{.method = method, .target = path, .headers = {}, .body = {}};
  if (!body.is_null()) {
    request.headers["Content-Type"] = "application/json";
    request.body = body.dump(-1, ' ', false, Json::error_handler_t::replace);
  }
  const auto answer = client->SendAndWait(std::move(request));
  if (!answer)
    return Fail(answer.error().kind(),
                fmt::format("asking the agent at {}: {}; is it running, and is this its --http "
                            "address?",
                            url, answer.error().message()));
  Json json = Json::parse(answer->body, nullptr, false);
  if (json.is_discarded())
    return Fail(
        ErrorKind::kUnavailable,
        fmt::format("{} answers, but not as an agent does; name its address with --agent", url));
  if (answer->status >= 400)
    return Fail(answer->status == 400 ? ErrorKind::kInvalidArgument : ErrorKind::kUnavailable,
                StringAt(json, "error"));
  return json;
}

int Decide(const AskAgentOptions& options, const char* what, const char* done) {
  const auto answer =
      AskAgent(options, "POST", fmt::format("/api/{}/{}", what, net::PercentEncode(options.id)),
               {{"by", WhoAsks(options)}, {"why", options.why}});
  if (!answer) return Complain(answer.error(), options.output);
  if (options.output == OutputFormat::kJson)
    PrintJson(*answer);
  else
    fmt::print("{} {}\n", options.id, done);
  return 0;
}

std::string CauseText(const Json& incident) {
  const Json& cause = At(incident, "cause");
  if (!cause.is_object()) return "";
  return fmt::format("{} in {}", StringAt(cause, "kind"), StringAt(cause, "service"));
}

}  // namespace

int ShowOrSetMode(const AskAgentOptions& options) {
  const auto answer =
      options.mode.empty()
          ? AskAgent(options, "GET", "/api/mode")
          : AskAgent(options, "PUT", "/api/mode",
                     {{"mode", options.mode}, {"by", WhoAsks(options)}, {"why", options.why}});
  if (!answer) return Complain(answer.error(), options.output);
  if (options.output == OutputFormat::kJson) {
    PrintJson(*answer);
    return 0;
  }
  const std::string& by = StringAt(*answer, "by");
  const std::string& why = StringAt(*answer, "why");
  fmt::print("{}{}{}\n", StringAt(*answer, "mode"), by.empty() ? "" : " (set by " + by,
             by.empty() ? "" : (why.empty() ? ")" : ": " + why + ")"));
  return 0;
}

int Approve(const AskAgentOptions& options) {
  return Decide(options, "approve", "is approved");
}

int Reject(const AskAgentOptions& options) {
  return Decide(options, "reject", "is rejected");
}

int ShowIncidents(const AskAgentOptions& options) {
  const auto answer = AskAgent(
      options, "GET",
      options.id.empty() ? "/api/incidents" : "/api/incidents/" + net::PercentEncode(options.id));
  if (!answer) return Complain(answer.error(), options.output);
  if (options.output == OutputFormat::kJson) {
    PrintJson(*answer);
    return 0;
  }
  if (!options.id.empty()) {
    fmt::print("{}", StringAt(*answer, "report"));
    return 0;
  }
  std::vector<std::vector<std::string>> rows = {
      {"INCIDENT", "OPENED", "STAGE", "CAUSE", "WAITS FOR APPROVAL"}};
  for (const Json& one : At(*answer, "incidents")) {
    const std::string& outcome = StringAt(one, "outcome");
    rows.push_back({StringAt(one, "id"), StringAt(one, "opened").substr(0, 19),
                    outcome.empty() ? StringAt(one, "stage") : outcome, CauseText(one),
                    StringAt(one, "awaitsApproval.id")});
  }
  fmt::print("{}mode: {}\n", rows.size() > 1 ? FormatTable(rows) : "no incidents\n",
             StringAt(*answer, "mode"));
  return 0;
}

}  // namespace enclave::cli
