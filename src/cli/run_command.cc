#include "cli/run_command.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <pwd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "cli/observatory_access.h"
#include "cli/output.h"
#include "cli/state.h"
#include "cli/traced_kubeconfig.h"
#include "net/event_loop.h"
#include "net/process.h"
#include "otel/telemetry.h"
#include "trace/command_line.h"
#include "trace/environment.h"

namespace enclave::cli {
namespace {

struct RunCommand {
  std::string state;
  std::string name;
  bool quiet = false;
  std::vector<std::string> argv;
};

// As shells do it.
constexpr int kExitNoProgram = 126;
constexpr int kExitNotFound = 127;
constexpr int kExitSignal = 128;

constexpr std::chrono::milliseconds kLastFlush{2'000};

// What is handed on to the command. Stop and continue signals of the terminal reach the whole
// process group by themselves.
constexpr int kForwarded[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};

sigset_t AwaitedSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : kForwarded) sigaddset(&set, signal);
  sigaddset(&set, SIGCHLD);
  return set;
}

// What the command is to have open beside standard input, output and error, as a shell's <(...).
std::vector<std::pair<int, int>> InheritedDescriptors() {
  std::vector<std::pair<int, int>> descriptors;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", error)) {
    const std::string name = entry.path().filename().string();
    int fd = -1;
    const auto [end, failed] = std::from_chars(name.data(), name.data() + name.size(), fd);
    if (failed != std::errc() || fd <= STDERR_FILENO) continue;
    const int flags = ::fcntl(fd, F_GETFD);
    if (flags >= 0 && (flags & FD_CLOEXEC) == 0) descriptors.emplace_back(fd, fd);
  }
  return descriptors;
}

std::vector<std::string> OwnEnvironment() {
  std::vector<std::string> environment;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    environment.emplace_back(*entry);
  }
  return environment;
}

void SetVariable(std::vector<std::string>& environment, const std::string& name,
                 const std::string& value) {
  std::erase_if(environment,
                [&](const std::string& entry) { return entry.starts_with(name + "="); });
  environment.push_back(name + "=" + value);
}

std::string UserName() {
  const passwd* user = ::getpwuid(::geteuid());
  return user != nullptr ? user->pw_name : std::to_string(::geteuid());
}

// A script without "#!" is the shell's, as when typed into one.
base::Result<pid_t> SpawnCommand(net::SpawnOptions options) {
  auto pid = net::Spawn(options);
  if (pid || pid.error().kind() != base::ErrorKind::kInvalidArgument) return pid;
  options.argv.insert(options.argv.begin(), "/bin/sh");
  return net::Spawn(options);
}

// The wait status of the command once it ended.
int AwaitCommand(pid_t child, const sigset_t& signals) {
  for (;;) {
    siginfo_t info{};
    const int signal = sigwaitinfo(&signals, &info);
    // What the terminal sends, it sends to the command as well.
    if (signal > 0 && signal != SIGCHLD && info.si_code != SI_KERNEL) ::kill(child, signal);
    int status = 0;
    if (::waitpid(child, &status, WNOHANG) == child) return status;
  }
}

int ExitCodeOf(int status) {
  return WIFSIGNALED(status) ? kExitSignal + WTERMSIG(status) : WEXITSTATUS(status);
}

void Note(const RunCommand& command, const std::string& text) {
  if (command.quiet) return;
  fmt::print(stderr, "enclave: {}\n", text);
  std::fflush(stderr);
}

// `enclave trace --last` reads it.
void RememberLast(const StatePaths& paths, const trace::TraceId& id) {
  if (!RequireEnclave(paths)) return;
  std::ofstream file(paths.last_run(), std::ios::trunc);
  file << id.ToString() << '\n';
}

// For the command's environment. Null when what kubectl reads is not the enclave's.
std::optional<TracedKubeconfig> KubeconfigFor(const RunCommand& command, const StatePaths& paths,
                                              const trace::TraceId& id) {
  std::error_code error;
  if (!std::filesystem::exists(paths.kubeconfig(), error)) return std::nullopt;
  const std::string given = otel::ProcessEnvironment("KUBECONFIG").value_or("");
  auto traced = TracedKubeconfig::Make(paths, given.empty() ? paths.kubeconfig().string() : given,
                                       id, /*inherited=*/false);
  if (traced) return *std::move(traced);
  Note(command, fmt::format("what kubectl changes carries no trace: {}", traced.error().message()));
  return std::nullopt;
}

// The observatory, as an endpoint for OTLP. The environment's own goes before.
base::Result<std::string> Endpoint(const StatePaths& paths) {
  if (auto given = otel::ProcessEnvironment("OTEL_EXPORTER_OTLP_ENDPOINT");
      given && !given->empty()) {
    return *std::move(given);
  }
  return ObservatoryUrl(paths);
}

// The span of a command, made now and recorded once it has ended and its way out is known.
class CommandSpan {
 public:
  CommandSpan(const RunCommand& command, net::EventLoop& loop)
      : loop_(loop), tracer_(loop, base::SystemRandom(), [this](otel::EndedSpan span) {
          ended_ = std::move(span);
        }) {
    otel::SpanOptions options{.new_trace = true};
    if (const auto parent = trace::ExtractFromEnvironment(otel::ProcessEnvironment)) {
      options.parent = parent;
      options.new_trace = false;
    }
    const std::string program = std::filesystem::path(command.argv.front()).filename().string();
    span_ = tracer_.StartSpan(command.name.empty() ? program : command.name, std::move(options));
    span_.SetAttribute("process.executable.name", program);
    std::string line;
    for (const std::string& argument : trace::WithoutSecrets(command.argv)) {
      if (!line.empty()) line += ' ';
      line += argument;
    }
    span_.SetAttribute("process.command_line", line);
    span_.SetAttribute("user.name", UserName());
    std::error_code error;
    span_.SetAttribute("process.working_directory", std::filesystem::current_path(error).string());
  }

  const otel::SpanContext& context() const { return *span_.context(); }
  void Started(pid_t pid) { span_.SetAttribute("process.pid", std::int64_t{pid}); }
  void Ended(int exit_code) {
    span_.SetAttribute("process.exit.code", std::int64_t{exit_code});
    if (exit_code != 0) {
      span_.SetAttribute("error.type", std::to_string(exit_code));
      span_.SetStatus(otel::SpanStatus::kError, fmt::format("exit code {}", exit_code));
    }
    span_.End();
  }
  void Failed(const base::Error& error, int exit_code) {
    span_.RecordError(error);
    span_.SetAttribute("process.exit.code", std::int64_t{exit_code});
    span_.End();
  }

  // Whether the receiver has it now. Blocks, no longer than kLastFlush.
  base::Result<> Send(const std::string& endpoint) {
    if (!ended_) return {};  // its trace is one that is not recorded
    telemetry::Attributes resource{{"service.name", std::string("terminal")}};
    ASSIGN_OR_RETURN(const auto exporter,
                     otel::Exporter::Create(loop_, base::SystemRandom(), {.endpoint = endpoint},
                                            std::move(resource), [](auto&) {}));
    exporter->Add(*std::move(ended_));
    if (exporter->Shutdown(kLastFlush)) return {};
    return base::Fail(base::ErrorKind::kUnavailable, fmt::format("{} did not take it", endpoint));
  }

 private:
  net::EventLoop& loop_;
  std::optional<otel::EndedSpan> ended_;
  otel::Tracer tracer_;
  otel::Span span_;
};

int Run(const RunCommand& command) {
  if (command.argv.empty())
    return Complain(base::Error(base::ErrorKind::kInvalidArgument,
                                "no command: give one, as in `enclave run -- kubectl get pods`"));
  const auto paths = ResolveState(command.state);
  if (!paths) return Complain(paths.error());
  net::SpawnOptions spawn{.argv = command.argv,
                          .environment = OwnEnvironment(),
                          .working_directory = "",
                          .stdin_fd = STDIN_FILENO,
                          .stdout_fd = STDOUT_FILENO,
                          .stderr_fd = STDERR_FILENO,
                          .inherited_fds = InheritedDescriptors()};
  // Before there are threads: they all leave these signals to this one.
  const sigset_t signals = AwaitedSignals();
  sigprocmask(SIG_BLOCK, &signals, nullptr);

  net::EventLoop loop("run");
  CommandSpan span(command, loop);
  const trace::TraceContext context = otel::ToTraceContext(span.context());
  const trace::TraceId id = context.trace_id;
  RememberLast(*paths, id);
  const auto kubeconfig = KubeconfigFor(command, *paths, id);
  spawn.environment = trace::InjectIntoEnvironment(context, std::move(spawn.environment));
  SetVariable(spawn.environment, "ENCLAVE_STATE", paths->root.string());
  if (kubeconfig) SetVariable(spawn.environment, "KUBECONFIG", kubeconfig->path());
  Note(command, fmt::format("trace {}", id.ToString()));

  int exit_code = 0;
  const auto child = SpawnCommand(std::move(spawn));
  if (child) {
    span.Started(*child);
    exit_code = ExitCodeOf(AwaitCommand(*child, signals));
    span.Ended(exit_code);
  } else {
    exit_code = child.error().kind() == base::ErrorKind::kNotFound ? kExitNotFound : kExitNoProgram;
    Complain(child.error());
    span.Failed(child.error(), exit_code);
  }

  const auto endpoint = Endpoint(*paths);
  const auto sent = endpoint ? span.Send(*endpoint) : std::unexpected(endpoint.error());
  if (!sent)
    Note(command, fmt::format("the span of this command is lost: {}", sent.error().message()));
  return exit_code;
}

}  // namespace

std::function<int()> AddRun(CLI::App& app) {
  const auto command = std::make_shared<RunCommand>();
  CLI::App* run = app.add_subcommand("run", "Run a command under a trace of its own");
  run->add_option("--state", command->state,
                  "The enclave's directory (default: $ENCLAVE_STATE, else ~/.local/state/enclave)");
  run->add_option("--name", command->name, "What the trace calls it (default: the program)");
  run->add_flag("-q,--quiet", command->quiet, "Do not print the TraceID");
  run->add_option("command", command->argv, "The command and its arguments")
      ->required()
      ->option_text("-- COMMAND [ARGUMENT...]");
  run->positionals_at_end();
  run->footer(
      "Examples:\n"
      "  enclave run -- kubectl -n boutique set image deploy/cartservice server=cartservice:v2\n"
      "  enclave run --name release -- ./release.sh\n"
      "  enclave trace --last\n\n"
      "The command finds its trace in TRACEPARENT, B3, X_B3_TRACEID, X_B3_SPANID and "
      "X_B3_SAMPLED.\n"
      "kubectl under it talks to the enclave, unless KUBECONFIG says otherwise, and what it\n"
      "changes there carries the annotation enclave.dev/trace-id. The exit code is the "
      "command's.\n");
  return [command] { return Run(*command); };
}

}  // namespace enclave::cli
