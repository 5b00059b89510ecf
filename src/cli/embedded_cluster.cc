#include "cli/embedded_cluster.h"

#include <fmt/format.h>

#include <future>
#include <utility>

#include "base/log.h"
#include "base/random.h"
#include "cli/machine.h"
#include "cluster/api/api_server.h"
#include "cluster/api/audit_log.h"
#include "cluster/api/authenticator.h"
#include "cluster/api/kube_state_metrics.h"
#include "cluster/api/local_api.h"
#include "cluster/api/log_endpoint.h"
#include "cluster/api/machinery.h"
#include "cluster/api/pki.h"
#include "cluster/api/registry.h"
#include "cluster/api/reviews.h"
#include "cluster/api/service_account_tokens.h"
#include "cluster/api/service_addresses.h"
#include "cluster/api/token_endpoint.h"
#include "cluster/api/usage_resources.h"
#include "cluster/controllers/controller_manager.h"
#include "cluster/kubelet/address_pool.h"
#include "cluster/kubelet/address_range.h"
#include "cluster/kubelet/disk_volume_store.h"
#include "cluster/kubelet/hosts_file.h"
#include "cluster/kubelet/image_catalog.h"
#include "cluster/kubelet/kubelet.h"
#include "cluster/kubelet/network_prober.h"
#include "cluster/kubelet/pod_logs.h"
#include "cluster/kubelet/process_runtime.h"
#include "cluster/kubelet/service_proxy.h"
#include "cluster/kubelet/usage_sampler.h"
#include "cluster/scheduler/scheduler.h"
#include "cluster/store/sqlite_store.h"
#include "kube/kubeconfig.h"
#include "net/event_loop.h"
#include "net/url.h"

namespace enclave::cli {
namespace {

using base::Result;
using namespace cluster;

constexpr std::uint16_t kDefaultPort = 6443;

// Runs `task` on the loop and waits for it: parts that live on an executor are made and ended
// there.
void RunOn(net::EventLoop& loop, const std::function<void()>& task) {
  std::promise<void> done;
  loop.Post([&] {
    task();
    done.set_value();
  });
  done.get_future().wait();
}

// Controllers and scheduler: all that turns wanted state into objects.
struct Control {
  Control(kube::Api& api, base::Executor& executor, const ControllerManager::Options& options)
      : informers(api, executor, base::SystemRandom()),
        controllers(informers, options),
        scheduler(informers) {}

  kube::SharedInformers informers;
  ControllerManager controllers;
  Scheduler scheduler;
};

// An enclave keeps its port: the one that its kubeconfig names, which clients may have copied.
std::uint16_t PortBefore(const StatePaths& paths) {
  const auto kubeconfig = kube::Kubeconfig::Load({paths.kubeconfig().string()});
  if (!kubeconfig) return kDefaultPort;
  const auto config = kubeconfig->Resolve();
  if (!config) return kDefaultPort;
  const auto origin = net::ParseOrigin(config->server);
  return origin ? origin->port : kDefaultPort;
}

// Before anything is begun, and in words that say what to do.
Result<> RequireFreePort(const std::string& address, std::uint16_t port) {
  if (!PortIsTaken(address, port)) return {};
  return base::Fail(base::ErrorKind::kInvalidArgument,
                    fmt::format("port {} of {} is taken: another program listens on it, perhaps on "
                                "all addresses, as k3s does; choose another port with `enclave up "
                                "--port N`",
                                port, address));
}

bool NodeReady(const kube::Object& node) {
  for (const kube::Json& condition : kube::At(node.json(), "status.conditions"))
    if (kube::StringAt(condition, "type") == "Ready")
      return kube::StringAt(condition, "status") == "True";
  return false;
}

// The node agent with all it needs on its executor: names and addresses of Services, hosts files,
// pods.
struct Node {
  struct Ports {
    kube::Api& api;
    net::EventLoop& loop;
    net::EventLoop& data_loop;
    ContainerRuntime& runtime;
    Prober& prober;
    ImageSource& images;
    AddressPool addresses;
    const Store& store;
    const ServiceAccountTokens& tokens;
    const StatePaths& paths;
  };

  Node(Ports given, const KubeletOptions& options)
      : ports(std::move(given)),
        informers(ports.api, ports.loop, base::SystemRandom()),
        volumes((ports.paths.root / "volumes").string(), (ports.paths.root / "pod-logs").string()),
        hosts(informers),
        proxy(informers, ports.data_loop, {.node_address = options.node_ip}),
        kubelet(options,
                {.informers = informers,
                 .runtime = ports.runtime,
                 .prober = ports.prober,
                 .images = ports.images,
                 .volumes = volumes,
                 .addresses = ports.addresses,
                 .token = [this](const TokenRequest& request) { return MakeToken(request); },
                 .pod_mounts = [this](const kube::Object& pod,
                                      const std::string& ip) { return HostsMount(pod, ip); },
                 .pod_removed = [this](const std::string& uid) { ForgetHosts(uid); }}) {}

  void OnReady(std::function<void()> on_ready) {
    informers.For(kube::kNode)
        .OnChange([on_ready = std::move(on_ready), told = std::make_shared<bool>(false)](
                      const auto&, const kube::ObjectPtr& node) {
          if (*told || node == nullptr || !NodeReady(*node)) return;
          *told = true;
          on_ready();
        });
  }

  Result<std::string> MakeToken(const TokenRequest& request) {
    TokenOrder order{.ns = request.ns,
                     .service_account = request.service_account,
                     .pod_name = request.pod_name,
                     .pod_uid = request.pod_uid,
                     .audiences = {},
                     .expiration_seconds = request.expiration_seconds};
    if (!request.audience.empty()) order.audiences = {request.audience};
    ASSIGN_OR_RETURN(auto issued, IssueToken(ports.store, ports.tokens, order));
    return std::move(issued.token);
  }

  std::filesystem::path HostsPath(const std::string& uid) const {
    return ports.paths.root / "hosts" / uid;
  }

  std::vector<Mount> HostsMount(const kube::Object& pod, const std::string& ip) {
    const kube::Json& spec = kube::At(pod.json(), "spec");
    HostsPod entry{.ns = pod.ns(), .ip = ip, .hostname = kube::StringAt(spec, "hostname")};
    if (entry.hostname.empty()) entry.hostname = pod.name();
    entry.subdomain = kube::StringAt(spec, "subdomain");
    for (const kube::Json& alias : kube::At(spec, "hostAliases")) {
      HostAlias& added = entry.aliases.emplace_back();
      added.ip = kube::StringAt(alias, "ip");
      for (const kube::Json& name : kube::At(alias, "hostnames"))
        if (name.is_string()) added.hostnames.push_back(name.get<std::string>());
    }
    const std::filesystem::path path = HostsPath(pod.uid());
    std::error_code error;
    std::filesystem::create_directories(path.parent_path(), error);
    if (const auto added = hosts.Add(pod.uid(), std::move(entry), path.string()); !added) {
      base::LogWarning("kubelet", "a pod goes without its hosts file",
                       {{"pod", pod.name()}, {"error", added.error().message()}});
      return {};
    }
    return {{.source = path.string(), .target = "/etc/hosts", .read_only = false}};
  }

  void ForgetHosts(const std::string& uid) {
    hosts.Remove(uid);
    std::error_code error;
    std::filesystem::remove(HostsPath(uid), error);
  }

  Ports ports;
  kube::SharedInformers informers;
  DiskVolumeStore volumes;
  HostsFiles hosts;
  ServiceProxy proxy;
  Kubelet kubelet;
};

}  // namespace

struct EmbeddedCluster::Parts {
  explicit Parts(const StatePaths& state) : paths(state) {}
  ~Parts() {
    // Requests first, then those who act on objects, then what they act through.
    server.reset();
    RunOn(control_loop, [this] { control.reset(); });
    RunOn(node_loop, [this] { node.reset(); });
  }

  Result<> OpenState();
  Result<> OpenApi();
  Result<> StartNode(const ClusterOptions& options);
  void StartControl();
  Result<> Serve();

  const StatePaths paths;
  AddressRange range{0};
  std::uint16_t port = 0;
  std::string url;
  Pki pki;
  std::unique_ptr<Store> store;
  std::unique_ptr<Registry> registry;
  AllowAuthenticated authorizer;
  std::unique_ptr<Machinery> machinery;
  std::unique_ptr<ServiceAccountTokens> tokens;
  std::unique_ptr<Authenticator> authenticator;
  std::unique_ptr<AuditLog> audit;
  ApiMetrics metrics;
  std::unique_ptr<LocalApi> control_api;
  std::unique_ptr<LocalApi> node_api;

  net::EventLoop api_loop{"api", 2};
  net::EventLoop data_loop{"data"};
  net::EventLoop node_loop{"node"};
  net::EventLoop control_loop{"control"};

  std::unique_ptr<ProcessRuntime> runtime;
  std::unique_ptr<NetworkProber> prober;
  std::unique_ptr<ImageCatalog> images;
  std::unique_ptr<PodLogs> logs;
  std::unique_ptr<Node> node;
  std::unique_ptr<Control> control;
  std::unique_ptr<ApiServer> server;
};

Result<> EmbeddedCluster::Parts::OpenState() {
  ASSIGN_OR_RETURN(range, ClaimAddressRange(paths.root.string()));
  ASSIGN_OR_RETURN(pki, LoadOrCreatePki({.directory = paths.root / "pki",
                                         .server_addresses = {range.api_address()}}));
  std::error_code error;
  std::filesystem::create_directories(paths.audit().parent_path(), error);
  ASSIGN_OR_RETURN(audit, AuditLog::Open(paths.audit().string()));
  ASSIGN_OR_RETURN(store, SqliteStore::Open(paths.database().string()));
  return {};
}

Result<> EmbeddedCluster::Parts::OpenApi() {
  tokens = std::make_unique<ServiceAccountTokens>(pki.token_key_pem, base::SystemClock(),
                                                  base::SystemRandom());
  authenticator = std::make_unique<Authenticator>(*store, *tokens, pki.admin_token);
  registry = Registry::WithBuiltIns();
  ASSIGN_OR_RETURN(const auto addresses,
                   ServiceAddresses::Make(range.service_cidr(), range.api_address()));
  Resource services = *registry->Find(kube::kService);
  services.claims = addresses;
  registry->Add(std::move(services));
  AdmitServiceAccounts(*registry);
  AddReviewResources(*registry, authorizer, *authenticator);
  machinery =
      std::make_unique<Machinery>(*store, *registry, base::SystemClock(), base::SystemRandom());
  control_api =
      std::make_unique<LocalApi>(*machinery, "system:kube-controller-manager", audit.get());
  return {};
}

Result<> EmbeddedCluster::Parts::StartNode(const ClusterOptions& options) {
  node_api =
      std::make_unique<LocalApi>(*machinery, "system:node:" + options.node_name, audit.get());
  ASSIGN_OR_RETURN(runtime,
                   ProcessRuntime::Create(node_loop, {.state_directory = paths.root.string()}));
  prober = std::make_unique<NetworkProber>(node_loop, *runtime);
  std::vector<std::string> catalogues;
  if (const auto deploy = FindDeployDirectory(); !deploy.empty())
    catalogues.push_back((deploy / "images.yaml").string());
  catalogues.push_back((paths.root / "images.yaml").string());
  catalogues.insert(catalogues.end(), options.images.begin(), options.images.end());
  ASSIGN_OR_RETURN(images, ImageCatalog::Load(std::move(catalogues)));
  ASSIGN_OR_RETURN(AddressPool addresses, AddressPool::Make(range.pod_cidr()));

  KubeletOptions kubelet;
  DescribeMachine(&kubelet);
  kubelet.node_name = options.node_name;
  kubelet.node_ip = range.api_address();
  kubelet.api_host = range.api_address();
  kubelet.api_port = port;
  kubelet.cluster_ca = pki.authority.certificate_pem;
  RunOn(node_loop, [&] {
    node = std::make_unique<Node>(Node::Ports{.api = *node_api,
                                              .loop = node_loop,
                                              .data_loop = data_loop,
                                              .runtime = *runtime,
                                              .prober = *prober,
                                              .images = *images,
                                              .addresses = std::move(addresses),
                                              .store = *store,
                                              .tokens = *tokens,
                                              .paths = paths},
                                  kubelet);
  });
  logs = std::make_unique<PodLogs>(*node_api, node_loop, (paths.root / "pod-logs").string());
  AddUsageResources(*registry, node->kubelet.usage(), *store);
  return {};
}

void EmbeddedCluster::Parts::StartControl() {
  ControllerManager::Options options;
  options.kinds = registry->StoredKinds();
  options.root_ca_pem = pki.authority.certificate_pem;
  options.kubernetes_service = {.cluster_ip = range.api_address(),
                                .addresses = {range.api_address()},
                                .port = port,
                                .target_port = port};
  RunOn(control_loop,
        [&] { control = std::make_unique<Control>(*control_api, control_loop, options); });
}

Result<> EmbeddedCluster::Parts::Serve() {
  ApiServer::Options options;
  options.address = range.api_address();
  options.port = port;
  options.certificate = pki.server;
  options.client_ca_pem = pki.authority.certificate_pem;
  ASSIGN_OR_RETURN(server, ApiServer::Start(std::move(options), {.loop = api_loop,
                                                                 .machinery = *machinery,
                                                                 .authenticator = *authenticator,
                                                                 .authorizer = authorizer,
                                                                 .metrics = metrics,
                                                                 .random = base::SystemRandom(),
                                                                 .audit = audit.get()}));
  server->Connect("pods/log", ServeLogs(*logs));
  server->Connect("serviceaccounts/token", ServeTokenRequests(*store, *tokens));
  server->AddMetrics("/metrics/cadvisor", [this] { return node->kubelet.usage().CadvisorText(); });
  server->AddMetrics("/metrics/kube-state", [this] { return RenderKubeStateMetrics(*store); });
  url = fmt::format("https://{}:{}", range.api_address(), server->port());
  return WriteAdminKubeconfig(paths.kubeconfig(), url, pki);
}

EmbeddedCluster::EmbeddedCluster(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
EmbeddedCluster::~EmbeddedCluster() = default;

Result<std::unique_ptr<EmbeddedCluster>> EmbeddedCluster::Start(const StatePaths& paths,
                                                                const ClusterOptions& options) {
  auto parts = std::make_unique<Parts>(paths);
  parts->port = options.port != 0 ? options.port : PortBefore(paths);
  RETURN_IF_ERROR(parts->OpenState());
  RETURN_IF_ERROR(RequireFreePort(parts->range.api_address(), parts->port));
  RETURN_IF_ERROR(parts->OpenApi());
  RETURN_IF_ERROR(parts->StartNode(options));
  parts->StartControl();
  RETURN_IF_ERROR(parts->Serve());
  return std::unique_ptr<EmbeddedCluster>(new EmbeddedCluster(std::move(parts)));
}

void EmbeddedCluster::OnReady(std::function<void()> on_ready) {
  RunOn(parts_->node_loop, [&] { parts_->node->OnReady(std::move(on_ready)); });
}

const std::string& EmbeddedCluster::server() const {
  return parts_->url;
}

}  // namespace enclave::cli
