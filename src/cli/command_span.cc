#include "cli/command_span.h"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "base/random.h"
#include "cli/cluster_access.h"
#include "trace/command_line.h"
#include "trace/environment.h"

namespace enclave::cli {
namespace {

constexpr std::chrono::milliseconds kLastFlush{2'000};

std::string UserName() {
  const passwd* user = ::getpwuid(::geteuid());
  return user != nullptr ? user->pw_name : std::to_string(::geteuid());
}

// The observatory, as an endpoint for OTLP. The environment's own goes before.
base::Result<std::string> TracesEndpoint(const StatePaths& paths) {
  if (auto given = otel::ProcessEnvironment("OTEL_EXPORTER_OTLP_ENDPOINT");
      given && !given->empty()) {
    return *std::move(given);
  }
  return ObservatoryUrl(paths);
}

}  // namespace

CommandSpan::CommandSpan(net::EventLoop& loop, const std::string& name,
                         const std::vector<std::string>& argv)
    : loop_(loop), tracer_(loop, base::SystemRandom(), [this](otel::EndedSpan span) {
        ended_ = std::move(span);
      }) {
  otel::SpanOptions options{.new_trace = true};
  if (const auto parent = trace::ExtractFromEnvironment(otel::ProcessEnvironment)) {
    options.parent = parent;
    options.new_trace = false;
  }
  const std::string program = std::filesystem::path(argv.front()).filename().string();
  span_ = tracer_.StartSpan(name.empty() ? program : name, std::move(options));
  span_.SetAttribute("process.executable.name", program);
  std::string line;
  for (const std::string& argument : trace::WithoutSecrets(argv)) {
    if (!line.empty()) line += ' ';
    line += argument;
  }
  span_.SetAttribute("process.command_line", line);
  span_.SetAttribute("user.name", UserName());
  std::error_code error;
  span_.SetAttribute("process.working_directory", std::filesystem::current_path(error).string());
}

void CommandSpan::Started(pid_t pid) {
  span_.SetAttribute("process.pid", std::int64_t{pid});
}

void CommandSpan::Ended(int exit_code) {
  span_.SetAttribute("process.exit.code", std::int64_t{exit_code});
  if (exit_code != 0) {
    span_.SetAttribute("error.type", std::to_string(exit_code));
    span_.SetStatus(otel::SpanStatus::kError, fmt::format("exit code {}", exit_code));
  }
  span_.End();
}

void CommandSpan::Failed(const base::Error& error, int exit_code) {
  span_.RecordError(error);
  span_.SetAttribute("process.exit.code", std::int64_t{exit_code});
  span_.End();
}

base::Result<> CommandSpan::Send(const StatePaths& paths) {
  if (!ended_) return {};  // its trace is one that is not recorded
  ASSIGN_OR_RETURN(const std::string endpoint, TracesEndpoint(paths));
  telemetry::Attributes resource{{"service.name", std::string("terminal")}};
  ASSIGN_OR_RETURN(const auto exporter,
                   otel::Exporter::Create(loop_, base::SystemRandom(), {.endpoint = endpoint},
                                          std::move(resource), [](auto&) {}));
  exporter->Add(*std::move(ended_));
  if (exporter->Shutdown(kLastFlush)) return {};
  return base::Fail(base::ErrorKind::kUnavailable, fmt::format("{} did not take it", endpoint));
}

void RememberTrace(const StatePaths& paths, const trace::TraceId& id) {
  if (!RequireEnclave(paths)) return;
  std::ofstream file(paths.last_run(), std::ios::trunc);
  file << id.ToString() << '\n';
}

}  // namespace enclave::cli
