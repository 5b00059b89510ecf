#include "cluster/kubelet/hosts_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "base/log.h"
#include "cluster/kubelet/container_files.h"

namespace enclave::cluster {
namespace {

// Changes of one rollout come in bursts; one rewrite serves them all.
constexpr base::Duration kGather = std::chrono::milliseconds(10);
constexpr std::size_t kMaxHostsBytes = 8 << 20;

void AppendNames(std::string* line, const std::string& head, const ServiceView& service,
                 bool same_namespace) {
  if (same_namespace) *line += fmt::format(" {}{}", head, service.name);
  *line += fmt::format(" {0}{1}.{2} {0}{1}.{2}.svc {0}{1}.{2}.svc.cluster.local", head,
                       service.name, service.ns);
}

}  // namespace

std::string RenderHosts(const HostsPod& pod, const std::vector<ServiceView>& services) {
  std::string text =
      "# Written by the enclave; changed when Services change.\n"
      "127.0.0.1 localhost\n"
      "::1 localhost ip6-localhost ip6-loopback\n";
  if (!pod.ip.empty() && !pod.hostname.empty()) {
    text += pod.ip;
    if (!pod.subdomain.empty()) {
      text += fmt::format(" {}.{}.{}.svc.cluster.local", pod.hostname, pod.subdomain, pod.ns);
    }
    text += " " + pod.hostname + "\n";
  }
  for (const HostAlias& alias : pod.aliases) {
    if (alias.ip.empty() || alias.hostnames.empty()) continue;
    text += alias.ip;
    for (const std::string& name : alias.hostnames) text += " " + name;
    text += "\n";
  }
  for (const ServiceView& service : services) {
    bool same_namespace = service.ns == pod.ns;
    if (!service.cluster_ip.empty()) {
      text += service.cluster_ip;
      AppendNames(&text, "", service, same_namespace);
      text += "\n";
    }
    if (!service.headless) continue;
    for (const EndpointAddress& endpoint : service.addresses) {
      text += endpoint.address;
      AppendNames(&text, "", service, same_namespace);
      if (!endpoint.hostname.empty()) {
        AppendNames(&text, endpoint.hostname + ".", service, same_namespace);
      }
      text += "\n";
    }
  }
  return text;
}

base::Result<> WriteHosts(const std::string& path, const std::string& content) {
  if (ReadSmallFile(path, kMaxHostsBytes) == content) return {};
  int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  struct stat info{};
  bool done = fd >= 0 && fstat(fd, &info) == 0;
  if (done) {
    // A reader between write and cut sees empty lines instead of a rest of the old text.
    std::string padded = content;
    if (padded.size() < static_cast<std::size_t>(info.st_size)) {
      padded.resize(static_cast<std::size_t>(info.st_size), '\n');
    }
    done = pwrite(fd, padded.data(), padded.size(), 0) == static_cast<ssize_t>(padded.size()) &&
           ftruncate(fd, static_cast<off_t>(content.size())) == 0;
  }
  std::string reason = std::strerror(errno);
  if (fd >= 0) close(fd);
  if (done) return {};
  return base::Fail(base::ErrorKind::kUnavailable, fmt::format("write {}: {}", path, reason));
}

HostsFiles::HostsFiles(kube::SharedInformers& informers)
    : informers_(informers),
      services_(informers.For(kube::kService)),
      slices_(informers.For(kube::kEndpointSlice)) {
  auto changed = [this, alive = std::weak_ptr<bool>(alive_)](const kube::ObjectPtr&,
                                                             const kube::ObjectPtr&) {
    if (!alive.expired()) Changed();
  };
  services_.OnChange(changed);
  slices_.OnChange(changed);
}

HostsFiles::~HostsFiles() = default;

std::vector<ServiceView> HostsFiles::Services() const {
  std::vector<kube::ObjectPtr> slices = slices_.List();
  std::multimap<std::string, kube::ObjectPtr> by_namespace;
  for (kube::ObjectPtr& slice : slices) by_namespace.emplace(slice->ns(), slice);
  std::vector<ServiceView> views;
  for (const kube::ObjectPtr& service : services_.List()) {
    std::vector<kube::ObjectPtr> own;
    // Only headless services need their endpoints here.
    if (kube::StringAt(service->json(), "spec.clusterIP") == "None") {
      auto [begin, end] = by_namespace.equal_range(service->ns());
      for (auto slice = begin; slice != end; ++slice) own.push_back(slice->second);
    }
    views.push_back(ViewService(*service, own));
  }
  return views;
}

base::Result<> HostsFiles::Add(const std::string& pod_uid, HostsPod pod, const std::string& path) {
  std::string content = RenderHosts(pod, Services());
  RETURN_IF_ERROR(WriteHosts(path, content));
  pods_.insert_or_assign(pod_uid, Entry{std::move(pod), path, std::move(content)});
  return {};
}

void HostsFiles::Remove(const std::string& pod_uid) {
  pods_.erase(pod_uid);
}

void HostsFiles::Changed() {
  if (scheduled_ || pods_.empty()) return;
  scheduled_ = true;
  informers_.executor().After(kGather, [this, alive = std::weak_ptr<bool>(alive_)] {
    if (alive.expired()) return;
    scheduled_ = false;
    WriteAll();
  });
}

void HostsFiles::WriteAll() {
  std::vector<ServiceView> services = Services();
  for (auto& [uid, entry] : pods_) {
    std::string content = RenderHosts(entry.pod, services);
    if (content == entry.written) continue;
    if (auto written = WriteHosts(entry.path, content); !written) {
      base::LogWarning("kubelet", "a pod's hosts file was not updated",
                       {{"path", entry.path}, {"error", written.error().message()}});
      continue;
    }
    entry.written = std::move(content);
  }
}

}  // namespace enclave::cluster
