#include "cli/trace_command.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/quote.h"
#include "cli/cluster_access.h"
#include "cli/output.h"
#include "cli/state.h"
#include "cli/story.h"
#include "cli/story_render.h"
#include "net/event_loop.h"
#include "net/http_client.h"
#include "telemetry/remote/remote.h"

namespace enclave::cli {
namespace {

namespace remote = telemetry::remote;
using base::ErrorKind;
using base::Result;

struct TraceCommand {
  std::string state;
  std::string id;
  bool last = false;
  std::string tempo;  // URLs; "": the enclave's own
  std::string loki;
  std::string agent;
  std::string token;  // of Tempo and Loki
  std::string tenant;
  OutputFormat output = OutputFormat::kText;
};

constexpr std::chrono::milliseconds kAgentTimeout{5'000};

Result<trace::TraceId> LastRun(const StatePaths& paths) {
  std::ifstream file(paths.last_run());
  std::string text;
  std::getline(file, text);
  if (const auto id = trace::TraceId::Parse(text)) return *id;
  return base::Fail(ErrorKind::kNotFound,
                    fmt::format("nothing was run under a trace in {}: run something with `enclave "
                                "run -- COMMAND`",
                                paths.root.string()));
}

Result<trace::TraceId> WantedTrace(const TraceCommand& command, const StatePaths& paths) {
  if (command.last) return LastRun(paths);
  if (const auto id = trace::TraceId::Parse(command.id)) return *id;
  return base::Fail(
      ErrorKind::kInvalidArgument,
      fmt::format("{} is no TraceID: give 32 hexadecimal digits, or 16", base::Quote(command.id)));
}

Result<> ReadFromCluster(const StatePaths& paths, net::EventLoop& loop, Story& story) {
  if (!FindClusterProcess(paths))
    return base::Fail(ErrorKind::kNotFound,
                      fmt::format("no enclave runs in {}", paths.root.string()));
  ASSIGN_OR_RETURN(const auto api, OpenApi(paths, loop));
  return ReadObjects(*api, story);
}

// `given`, else what the enclave has.
Result<std::string> UrlOr(const std::string& given, const StatePaths& paths,
                          Result<std::string> (*own)(const StatePaths&)) {
  return given.empty() ? own(paths) : given;
}

remote::Endpoint EndpointOf(const TraceCommand& command, const std::string& url) {
  remote::Endpoint endpoint{.url = url};
  if (!command.token.empty()) endpoint.headers["Authorization"] = "Bearer " + command.token;
  if (!command.tenant.empty()) endpoint.headers["X-Scope-OrgID"] = command.tenant;
  return endpoint;
}

Result<std::unique_ptr<telemetry::TraceSource>> OpenTraces(const TraceCommand& command,
                                                           const StatePaths& paths,
                                                           net::EventLoop& loop) {
  ASSIGN_OR_RETURN(const std::string url, UrlOr(command.tempo, paths, ObservatoryUrl));
  return remote::ConnectTempo(loop, EndpointOf(command, url));
}

Result<> ReadFromLoki(const TraceCommand& command, const StatePaths& paths, net::EventLoop& loop,
                      Story& story) {
  ASSIGN_OR_RETURN(const std::string url, UrlOr(command.loki, paths, ObservatoryUrl));
  ASSIGN_OR_RETURN(const auto logs, remote::ConnectLoki(loop, EndpointOf(command, url)));
  return ReadLines(*logs, story);
}

Result<> ReadFromAgent(const TraceCommand& command, const StatePaths& paths, net::EventLoop& loop,
                       Story& story) {
  ASSIGN_OR_RETURN(const std::string url, UrlOr(command.agent, paths, AgentUrl));
  ASSIGN_OR_RETURN(const auto client, net::HttpClient::Create(loop, {.base_url = url, .tls = {}}));
  const AskAgent ask = [&](const std::string& path) -> Result<nlohmann::json> {
    const auto answer = client->SendAndWait({.target = path, .timeout = kAgentTimeout});
    if (!answer)
      return base::Fail(answer.error().kind(), fmt::format("no agent answers at {}", url));
    if (answer->status != 200)
      return base::Fail(ErrorKind::kUnavailable,
                        fmt::format("the agent at {} answers {} to {}", url, answer->status, path));
    auto json = nlohmann::json::parse(answer->body, nullptr, /*allow_exceptions=*/false);
    if (json.is_discarded())
      return base::Fail(ErrorKind::kUnavailable,
                        fmt::format("what answers at {} is no agent: {} is no JSON", url, path));
    return json;
  };
  return ReadIncidents(ask, story);
}

Story ReadStory(const TraceCommand& command, const StatePaths& paths, const trace::TraceId& id) {
  Story story(id);
  net::EventLoop loop("trace");
  const auto note = [&story](const char* source, const Result<>& read) {
    if (!read) story.missing.push_back({source, read.error().message()});
  };
  const auto traces = OpenTraces(command, paths, loop);
  const auto read_spans = [&]() -> Result<> {
    if (!traces) return std::unexpected(traces.error());
    return ReadSpans(**traces, story);
  };
  note("spans", read_spans());
  note("incidents", ReadFromAgent(command, paths, loop, story));
  if (traces && !story.links.empty()) note("spans of linked traces", read_spans());
  note("log lines", ReadFromLoki(command, paths, loop, story));
  note("changes", ReadChanges(paths.audit(), story));
  note("objects", ReadFromCluster(paths, loop, story));
  return story;
}

int ShowTrace(const TraceCommand& command) {
  const auto paths = ResolveState(command.state);
  if (!paths) return Complain(paths.error(), command.output);
  const auto id = WantedTrace(command, *paths);
  if (!id) return Complain(id.error(), command.output);
  const Story story = ReadStory(command, *paths, *id);
  if (command.output == OutputFormat::kJson) {
    PrintJson(StoryToJson(story));
  } else {
    const StoryColours colours{.good = Green, .bad = Red, .dim = Dim, .mark = Highlight};
    fmt::print("{}", RenderStory(story, colours));
  }
  return story.empty() ? 1 : 0;
}

}  // namespace

std::function<int()> AddTrace(CLI::App& app) {
  const auto command = std::make_shared<TraceCommand>();
  CLI::App* trace = app.add_subcommand("trace", "Tell the story of a trace");
  trace->add_option("--state", command->state,
                    "The enclave's directory (default: $ENCLAVE_STATE, else "
                    "~/.local/state/enclave)");
  CLI::Option* id = trace->add_option("id", command->id, "The TraceID, 32 or 16 hexadecimal digits")
                        ->option_text("ID");
  CLI::Option* last =
      trace->add_flag("--last", command->last, "The newest `enclave run` instead")->excludes(id);
  for (const auto& [option, url, what] :
       {std::tuple{"--tempo", &command->tempo, "Where spans are asked for, as Tempo answers"},
        std::tuple{"--loki", &command->loki, "Where log lines are asked for, as Loki answers"},
        std::tuple{"--agent", &command->agent, "Where incidents are asked for"}})
    trace->add_option(option, *url, fmt::format("{} (default: the enclave's own)", what))
        ->option_text("URL");
  trace->add_option("--token", command->token, "A bearer token for Tempo and Loki")
      ->option_text("TEXT");
  trace->add_option("--tenant", command->tenant, "Sent to them as X-Scope-OrgID")
      ->option_text("NAME");
  trace->add_option("-o,--output", command->output, "text or json")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, OutputFormat>{{"text", OutputFormat::kText},
                                              {"json", OutputFormat::kJson}},
          CLI::ignore_case))
      ->option_text("FORMAT");
  trace->callback([id, last] {
    if (id->empty() && last->empty()) throw CLI::RequiredError("ID or --last");
  });
  trace->footer(
      "Examples:\n"
      "  enclave trace 4bf92f3577b34da6a3ce929d0e0e4736\n"
      "  enclave trace --last -o json | jq '.changes[] | .resource + \" \" + .name'\n\n"
      "First the way from the command to the recovery, then all of it in order of time: the\n"
      "terminal's command, what it changed in the cluster, requests and the line of code that\n"
      "failed, log lines, the incident and what the agent did. A command leads to the incident "
      "that\n"
      "it caused, an incident to the command; the traces of both are told. Exit code 1 when "
      "nothing\n"
      "is known of it.\n");
  return [command] { return ShowTrace(*command); };
}

}  // namespace enclave::cli
