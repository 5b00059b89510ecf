// Requests that are not about resources: discovery, the version, health, OpenAPI, metrics.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "cluster/api/api_metrics.h"
#include "cluster/api/machinery.h"
#include "cluster/api/request_info.h"
#include "net/http.h"

namespace enclave::cluster {

class PlainHandler {
 public:
  struct Options {
    std::string git_version;     // "v1.33.0-enclave"
    std::string server_address;  // "127.77.240.1:6443", for discovery
  };
  PlainHandler(Machinery& machinery, const ApiMetrics& metrics, Options options);

  // GET `path` answers with what `text` gives, in the Prometheus text format. Thread-safe.
  void AddMetrics(std::string path, std::function<std::string()> text);
  // nodes/NODE/proxy/metrics/…: what AddMetrics put under that path, as the node's kubelet would
  // serve it. Scrape configurations for Kubernetes ask for "metrics/cadvisor" there.
  net::Response ServeNodeProxy(const RequestInfo& info) const;
  // 404 for paths that are nothing.
  net::Response Serve(const net::Request& request) const;

 private:
  // What AddMetrics has for a path; none when it has nothing.
  std::optional<net::Response> Metrics(const std::string& path) const;
  net::Response Discovery(const net::Request& request) const;
  net::Response Version() const;
  net::Response Health(const net::Request& request) const;
  net::Response OpenApi(const net::Request& request) const;
  std::string OwnMetrics() const;

  Machinery& machinery_;
  const ApiMetrics& metrics_;
  const Options options_;
  mutable std::mutex mutex_;
  std::map<std::string, std::function<std::string()>> texts_;  // guarded by mutex_
};

}  // namespace enclave::cluster
