#include "cluster/kubelet/container_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <ctime>

namespace enclave::cluster {
namespace {

constexpr std::string_view kMagic = "enclave-container-spec 1";

void Put(std::string& out, std::string_view key, std::string_view value) {
  out.append(key);
  out.push_back('=');
  out.append(value);
  out.push_back('\0');
}

bool ParseInt(std::string_view text, std::int64_t* value) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size();
}

void AppendJsonString(std::string& out, std::string_view text) {
  out.push_back('"');
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (byte < 0x20 || byte >= 0x7f) {
      // Bytes beyond ASCII come from paths in messages, in any encoding; as code points they are
      // always valid JSON.
      char buffer[8];
      std::snprintf(buffer, sizeof buffer, "\\u%04x", byte);
      out.append(buffer);
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
}

}  // namespace

std::string EncodeShimSpec(const ShimSpec& spec) {
  std::string out(kMagic);
  out.push_back('\0');
  Put(out, "id", spec.container_id);
  for (const std::string& arg : spec.argv) Put(out, "arg", arg);
  for (const std::string& variable : spec.environment) Put(out, "env", variable);
  Put(out, "cwd", spec.working_directory);
  for (const ShimMount& mount : spec.mounts) {
    Put(out, "mount-source", mount.source);
    Put(out, "mount-target", mount.target);
    Put(out, "mount-mode", mount.read_only ? "ro" : "rw");
    if (mount.optional) Put(out, "mount-optional", "yes");
  }
  for (const std::string& cgroup : spec.cgroups) Put(out, "cgroup", cgroup);
  Put(out, "log-directory", spec.log_directory);
  Put(out, "log-name", spec.log_name);
  Put(out, "log-max-bytes", std::to_string(spec.log_max_bytes));
  Put(out, "log-max-files", std::to_string(spec.log_max_files));
  Put(out, "memory-bytes", std::to_string(spec.memory_bytes));
  Put(out, "end", "");
  return out;
}

std::optional<ShimSpec> DecodeShimSpec(std::string_view text) {
  ShimSpec spec;
  bool first = true;
  while (!text.empty()) {
    std::size_t end = text.find('\0');
    if (end == std::string_view::npos) return std::nullopt;
    std::string_view record = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (first) {
      if (record != kMagic) return std::nullopt;
      first = false;
      continue;
    }
    std::size_t equals = record.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    std::string_view key = record.substr(0, equals);
    std::string value(record.substr(equals + 1));
    if (key == "id") {
      spec.container_id = value;
    } else if (key == "arg") {
      spec.argv.push_back(value);
    } else if (key == "env") {
      spec.environment.push_back(value);
    } else if (key == "cwd") {
      spec.working_directory = value;
    } else if (key == "mount-source") {
      spec.mounts.push_back({value, "", false, false});
    } else if (key == "mount-target" || key == "mount-mode" || key == "mount-optional") {
      if (spec.mounts.empty()) return std::nullopt;
      if (key == "mount-target") {
        spec.mounts.back().target = value;
      } else if (key == "mount-optional") {
        spec.mounts.back().optional = value == "yes";
      } else {
        spec.mounts.back().read_only = value == "ro";
      }
    } else if (key == "cgroup") {
      spec.cgroups.push_back(value);
    } else if (key == "log-directory") {
      spec.log_directory = value;
    } else if (key == "log-name") {
      spec.log_name = value;
    } else if (key == "log-max-bytes") {
      if (!ParseInt(value, &spec.log_max_bytes)) return std::nullopt;
    } else if (key == "log-max-files") {
      if (!ParseInt(value, &spec.log_max_files)) return std::nullopt;
    } else if (key == "memory-bytes") {
      if (!ParseInt(value, &spec.memory_bytes)) return std::nullopt;
    } else if (key == "end") {
      if (!text.empty() || spec.argv.empty()) return std::nullopt;
      return spec;
    }
    // Keys of a later version are passed over.
  }
  return std::nullopt;
}

std::string EncodeShimStatus(const ShimStatus& status) {
  std::string out = "{\"version\":1,\"containerId\":";
  AppendJsonString(out, status.container_id);
  out += ",\"bootId\":";
  AppendJsonString(out, status.boot_id);
  out += ",\"shimPid\":" + std::to_string(status.shim_pid);
  out += ",\"shimStartTicks\":" + std::to_string(status.shim_start_ticks);
  out += ",\"pid\":" + std::to_string(status.pid);
  out += ",\"startTicks\":" + std::to_string(status.start_ticks);
  out += ",\"startedAtNs\":" + std::to_string(status.started_at_ns);
  out += ",\"isolated\":" + std::string(status.isolated ? "true" : "false");
  out += ",\"warnings\":[";
  for (std::size_t i = 0; i < status.warnings.size(); ++i) {
    if (i > 0) out.push_back(',');
    AppendJsonString(out, status.warnings[i]);
  }
  out += "],\"exited\":" + std::string(status.exited ? "true" : "false");
  if (status.exited) {
    out += ",\"exitCode\":" + std::to_string(status.exit_code);
    out += ",\"signal\":" + std::to_string(status.signal);
    out += ",\"oomKilled\":" + std::string(status.oom_killed ? "true" : "false");
    out += ",\"finishedAtNs\":" + std::to_string(status.finished_at_ns);
  }
  out += "}\n";
  return out;
}

std::optional<std::uint64_t> ProcessStartTicks(std::int64_t pid) {
  auto stat = ReadSmallFile("/proc/" + std::to_string(pid) + "/stat", 4096);
  if (!stat) return std::nullopt;
  // The command in parentheses may hold anything; the fields are counted after its end.
  std::size_t at = stat->rfind(')');
  if (at == std::string::npos) return std::nullopt;
  ++at;
  for (int field = 3; field <= 22; ++field) {
    at = stat->find_first_not_of(' ', at);
    if (at == std::string::npos) return std::nullopt;
    if (field < 22) at = stat->find(' ', at);
    if (at == std::string::npos) return std::nullopt;
  }
  std::uint64_t ticks = 0;
  auto [end, error] = std::from_chars(stat->data() + at, stat->data() + stat->size(), ticks);
  if (error != std::errc()) return std::nullopt;
  return ticks;
}

std::optional<std::string> ReadSmallFile(const std::string& path, std::size_t max_bytes) {
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  std::string text;
  char buffer[4096];
  while (true) {
    ssize_t n = read(fd, buffer, sizeof buffer);
    if (n == 0) break;
    if (n < 0) {
      if (errno == EINTR) continue;
      close(fd);
      return std::nullopt;
    }
    text.append(buffer, static_cast<std::size_t>(n));
    if (text.size() > max_bytes) {
      close(fd);
      return std::nullopt;
    }
  }
  close(fd);
  return text;
}

bool WriteSmallFile(const std::string& path, std::string_view text) {
  int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  ssize_t n = write(fd, text.data(), text.size());
  close(fd);
  return n == static_cast<ssize_t>(text.size());
}

std::string CriTimestamp(std::int64_t unix_ns) {
  std::int64_t seconds = unix_ns / 1'000'000'000;
  std::int64_t nanos = unix_ns % 1'000'000'000;
  if (nanos < 0) {
    nanos += 1'000'000'000;
    --seconds;
  }
  time_t time = static_cast<time_t>(seconds);
  struct tm parts;
  gmtime_r(&time, &parts);
  char buffer[80];
  int n = std::snprintf(buffer, sizeof buffer, "%04d-%02d-%02dT%02d:%02d:%02d.%09lldZ",
                        parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour,
                        parts.tm_min, parts.tm_sec, static_cast<long long>(nanos));
  return std::string(buffer, static_cast<std::size_t>(n));
}

}  // namespace enclave::cluster
