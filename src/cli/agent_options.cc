// What the commands around the agent take.
#include <CLI/CLI.hpp>

#include <memory>

#include "cli/agent_commands.h"
#include "cli/agent_parts.h"

namespace enclave::cli {
namespace {

struct AgentCommandLine {
  AgentOptions agent;
  AskAgentOptions mode, approve, reject, incidents;
};

void AddAsking(CLI::App* command, AskAgentOptions* options) {
  command->add_option(
      "--state", options->state,
      "The enclave's directory (default: $ENCLAVE_STATE, else ~/.local/state/enclave)");
  command
      ->add_option("--agent", options->agent,
                   "An agent that runs elsewhere, by the address of its --http")
      ->option_text("URL");
  command->add_option("-o,--output", options->output, "text or json")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, OutputFormat>{{"text", OutputFormat::kText},
                                              {"json", OutputFormat::kJson}},
          CLI::ignore_case))
      ->option_text("FORMAT");
}

void AddPerson(CLI::App* command, AskAgentOptions* options) {
  command->add_option("--by", options->by, "Who says so (default: $USER)");
  command->add_option("--why", options->why, "Why, for the ledger");
}

CLI::App* AddAgentItself(CLI::App& app, AgentOptions* options) {
  CLI::App* command = app.add_subcommand(
      "agent", "The autonomous SRE agent, in the foreground, beside any cluster");
  command
      ->add_option("--kubeconfig", options->kubeconfig,
                   "The cluster that is watched and repaired: a kubeconfig, or in-cluster")
      ->required()
      ->option_text("FILE|in-cluster");
  command->add_option("--prometheus", options->prometheus, "Whoever answers as Prometheus does")
      ->required()
      ->option_text("URL");
  command->add_option("--loki", options->loki, "As Loki does (default: no logs are read)")
      ->option_text("URL");
  command->add_option("--tempo", options->tempo, "As Tempo does (default: no traces are read)")
      ->option_text("URL");
  command
      ->add_option("--policy", options->policy,
                   "What it may do and what users are promised (docs/formats/policy.md; default: "
                   "deploy/policy.yaml beside this program)")
      ->option_text("FILE");
  command
      ->add_option("--state", options->state,
                   "The directory of its ledger and reports, made if missing")
      ->required()
      ->option_text("DIR");
  command
      ->add_option("--memory", options->memory,
                   "The directory of what it remembers of incidents (default: in that of --state)")
      ->option_text("DIR");
  command
      ->add_option("--http", options->http,
                   "Address of its console and of the webhook for alerts; port 0: any")
      ->capture_default_str()
      ->option_text("ADDR:PORT");
  command->footer(
      "Example:\n"
      "  enclave agent --kubeconfig ~/.kube/config --prometheus http://prometheus:9090 \\\n"
      "    --loki http://loki:3100 --tempo http://tempo:3200 --policy policy.yaml --state "
      "/var/lib/agent\n\n"
      "Point Alertmanager's webhook_configs at http://ADDR:PORT/webhook. It also notices by itself "
      "when\nan objective of its policy is missed. With OTEL_EXPORTER_OTLP_ENDPOINT set, its steps "
      "are spans of\nthe trace that shows the incident.\n");
  return command;
}

}  // namespace

std::function<int()> AddAgent(CLI::App& app) {
  auto line = std::make_shared<AgentCommandLine>();
  const CLI::App* agent = AddAgentItself(app, &line->agent);

  CLI::App* mode = app.add_subcommand("mode", "Whether the agent acts by itself or asks people");
  mode->add_option("mode", line->mode.mode, "autonomous or human (default: show what it is)")
      ->check(CLI::IsMember({"autonomous", "human"}));
  AddPerson(mode, &line->mode);
  AddAsking(mode, &line->mode);
  mode->footer("Examples:\n  enclave mode\n  enclave mode human --why 'a release today'\n");

  CLI::App* approve = app.add_subcommand("approve", "Let a plan that waits be carried out");
  CLI::App* reject = app.add_subcommand("reject", "Have the next plan tried instead");
  for (const auto& [command, options] :
       {std::pair{approve, &line->approve}, std::pair{reject, &line->reject}}) {
    command->add_option("id", options->id, "The incident, or the action that waits")->required();
    AddPerson(command, options);
    AddAsking(command, options);
  }
  approve->footer("Example:\n  enclave approve inc-x7k2v9qd\n");
  reject->footer("Example:\n  enclave reject inc-x7k2v9qd --why 'the rollout is on purpose'\n");

  CLI::App* incidents = app.add_subcommand("incidents", "Incidents, or the report of one");
  incidents->add_option("id", line->incidents.id, "One of them");
  AddAsking(incidents, &line->incidents);
  incidents->footer("Examples:\n  enclave incidents\n  enclave incidents inc-x7k2v9qd\n");

  return [line, agent, mode, approve, reject, incidents] {
    if (*agent) return RunAgent(line->agent, MakeLiveAgentParts);
    if (*mode) return ShowOrSetMode(line->mode);
    if (*approve) return Approve(line->approve);
    if (*reject) return Reject(line->reject);
    if (*incidents) return ShowIncidents(line->incidents);
    return kNotGiven;
  };
}

}  // namespace enclave::cli
