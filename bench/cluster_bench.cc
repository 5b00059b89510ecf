// Measures a Kubernetes API over its own wire, the enclave's or any other's.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/random.h"
#include "bench/load.h"
#include "kube/client.h"
#include "kube/kubeconfig.h"

namespace enclave::bench {
namespace {

using base::Result;

struct Options {
  std::string kubeconfig;
  std::string image = "sleep";
  std::string only;
  bool json = false;
};

void Print(const std::vector<Figure>& figures, bool json) {
  if (json) {
    nlohmann::json rows = nlohmann::json::array();
    for (const Figure& figure : figures)
      rows.push_back({{"name", figure.name},
                      {"value", figure.value},
                      {"unit", figure.unit},
                      {"how", figure.how}});
    fmt::print("{}\n", rows.dump(2));
    return;
  }
  for (const Figure& figure : figures)
    fmt::print("{:<32} {:>12.2f} {:<4} {}\n", figure.name, figure.value, figure.unit, figure.how);
}

Result<std::vector<Figure>> Measure(const Target& target, const std::string& only) {
  std::vector<Figure> figures;
  if (only != "api") {
    ASSIGN_OR_RETURN(figures, MeasurePods(target));
  }
  if (only != "pods") {
    ASSIGN_OR_RETURN(const auto more, MeasureApi(target));
    figures.insert(figures.end(), more.begin(), more.end());
  }
  return figures;
}

Result<> Run(const Options& options) {
  ASSIGN_OR_RETURN(const auto kubeconfig, kube::Kubeconfig::Load({options.kubeconfig}));
  ASSIGN_OR_RETURN(const auto config, kubeconfig.Resolve());
  // The informers block on the client, so it has a loop of its own.
  net::EventLoop client_loop("client");
  net::EventLoop loop("bench");
  ASSIGN_OR_RETURN(const auto api, kube::Client::Connect(client_loop, config));
  ASSIGN_OR_RETURN(const auto http,
                   net::HttpClient::Create(client_loop, {.base_url = config.server,
                                                         .tls = config.tls,
                                                         .max_idle_connections = 64,
                                                         .max_body_bytes = 256 << 20}));
  const std::string ns =
      "bench-" + base::SystemRandom().Text("abcdefghijklmnopqrstuvwxyz0123456789", 6);
  RETURN_IF_ERROR(
      api->Create(kube::kNamespace, "",
                  {{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", ns}}}}));
  const auto figures = Measure({loop, *http, *api, ns, options.image}, options.only);
  const auto deleted = api->Delete(kube::kNamespace, "", ns, {});
  RETURN_IF_ERROR(figures);
  RETURN_IF_ERROR(deleted);
  Print(*figures, options.json);
  return {};
}

}  // namespace
}  // namespace enclave::bench

int main(int argc, char** argv) {
  enclave::bench::Options options;
  CLI::App app{"Measures a Kubernetes API over its own wire."};
  app.add_option("--kubeconfig", options.kubeconfig, "The cluster to measure")->required();
  app.add_option("--image", options.image, "An image that runs until it is told to end")
      ->capture_default_str();
  app.add_option("--only", options.only, "api or pods: a part of it")
      ->check(CLI::IsMember({"api", "pods"}));
  std::string format;
  app.add_option("-o,--output", format, "text or json")->check(CLI::IsMember({"text", "json"}));
  app.footer("Example:\n  cluster_bench --kubeconfig ~/.local/state/enclave/kubeconfig -o json\n");
  CLI11_PARSE(app, argc, argv);
  options.json = format == "json";
  if (const auto done = enclave::bench::Run(options); !done) {
    fmt::print(stderr, "cluster_bench: {}\n", done.error().ToString());
    return 1;
  }
  return 0;
}
