#include "cluster/kubelet/probe_spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "cluster/kubelet/pod_fields.h"

namespace enclave::cluster {

using base::ErrorKind;
using kube::Json;

namespace {

// Longer periods and delays are cut: virtual and real time must not overflow.
constexpr std::int64_t kMostProbeSeconds = 1 << 30;

base::Result<std::uint16_t> PortOf(const Json& port, const Json& container) {
  std::int64_t number = 0;
  if (port.is_number_integer()) {
    number = port.is_number_unsigned() && port.get<std::uint64_t>() > 65535
                 ? 0
                 : port.get<std::int64_t>();
  } else if (port.is_string()) {
    const std::string& name = port.get_ref<const std::string&>();
    if (const Json* named = EntryNamed(ListAt(container, "ports"), name)) {
      number = kube::IntAt(*named, "containerPort");
    } else {
      const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
      if (error != std::errc() || end != name.data() + name.size())
        return base::Fail(ErrorKind::kInvalidArgument, "couldn't find port: " + name);
    }
  }
  if (number < 1 || number > 65535)
    return base::Fail(ErrorKind::kInvalidArgument,
                      fmt::format("invalid port number: {}", port.dump()));
  return static_cast<std::uint16_t>(number);
}

std::chrono::seconds SecondsAt(const Json& value, const char* field, std::int64_t fallback,
                               std::int64_t least) {
  std::int64_t seconds = kube::IntAt(value, field, fallback);
  // 0 means 'not set' where at least 1 is asked for, as the API server defaults it.
  if (seconds < least) seconds = fallback;
  return std::chrono::seconds(std::min(seconds, kMostProbeSeconds));
}

}  // namespace

base::Result<Probe> ParseProbeAction(const Json& action, const Json& container,
                                     const std::string& pod_ip) {
  Probe probe;
  probe.host = pod_ip;
  if (const Json& exec = kube::At(action, "exec"); exec.is_object()) {
    probe.type = Probe::Type::kExec;
    for (const Json& word : ListAt(exec, "command"))
      if (word.is_string()) probe.command.push_back(word.get<std::string>());
    if (probe.command.empty())
      return base::Fail(ErrorKind::kInvalidArgument, "exec has no command");
    return probe;
  }
  if (const Json& http = kube::At(action, "httpGet"); http.is_object()) {
    probe.type = Probe::Type::kHttpGet;
    ASSIGN_OR_RETURN(probe.port, PortOf(kube::At(http, "port"), container));
    if (const std::string& host = kube::StringAt(http, "host"); !host.empty()) probe.host = host;
    probe.path = kube::StringAt(http, "path");
    if (!probe.path.starts_with('/')) probe.path.insert(0, "/");
    const std::string& scheme = kube::StringAt(http, "scheme");
    probe.https = scheme == "HTTPS" || scheme == "https";
    for (const Json& header : ListAt(http, "httpHeaders"))
      probe.headers.emplace_back(kube::StringAt(header, "name"), kube::StringAt(header, "value"));
    return probe;
  }
  if (const Json& tcp = kube::At(action, "tcpSocket"); tcp.is_object()) {
    probe.type = Probe::Type::kTcpSocket;
    ASSIGN_OR_RETURN(probe.port, PortOf(kube::At(tcp, "port"), container));
    if (const std::string& host = kube::StringAt(tcp, "host"); !host.empty()) probe.host = host;
    return probe;
  }
  if (const Json& grpc = kube::At(action, "grpc"); grpc.is_object()) {
    probe.type = Probe::Type::kGrpc;
    ASSIGN_OR_RETURN(probe.port, PortOf(kube::At(grpc, "port"), container));
    probe.service = kube::StringAt(grpc, "service");
    return probe;
  }
  return base::Fail(ErrorKind::kInvalidArgument, "no exec, httpGet, tcpSocket or grpc action");
}

ProbeSpec ParseProbe(const Json& json, const Json& container, const std::string& pod_ip) {
  ProbeSpec spec;
  if (base::Result<Probe> action = ParseProbeAction(json, container, pod_ip)) {
    spec.probe = std::move(*action);
  } else {
    spec.fault = action.error().message();
  }
  spec.initial_delay = SecondsAt(json, "initialDelaySeconds", 0, 0);
  spec.period = SecondsAt(json, "periodSeconds", 10, 1);
  spec.probe.timeout = SecondsAt(json, "timeoutSeconds", 1, 1);
  spec.success_threshold = std::max<std::int64_t>(1, kube::IntAt(json, "successThreshold", 1));
  spec.failure_threshold = kube::IntAt(json, "failureThreshold", 3);
  if (spec.failure_threshold < 1) spec.failure_threshold = 3;
  if (const std::int64_t grace = kube::IntAt(json, "terminationGracePeriodSeconds", -1); grace >= 0)
    spec.termination_grace_seconds = std::min(grace, kMostProbeSeconds);
  return spec;
}

}  // namespace enclave::cluster
