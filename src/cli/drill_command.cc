#include "cli/drill_command.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <filesystem>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include "base/log.h"
#include "base/quote.h"
#include "cli/cluster_access.h"
#include "cli/command_span.h"
#include "cli/drill_show.h"
#include "cli/laboratory.h"
#include "cli/machine.h"
#include "cli/output.h"
#include "cli/state.h"
#include "lab/drills/http_asker.h"
#include "lab/drills/live_view.h"
#include "lab/drills/machine_host.h"
#include "lab/drills/runner.h"
#include "lab/drills/story.h"
#include "net/event_loop.h"
#include "net/process.h"
#include "otel/context.h"

extern char** environ;

namespace enclave::cli {
namespace {

namespace drills = lab::drills;
using base::ErrorKind;
using base::Fail;
using base::Result;
using kube::StringAt;

constexpr const char* kDefaultDrill = "bad-release";
constexpr const char* kBoutique = "boutique";
constexpr std::chrono::seconds kQuick{60};

struct DrillCommand {
  std::string name = kDefaultDrill;
  std::string state;
  std::string agent;   // URL; "": the one that runs in the enclave
  std::string folder;  // of the drills; "": the one that belongs to this program
  int repeat = 1;
  int pause_s = 60;  // of steady load between two drills
  bool all = false;
  bool list = false;
  bool quick = false;
  bool unattended = false;
  bool restore = false;
  OutputFormat output = OutputFormat::kText;
};

// Waits that SIGINT, SIGTERM or SIGHUP cuts short; what was broken is put back before the end. A
// second signal has its usual effect.
class SignalledPace final : public drills::Pace {
 public:
  explicit SignalledPace(net::EventLoop& loop) : signals_(loop.context(), SIGINT, SIGTERM, SIGHUP) {
    signals_.async_wait([this](boost::system::error_code error, int) {
      if (error) return;
      signals_.clear();
      const std::lock_guard lock(mutex_);
      ended_ = true;
      changed_.notify_all();
    });
  }
  base::WallTime WallNow() const override { return base::SystemClock().WallNow(); }
  base::MonoTime Now() const override { return base::SystemClock().Now(); }
  bool Wait(base::Duration duration) override {
    std::unique_lock lock(mutex_);
    return !changed_.wait_for(lock, duration, [&] { return ended_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ended_ = false;
  boost::asio::signal_set signals_;
};

std::string OwnProgram() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).string();
}

// `enclave up` in a process of its own, as a person would; what it says goes to standard error.
Result<> BringUpEnclave(const StatePaths& paths) {
  net::SpawnOptions options;
  options.argv = {OwnProgram(), "up", "--wait", "--timeout", "300", "--state", paths.root.string()};
  for (char** variable = environ; *variable != nullptr; ++variable)
    options.environment.emplace_back(*variable);
  options.stdout_fd = STDERR_FILENO;
  options.stderr_fd = STDERR_FILENO;
  ASSIGN_OR_RETURN(const pid_t pid, net::Spawn(options));
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return Fail(ErrorKind::kUnavailable, "the enclave did not come up");
}

// A quiet drill in a minute: what would be done later is left out.
drills::Drill Shortened(drills::Drill drill) {
  if (!drill.causes.empty() || drill.whole <= kQuick) return drill;
  drill.whole = kQuick;
  while (drill.faults.size() > 1 && drill.faults.back().after > kQuick - std::chrono::seconds(15))
    drill.faults.pop_back();
  return drill;
}

Result<std::vector<drills::Drill>> Chosen(const drills::Book& book, const DrillCommand& command) {
  std::vector<drills::Drill> chosen;
  if (command.all) {
    chosen = book.drills;
  } else if (const drills::Drill* drill = book.Find(command.name)) {
    chosen = {*drill};
  } else {
    return Fail(ErrorKind::kInvalidArgument,
                fmt::format("there is no drill {}; `enclave drill --list` lists them",
                            base::Quote(command.name)));
  }
  if (command.quick)
    for (drills::Drill& drill : chosen) drill = Shortened(std::move(drill));
  return chosen;
}

void List(const drills::Book& book, OutputFormat output) {
  if (output == OutputFormat::kJson) {
    nlohmann::json list = nlohmann::json::array();
    for (const drills::Drill& drill : book.drills)
      list.push_back({{"name", drill.name}, {"title", drill.title}});
    PrintJson(list);
    return;
  }
  std::vector<std::vector<std::string>> rows{{"DRILL", "WHAT IT IS"}};
  for (const drills::Drill& drill : book.drills) rows.push_back({drill.name, drill.title});
  fmt::print("{}", FormatTable(rows));
}

void PrintJsonLine(const nlohmann::json& json) {
  fmt::print("{}\n", json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  std::fflush(stdout);
}

// On a terminal its text is broken to the width, and stands under itself.
void PrintStep(const drills::StoryStep& step) {
  constexpr std::size_t kIndent = 21;
  const bool terminal = ::isatty(STDOUT_FILENO) == 1;
  const std::size_t width = terminal ? TerminalWidth() - kIndent : std::string::npos;
  std::string text = step.text;
  fmt::print("{}  {} ", Dim(fmt::format("{:>8}", step.when)),
             Highlight(fmt::format("{:<10}", step.what)));
  while (text.size() > width) {
    const std::size_t space = text.rfind(' ', width);
    const std::size_t end = space == std::string::npos || space == 0 ? width : space;
    fmt::print("{}\n{:{}}", text.substr(0, end), "", kIndent);
    text.erase(0, end == space ? end + 1 : end);
  }
  fmt::print("{}\n", text);
}

void PrintStory(const drills::Drill& drill, const drills::Seen& seen,
                const drills::Verdict& verdict, const std::string& state) {
  fmt::print("\n{} {}\n", verdict.passed() ? Green("●") : Red("●"), drill.title);
  for (const drills::StoryStep& step : drills::Story(drill, seen, verdict)) PrintStep(step);
  const auto time = [](const std::optional<base::Duration>& duration) {
    return duration ? fmt::format("{:.1f} s", drills::InSeconds(*duration)) : std::string("never");
  };
  if (drill.causes.empty())
    fmt::print("{}: {}\n", drill.name,
               verdict.passed() ? Green("quiet, as it should be") : Red("not quiet"));
  else
    fmt::print("{}: {}, detected after {}, well again after {}\n", drill.name,
               verdict.passed() ? Green("passed") : Red("failed"), time(verdict.detection),
               time(verdict.recovery));
  fmt::print("{}\n\n", Dim(fmt::format("all of it: enclave trace {}{}", seen.trace,
                                       state.empty() ? "" : " --state " + state)));
  std::fflush(stdout);
}

// Nobody repaired: what is told is whether the fault shows, and how long putting it back takes.
bool ReportUnattended(drills::Runner& runner, const drills::Drill& drill, const drills::Seen& seen,
                      drills::Pace& pace, OutputFormat output) {
  const base::MonoTime begun = pace.Now();
  const auto settled = seen.interrupted ? Fail(ErrorKind::kCancelled, "interrupted")
                                        : runner.Settle(drill.ns, std::chrono::seconds(5));
  const double healed = drills::InSeconds(pace.Now() - begun) - 5;
  const bool shown = seen.first_bad.has_value() == !drill.causes.empty();
  if (output == OutputFormat::kJson)
    PrintJsonLine({{"drill", drill.name},
                   {"secondsUntilFelt",
                    seen.first_bad ? drills::InSeconds(*seen.first_bad - seen.broken) : -1},
                   {"request", seen.request ? seen.request->place : ""},
                   {"healed", settled.has_value()},
                   {"secondsUntilHealed", healed},
                   {"failed", seen.failed},
                   {"touched", seen.touched}});
  else
    fmt::print(
        "{}: felt after {}, {} {}; request: {} {}\n", drill.name,
        seen.first_bad ? fmt::format("{:.1f} s", drills::InSeconds(*seen.first_bad - seen.broken))
                       : "never",
        settled ? fmt::format("healed {:.1f} s after it was put back", healed)
                : settled.error().message(),
        seen.failed,
        seen.request
            ? fmt::format("{:+.1f} s {}", drills::InSeconds(seen.request->time - seen.broken),
                          seen.request->trace)
            : "none",
        seen.request ? seen.request->place + " " + seen.request->error : "");
  std::fflush(stdout);
  return shown && settled && seen.failed.empty();
}

struct Laboratory {
  std::unique_ptr<kube::Api> cluster;
  std::unique_ptr<drills::HttpAsker> observatory;
  std::unique_ptr<drills::HttpAsker> agent;
  std::unique_ptr<drills::MachineHost> host;
  std::vector<kube::Json> manifests;
};

Result<Laboratory> Enter(const StatePaths& paths, const DrillCommand& command,
                         const std::filesystem::path& deploy, net::EventLoop& loop) {
  if (!FindClusterProcess(paths) && command.restore)
    return Fail(ErrorKind::kNotFound, fmt::format("no enclave runs in {}", paths.root.string()));
  if (!FindClusterProcess(paths)) RETURN_IF_ERROR(BringUpEnclave(paths));
  Laboratory laboratory;
  ASSIGN_OR_RETURN(laboratory.manifests, ReadManifests({deploy / kBoutique}, paths));
  ASSIGN_OR_RETURN(laboratory.cluster, OpenApi(paths, loop));
  ASSIGN_OR_RETURN(const std::string observatory, ObservatoryUrl(paths));
  ASSIGN_OR_RETURN(laboratory.observatory,
                   drills::HttpAsker::Connect(loop, observatory, "the observatory"));
  if (!command.unattended && !command.restore) {
    std::string agent = command.agent;
    if (agent.empty()) {
      ASSIGN_OR_RETURN(agent, AgentUrl(paths));
    }
    ASSIGN_OR_RETURN(laboratory.agent, drills::HttpAsker::Connect(loop, agent, "the agent"));
  }
  ASSIGN_OR_RETURN(const auto shop, laboratory.cluster->Get(kube::kService, kBoutique, "frontend"));
  laboratory.host = std::make_unique<drills::MachineHost>(std::vector<std::string>{
      OwnProgram(), "load", "--target",
      fmt::format("http://{}:8080", StringAt(shop->json(), "spec.clusterIP"))});
  return laboratory;
}

class Session {
 public:
  Session(const DrillCommand& command, const StatePaths& paths, const drills::Book& book,
          Laboratory laboratory, net::EventLoop& loop)
      : command_(command),
        paths_(paths),
        book_(book),
        loop_(loop),
        laboratory_(std::move(laboratory)),
        pace_(loop),
        terminal_(book.objectives),
        plain_(command.output == OutputFormat::kJson ? stderr : stdout),
        live_(command.output == OutputFormat::kText && ::isatty(STDOUT_FILENO) == 1),
        runner_({.cluster = *laboratory_.cluster,
                 .observatory = *laboratory_.observatory,
                 .agent = laboratory_.agent.get(),
                 .host = *laboratory_.host,
                 .pace = pace_},
                book.objectives, laboratory_.manifests,
                live_ ? static_cast<drills::Show&>(terminal_) : plain_,
                {.unattended = command.unattended}) {}

  // Exit code.
  int Run(const std::vector<drills::Drill>& chosen) {
    std::vector<drills::Outcome> runs;
    bool all_right = true;
    bool first = true;
    for (int round = 0; round < command_.repeat; ++round)
      for (drills::Drill drill : chosen) {
        // What the one before left in metrics and logs is not of this one.
        if (!std::exchange(first, false))
          drill.hold = std::max<base::Duration>(drill.hold, std::chrono::seconds(command_.pause_s));
        const drills::Seen seen = RunTraced(drill);
        terminal_.Clear();
        all_right &= command_.unattended
                         ? ReportUnattended(runner_, drill, seen, pace_, command_.output)
                         : Report(drill, seen, &runs);
        if (seen.interrupted) return 1;
      }
    if (runs.size() > 1) PrintSummary(runs);
    return all_right ? 0 : 1;
  }

  // What a drill that was killed left behind is put back. Exit code.
  int Restore() {
    std::set<std::string> namespaces;
    for (const drills::Drill& drill : book_.drills) namespaces.insert(drill.ns);
    for (const std::string& ns : namespaces) {
      const auto written = runner_.PutBack(ns);
      if (!written) return Complain(written.error(), command_.output);
      if (command_.output == OutputFormat::kJson)
        PrintJsonLine({{"namespace", ns}, {"written", *written}});
      else
        fmt::print("{}: {}\n", ns,
                   written->empty() ? "as its manifests say"
                                    : fmt::format("put back {}", fmt::join(*written, ", ")));
    }
    return 0;
  }

 private:
  // All that it changes in the cluster carries the trace of its span, which the observatory gets at
  // its end: the agent is told nothing by it.
  drills::Seen RunTraced(const drills::Drill& drill) {
    CommandSpan span(loop_, "drill", {"enclave", "drill", drill.name});
    const trace::TraceId trace = span.context().trace_id;
    RememberTrace(paths_, trace);
    drills::Seen seen = [&] {
      const otel::ScopedContext scope({.span = span.context()});
      return runner_.Run(drill);
    }();
    seen.trace = trace.ToString();
    span.Ended(seen.failed.empty() ? 0 : 1);
    if (const auto sent = span.Send(paths_); !sent)
      base::LogWarning("drill", "the span of this command is lost",
                       {{"error", sent.error().message()}});
    return seen;
  }

  bool Report(const drills::Drill& drill, const drills::Seen& seen,
              std::vector<drills::Outcome>* runs) const {
    const drills::Verdict verdict = drills::Judge(drill, seen);
    runs->push_back({.drill = drill.name, .quiet = drill.causes.empty(), .verdict = verdict});
    if (command_.output == OutputFormat::kJson)
      PrintJsonLine(drills::ToJson(drill, seen, verdict));
    else
      PrintStory(drill, seen, verdict, command_.state);
    return verdict.passed();
  }

  void PrintSummary(const std::vector<drills::Outcome>& runs) const {
    const auto rows = drills::Summary(runs);
    if (command_.output == OutputFormat::kText)
      fmt::print("{}", FormatTable(rows));
    else
      PrintJsonLine({{"summary", rows}});
  }

  const DrillCommand& command_;
  const StatePaths& paths_;
  const drills::Book& book_;
  net::EventLoop& loop_;
  Laboratory laboratory_;
  SignalledPace pace_;
  TerminalShow terminal_;
  PlainShow plain_;
  const bool live_;
  drills::Runner runner_;
};

int RunDrill(const DrillCommand& command) {
  const auto fail = [&](const base::Error& error) { return Complain(error, command.output); };
  const auto paths = ResolveState(command.state);
  if (!paths) return fail(paths.error());
  const std::filesystem::path deploy = FindDeployDirectory();
  const auto book = drills::ReadBook(
      command.folder.empty() ? deploy / "drills" : std::filesystem::path(command.folder));
  if (!book) return fail(book.error());
  if (command.list) {
    List(*book, command.output);
    return 0;
  }
  const auto chosen = Chosen(*book, command);
  if (!chosen) return fail(chosen.error());
  net::EventLoop loop("drill");
  auto laboratory = Enter(*paths, command, deploy, loop);
  if (!laboratory) return fail(laboratory.error());
  Session session(command, *paths, *book, std::move(*laboratory), loop);
  return command.restore ? session.Restore() : session.Run(*chosen);
}

}  // namespace

std::function<int()> AddDrill(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "drill", "Break the boutique on purpose, and see what the agent makes of it");
  const auto options = std::make_shared<DrillCommand>();
  command->add_option("name", options->name, "Which drill")
      ->capture_default_str()
      ->option_text("NAME");
  command->add_flag("--all", options->all, "Every drill, one after the other");
  command->add_flag("--list", options->list, "Say which drills there are");
  command->add_option("--repeat", options->repeat, "How often")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  command->add_option("--pause", options->pause_s, "Seconds of steady load between two drills")
      ->capture_default_str()
      ->check(CLI::Range(0, 3600));
  command->add_flag("--quick", options->quick, "A minute of noise in `noop` instead of five");
  command->add_flag("--unattended", options->unattended,
                    "Without an agent: break it, put it back, and say what showed");
  command->add_flag("--restore", options->restore,
                    "Break nothing: put back what a drill that was killed left broken");
  command
      ->add_option("--agent", options->agent,
                   "The agent that is watched (default: the one in the enclave)")
      ->option_text("URL");
  command->add_option("--drills", options->folder, "The folder of the drills")->option_text("DIR");
  command
      ->add_option("--state", options->state,
                   "State directory (default: $ENCLAVE_STATE, else ~/.local/state/enclave)")
      ->option_text("DIR");
  command->add_option("-o,--output", options->output, "text, or json: one line a drill")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, OutputFormat>{{"text", OutputFormat::kText},
                                              {"json", OutputFormat::kJson}},
          CLI::ignore_case))
      ->option_text("FORMAT");
  command->footer(
      "Examples:\n"
      "  enclave drill\n"
      "  enclave drill hang\n"
      "  enclave drill --all --repeat 3\n\n"
      "Exit code 0 only when the true cause was ranked first, every action was acceptable, users "
      "are\nwell again in time, and nothing healthy was touched. An enclave is started when none "
      "runs.\nWhat was broken is put back, also after an interrupt; after a kill by the "
      "next drill, or --restore.\n");
  return [options] { return RunDrill(*options); };
}

}  // namespace enclave::cli
