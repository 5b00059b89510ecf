// The terminal: which commands there are and what they take. What each does stands in its own file.
#include <CLI/CLI.hpp>

#include "cli/agent_commands.h"
#include "cli/commands.h"
#include "cli/drill_command.h"
#include "cli/memory_command.h"
#include "cli/rca_command.h"
#include "cli/run_command.h"
#include "cli/trace_command.h"

namespace {

using enclave::cli::OutputFormat;

constexpr const char* kExamples = R"(Examples:
  enclave up --wait                     start the enclave of this user and wait until all is Ready
  enclave kubectl get pods -A           ask it with the real kubectl
  enclave up --bare --state /tmp/second an empty cluster beside it
  enclave run -- ./release.sh           run anything under a trace that follows what it changes
  enclave trace --last                  what it did, and what came of it
  enclave status -o json                what runs where, for programs
  enclave incidents                     what broke, and what the agent made of it
  enclave down                          end it; `enclave up` brings everything back
  enclave test                          every check and test (from a checkout)
)";

void AddState(CLI::App* command, std::string* state) {
  command->add_option(
      "--state", *state,
      "The enclave's directory (default: $ENCLAVE_STATE, else ~/.local/state/enclave)");
}

void AddOutput(CLI::App* command, OutputFormat* output) {
  command->add_option("-o,--output", *output, "text or json")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, OutputFormat>{{"text", OutputFormat::kText},
                                              {"json", OutputFormat::kJson}},
          CLI::ignore_case))
      ->option_text("FORMAT");
}

void AddPort(CLI::App* command, std::uint16_t* port) {
  command
      ->add_option("--port", *port,
                   "Port of the API server on the enclave's own loopback address (default: the one "
                   "it had before, else 6443)")
      ->check(CLI::Range(1, 65535));
}

void AddObservatory(CLI::App* command, enclave::cli::ObservatoryOptions* options) {
  command->add_option("--state", options->state, "The directory of its data, made if missing")
      ->required()
      ->option_text("DIR");
  command->add_option("--http", options->http, "Address for everything over HTTP; port 0: any")
      ->capture_default_str()
      ->option_text("ADDR:PORT");
  command
      ->add_option("--otlp-grpc", options->otlp_grpc, "Address for OTLP over gRPC (default: none)")
      ->option_text("ADDR:PORT");
  command
      ->add_option("--config", options->config,
                   "What to scrape, rules and alerts, in Prometheus' format; read again when it "
                   "changes and on SIGHUP")
      ->option_text("FILE");
  command
      ->add_option("--kubeconfig", options->kubeconfig,
                   "The cluster whose pods are scraped and whose logs are collected: a kubeconfig, "
                   "or in-cluster (default: none)")
      ->option_text("FILE|in-cluster");
  command->add_option("--retention", options->retention, "How long everything is kept; 0: for ever")
      ->capture_default_str();
  command
      ->add_option("--retention-size", options->retention_bytes,
                   "How much disk may be used before the oldest goes, as 10GB (default: no bound)")
      ->transform(CLI::AsSizeValue(false));
  command->add_option("--query-timeout", options->query_timeout, "How long a query may take")
      ->capture_default_str();
  command->footer(
      "Examples:\n"
      "  enclave observatory --state /tmp/obs --http 127.0.0.1:9090 --otlp-grpc 127.0.0.1:4317\n"
      "  enclave observatory --state /tmp/obs --config prometheus.yml --kubeconfig "
      "~/.kube/config\n\n"
      "  curl 'http://127.0.0.1:9090/api/v1/query?query=up'\n"
      "  curl -G http://127.0.0.1:9090/loki/api/v1/query_range --data-urlencode "
      "'query={app=\"cart\"} |= \"error\"'\n"
      "  curl 'http://127.0.0.1:9090/api/v1/evidence?trace=4bf92f3577b34da6a3ce929d0e0e4736'\n\n"
      "OTLP over HTTP (/v1/traces, /v1/metrics, /v1/logs), remote write (/api/v1/write) and Loki's "
      "push\n(/loki/api/v1/push) arrive at the address of --http.\n");
}

// "250ms", "60s", "5m", "1h"
CLI::Option* AddDuration(CLI::App* command, const std::string& name, const std::string& description,
                         std::function<void(std::chrono::milliseconds)> set) {
  return command
      ->add_option_function<double>(
          name,
          [set = std::move(set)](double ms) {
            set(std::chrono::milliseconds(static_cast<std::int64_t>(ms)));
          },
          description)
      ->transform(CLI::AsNumberWithUnit(
          std::map<std::string, double>{{"ms", 1}, {"s", 1e3}, {"m", 6e4}, {"h", 3.6e6}},
          CLI::AsNumberWithUnit::UNIT_REQUIRED))
      ->option_text("DURATION");
}

void AddLoad(CLI::App* command, enclave::cli::LoadCommandOptions* load) {
  command->add_option("--target", load->target, "The shop: http://HOST:PORT")->required();
  command->add_option("--users", load->users, "Visitors at once")
      ->capture_default_str()
      ->check(CLI::Range(1, 10'000));
  command->add_option("--spawn-rate", load->spawn_rate, "Visitors that come in per second")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  command
      ->add_option("--rate", load->rate,
                   "Actions per second of all together (default: each waits 1 to 10 s in between)")
      ->check(CLI::PositiveNumber);
  AddDuration(command, "--duration", "End after this time (default: go on until interrupted)",
              [load](auto duration) { load->duration = duration; });
  command->add_option("--actions", load->actions, "End after so many actions")
      ->check(CLI::PositiveNumber);
  command->add_option("--seed", load->seed, "Visitors of one seed make the same choices")
      ->capture_default_str();
  AddDuration(command, "--timeout", "Of one request (default: 10s)",
              [load](auto duration) { load->timeout = duration; });
  AddDuration(command, "--every", "Between two lines of what they saw (default: 5s)",
              [load](auto duration) { load->every = duration; });
  AddDuration(command, "--wait-for-target", "Wait so long for a shop that is not there yet",
              [load](auto duration) { load->wait_for_target = duration; });
  AddOutput(command, &load->output);
  command->footer(
      "Example:\n  enclave load --target http://127.0.0.1:8080 --users 50 --rate 20 --duration "
      "60s\n\n"
      "An action is an error when it is answered with 500 or more, late, or wrongly. With "
      "OTEL_EXPORTER_OTLP_ENDPOINT set, each leaves a trace there.\n");
}

void AddLogTemplates(CLI::App* command, enclave::cli::LogTemplatesOptions* options) {
  using enclave::cli::LogsFormat;
  command->add_option("file", options->file, "The log; - is standard input")
      ->required()
      ->option_text("FILE");
  command
      ->add_option("--column", options->column,
                   "FILE is CSV with a head, and this column has the messages")
      ->option_text("NAME");
  command->add_flag("--whole", options->whole,
                    "Lines are messages: split no time, level, thread or location off them");
  command
      ->add_option("--max-templates", options->max_templates,
                   "Forget those not seen for longest beyond so many")
      ->capture_default_str()
      ->check(CLI::Range(std::size_t{1}, std::size_t{10'000'000}));
  command->add_option("--max-memory", options->max_bytes, "The same by memory (default: 256MB)")
      ->transform(CLI::AsSizeValue(false));
  command
      ->add_option("-o,--output", options->output,
                   "text: a table; json: the same for programs; csv: the template of each line")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, LogsFormat>{
              {"text", LogsFormat::kText}, {"json", LogsFormat::kJson}, {"csv", LogsFormat::kCsv}},
          CLI::ignore_case))
      ->option_text("FORMAT");
  command->footer(
      "Examples:\n"
      "  enclave logs templates /var/log/app.log\n"
      "  enclave kubectl logs deploy/cart | enclave logs templates -\n"
      "  enclave logs templates app.log -o json | jq '.templates[:3]'\n"
      "  enclave logs templates structured.csv --column Content -o csv\n\n"
      "`<*>` stands for a value. Each line may be JSON, logfmt, or as the usual logging libraries\n"
      "print it, also as a container runtime wraps it. A template has the same id wherever its\n"
      "lines are read.\n");
}

}  // namespace

int main(int argc, char** argv) {
  using namespace enclave::cli;
  CLI::App app{
      "enclave: a laboratory that runs itself. A Kubernetes in one process, driven by kubectl."};
  app.footer(kExamples);
  app.require_subcommand(1);
  app.set_version_flag("--version", ENCLAVE_VERSION);

  UpOptions up;
  CLI::App* up_command = app.add_subcommand("up", "Start the enclave in the background");
  AddState(up_command, &up.state);
  AddOutput(up_command, &up.output);
  long long up_timeout_s = up.timeout.count();
  up_command->add_flag("--wait", up.wait, "Return once every pod of every Deployment is Ready");
  up_command->add_flag("--bare", up.bare,
                       "The cluster alone, without observatory, agent, boutique and load");
  up_command->add_option("--timeout", up_timeout_s, "Seconds to wait")->check(CLI::PositiveNumber);
  AddPort(up_command, &up.port);
  up_command->footer("Example:\n  enclave up --wait --timeout 60\n");

  DownOptions down;
  CLI::App* down_command =
      app.add_subcommand("down", "End the enclave and everything that runs in it");
  AddState(down_command, &down.state);
  AddOutput(down_command, &down.output);
  long long down_grace_s = down.grace.count();
  down_command->add_flag("--delete-state", down.delete_state, "Also delete the state directory");
  down_command->add_option("--grace", down_grace_s, "Seconds between SIGTERM and SIGKILL")
      ->check(CLI::NonNegativeNumber);
  down_command->footer("Example:\n  enclave down --state /tmp/second --delete-state\n");

  StatusOptions status;
  CLI::App* status_command = app.add_subcommand("status", "Show what runs, where, and how it is");
  AddState(status_command, &status.state);
  AddOutput(status_command, &status.output);
  status_command->footer("Example:\n  enclave status -o json\n");

  ClusterOptions cluster;
  CLI::App* cluster_command =
      app.add_subcommand("cluster", "The control plane itself, in the foreground");
  AddState(cluster_command, &cluster.state);
  cluster_command->add_option("--node-name", cluster.node_name, "Name of the one node")
      ->capture_default_str();
  AddPort(cluster_command, &cluster.port);
  cluster_command->add_option("--images", cluster.images, "Further image catalogue (repeatable)");
  cluster_command->add_flag("--supervise", cluster.supervise,
                            "Start the cluster process again whenever it dies");
  cluster_command->add_option("--ready-fd", cluster.ready_fd,
                              "Write \"ready\" to this descriptor once the node is Ready");
  cluster_command->footer(
      "Example:\n  enclave cluster --state /tmp/lab --node-name laptop\n\n"
      "Pods go on running when this process ends, and are adopted by the next one; `enclave down` "
      "ends "
      "them.\n");

  ObservatoryOptions observatory;
  CLI::App* observatory_command = app.add_subcommand(
      "observatory",
      "Metrics, logs and traces: taken in, kept, and asked for as Prometheus, Loki "
      "and Tempo are");
  AddObservatory(observatory_command, &observatory);

  LoadCommandOptions load;
  CLI::App* load_command =
      app.add_subcommand("load", "Play visitors of the shop, and say what they saw");
  AddLoad(load_command, &load);

  const std::function<int()> agent = AddAgent(app);
  const MemoryCommand memory_command(app);
  const std::function<int()> rca = AddRca(app);
  const std::function<int()> run = AddRun(app);
  const std::function<int()> trace = AddTrace(app);
  const std::function<int()> drill = AddDrill(app);
  LogTemplatesOptions log_templates;
  CLI::App* logs_command = app.add_subcommand("logs", "What a program's log says");
  logs_command->require_subcommand(1);
  CLI::App* log_templates_command = logs_command->add_subcommand(
      "templates", "The statements behind the lines, and how often each was printed");
  AddLogTemplates(log_templates_command, &log_templates);

  std::string kubectl_state;
  CLI::App* kubectl_command =
      app.add_subcommand("kubectl", "Run kubectl against the enclave; all arguments are kubectl's");
  kubectl_command->prefix_command();
  AddState(kubectl_command, &kubectl_state);
  kubectl_command->footer("Example:\n  enclave kubectl get pods -A -o wide\n");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kExitUsage;
  }

  if (*up_command) {
    up.timeout = std::chrono::seconds(up_timeout_s);
    return Up(up);
  }
  if (*down_command) {
    down.grace = std::chrono::seconds(down_grace_s);
    return Down(down);
  }
  if (*status_command) return Status(status);
  if (*cluster_command) return Cluster(cluster);
  if (*observatory_command) {
    observatory.version = ENCLAVE_VERSION;
    return RunObservatory(observatory);
  }

  if (*load_command) return Load(load);
  if (const int done = agent(); done != kNotGiven) return done;
  if (memory_command.called()) return memory_command.Run();
  if (app.got_subcommand("rca")) return rca();
  if (app.got_subcommand("run")) return run();
  if (app.got_subcommand("trace")) return trace();
  if (app.got_subcommand("drill")) return drill();
  if (*log_templates_command) return LogTemplates(log_templates);
  return Kubectl(kubectl_state, kubectl_command->remaining());
}
