#include "cli/run_command.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
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
#include <memory>
#include <string>
#include <vector>

#include "cli/command_span.h"
#include "cli/output.h"
#include "cli/state.h"
#include "cli/traced_kubeconfig.h"
#include "net/event_loop.h"
#include "net/process.h"
#include "otel/telemetry.h"
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
  CommandSpan span(loop, command.name, command.argv);
  const trace::TraceContext context = otel::ToTraceContext(span.context());
  const trace::TraceId id = context.trace_id;
  RememberTrace(*paths, id);
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

  if (const auto sent = span.Send(*paths); !sent)
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
