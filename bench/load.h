// What the benchmarks of a Kubernetes API share: the connection to it and the shape of a figure.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "kube/api.h"
#include "net/event_loop.h"
#include "net/http_client.h"

namespace enclave::bench {

struct Figure {
  std::string name;
  double value = 0;
  std::string unit;
  std::string how;  // what was done to get it
};

// A cluster to measure: the enclave's own or any other, by its kubeconfig.
struct Target {
  net::EventLoop& loop;  // of callbacks; the clients have another
  net::HttpClient& http;
  kube::Api& api;
  std::string ns;     // exists, empty, ours
  std::string image;  // runs until it is told to end
};

// The middle one, and the one below which 99 % lie, of samples in any order. Empty: 0.
double Median(std::vector<double> samples);
double Percentile99(std::vector<double> samples);

// Durable creates/s, gets/s, a list of 5,000 pods, one change to 100 watchers.
base::Result<std::vector<Figure>> MeasureApi(const Target& target);
// From the creation of a Deployment to its pod being Ready; 100 pods at once.
base::Result<std::vector<Figure>> MeasurePods(const Target& target);

}  // namespace enclave::bench
