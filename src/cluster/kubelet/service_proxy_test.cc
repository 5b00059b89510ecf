#include "cluster/kubelet/service_proxy.h"

#include <arpa/inet.h>
#include <linux/capability.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fstream>
#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/kubelet/hosts_file.h"
#include "cluster/kubelet/machine_fixture.h"
#include "cluster/kubelet/tcp_forwarder.h"
#include "cluster/kubelet/test_server.h"
#include "kube/fake_api.h"

namespace enclave::cluster {
namespace {

using kube::Json;
using testing::HasSubstr;
using testing::Not;

// For what shows outside of the process only: a socket, a file.
void Eventually(const std::function<bool()>& holds) {
  for (int i = 0; i < 10'000 && !holds(); ++i) poll(nullptr, 0, 1);
}

struct sockaddr_in Address(const std::string& address, std::uint16_t port) {
  struct sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_port = htons(port);
  inet_pton(AF_INET, address.c_str(), &where.sin_addr);
  return where;
}

int Connect(const std::string& address, std::uint16_t port, const std::string& from = "") {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (!from.empty()) {
    auto where = Address(from, 0);
    EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&where), sizeof where), 0);
  }
  auto where = Address(address, port);
  if (connect(fd, reinterpret_cast<sockaddr*>(&where), sizeof where) != 0) {
    close(fd);
    return -1;
  }
  return fd;
}

// Sends everything while it reads everything, then tells its end and reads to the other's end.
std::string Talk(int fd, const std::string& text) {
  std::thread writer([&] {
    std::size_t sent = 0;
    while (sent < text.size()) {
      ssize_t n = send(fd, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) break;
      sent += static_cast<std::size_t>(n);
    }
    shutdown(fd, SHUT_WR);
  });
  std::string got;
  std::vector<char> buffer(64 << 10);
  ssize_t n = 0;
  while ((n = read(fd, buffer.data(), buffer.size())) > 0) {
    got.append(buffer.data(), static_cast<std::size_t>(n));
  }
  writer.join();
  close(fd);
  return got;
}

// Sends back what comes, preceded by the peer's address; each connection on a thread of its own.
class EchoServer {
 public:
  EchoServer(const std::string& address, std::uint16_t port)
      : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    int one = 1;
    setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    auto where = Address(address, port);
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&where), sizeof where), 0);
    EXPECT_EQ(listen(listener_, 64), 0);
    acceptor_ = std::thread([this] {
      while (true) {
        struct sockaddr_in peer{};
        socklen_t size = sizeof peer;
        int fd = accept(listener_, reinterpret_cast<sockaddr*>(&peer), &size);
        if (fd < 0) return;
        char text[INET_ADDRSTRLEN];
        inet_ntop(AF_INET, &peer.sin_addr, text, sizeof text);
        sessions_.emplace_back([fd, head = std::string(text) + "\n"] {
          EXPECT_GT(send(fd, head.data(), head.size(), MSG_NOSIGNAL), 0);
          std::vector<char> buffer(64 << 10);
          ssize_t n = 0;
          while ((n = read(fd, buffer.data(), buffer.size())) > 0) {
            if (send(fd, buffer.data(), static_cast<std::size_t>(n), MSG_NOSIGNAL) != n) break;
          }
          close(fd);
        });
      }
    });
  }
  ~EchoServer() {
    shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    close(listener_);
    for (std::thread& session : sessions_) session.join();
  }

 private:
  int listener_;
  std::thread acceptor_;
  std::vector<std::thread> sessions_;
};

class TcpForwarderTest : public testing::Test {
 protected:
  TcpForwarderTest() : loop_("proxy"), budget_(std::make_shared<ConnectionBudget>(100)) {}

  // Listens once SetTargets has gone through the loop.
  std::unique_ptr<TcpForwarder> Make(const ForwardTarget& listen,
                                     std::vector<ForwardTarget> targets, bool by_client = false) {
    auto forwarder = TcpForwarder::Create(loop_, listen, budget_, [this](base::Result<> result) {
      std::lock_guard lock(mutex_);
      told_.push_back(result ? "ok" : result.error().message());
      changed_.notify_all();
    });
    forwarder->SetTargets(std::move(targets), by_client);
    return forwarder;
  }
  // Once it listens.
  int ConnectSoon(const ForwardTarget& place) {
    if (!std::exchange(listening_, true)) EXPECT_EQ(AwaitTold(), "ok");
    return Connect(place.address, place.port, client_);
  }
  // Everything that was asked of the loop before has happened: it has one thread.
  void Settle() {
    OnLoop(loop_, [] {});
  }
  std::string AwaitTold() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kTestPatience, [&] { return !told_.empty(); });
    if (told_.empty()) return "";
    std::string first = told_.front();
    told_.erase(told_.begin());
    return first;
  }

  const std::string front_ = TestAddress(2);
  const std::string back_ = TestAddress(3);
  const std::string back2_ = TestAddress(4);
  const std::string client_ = TestAddress(5);
  net::EventLoop loop_;
  std::shared_ptr<ConnectionBudget> budget_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> told_;
  bool listening_ = false;
};

TEST_F(TcpForwarderTest, ForwardsBothWaysWithHalfCloseAndTheClientsAddress) {
  EchoServer echo(back_, 9000);
  auto forwarder = Make({front_, 9001}, {{back_, 9000}});
  // Small enough to be copied, and large enough to be spliced.
  for (std::size_t size : {0UL, 1UL, 100'000UL, 30'000'000UL}) {
    std::string text(size, 'x');
    for (std::size_t i = 0; i < size; i += 1000) text[i] = static_cast<char>('a' + i / 1000 % 26);
    int fd = ConnectSoon({front_, 9001});
    ASSERT_GE(fd, 0);
    EXPECT_TRUE(Talk(fd, text) == client_ + "\n" + text) << size;
  }
}

TEST_F(TcpForwarderTest, PassesOverEndpointsThatRefuse) {
  EchoServer echo(back_, 9000);
  auto forwarder = Make({front_, 9001}, {{back_, 9998}, {back_, 9999}, {back_, 9000}});
  for (int i = 0; i < 5; ++i) {
    int fd = ConnectSoon({front_, 9001});
    ASSERT_GE(fd, 0);
    EXPECT_EQ(Talk(fd, "hello"), client_ + "\nhello");
  }
}

TEST_F(TcpForwarderTest, SpreadsConnectionsOverEndpoints) {
  TestServer one(back_, 9000, "one");
  TestServer two(back2_, 9000, "two");
  auto forwarder = Make({front_, 9001}, {{back_, 9000}, {back2_, 9000}});
  auto ask = [&] {
    int fd = ConnectSoon({front_, 9001});
    std::string answer = Talk(fd, "GET / HTTP/1.1\r\nConnection: close\r\n\r\n");
    return answer.substr(answer.find("\r\n\r\n") + 4, 3);
  };
  std::multiset<std::string> seen;
  for (int i = 0; i < 10; ++i) seen.insert(ask());
  EXPECT_EQ(seen.count("one") + seen.count("two"), 10U);
  EXPECT_GE(seen.count("one"), 3U);
  EXPECT_GE(seen.count("two"), 3U);
  forwarder->SetTargets({{back_, 9000}, {back2_, 9000}}, /*by_client=*/true);
  ask();
  std::set<std::string> same;
  for (int i = 0; i < 6; ++i) same.insert(ask());
  EXPECT_EQ(same.size(), 1U);
}

TEST_F(TcpForwarderTest, RefusesWithoutEndpointsAndKeepsOpenConnections) {
  EchoServer echo(back_, 9000);
  auto forwarder = Make({front_, 9001}, {{back_, 9000}});
  int kept = ConnectSoon({front_, 9001});
  ASSERT_GE(kept, 0);
  char head[64];
  ASSERT_GT(read(kept, head, sizeof head), 0);
  forwarder->SetTargets({}, false);
  Settle();
  EXPECT_EQ(Connect(front_, 9001), -1);
  EXPECT_EQ(Talk(kept, "still here"), "still here");
  forwarder->SetTargets({{back_, 9000}}, false);
  listening_ = false;
  int fd = ConnectSoon({front_, 9001});
  ASSERT_GE(fd, 0);
  EXPECT_EQ(Talk(fd, "again"), client_ + "\nagain");
}

TEST_F(TcpForwarderTest, TellsWhenItCannotListenAndTriesAgain) {
  auto squatter = std::make_unique<EchoServer>(front_, 9001);
  auto forwarder = Make({front_, 9001}, {{back_, 9000}});
  EXPECT_THAT(AwaitTold(),
              HasSubstr("cannot listen on " + front_ + ":9001: Address already in use"));
  squatter.reset();
  std::string told;
  while ((told = AwaitTold()) != "ok" && !told.empty()) continue;
  EXPECT_EQ(told, "ok");
}

TEST_F(TcpForwarderTest, ConnectionsAreBoundedAndCounted) {
  budget_ = std::make_shared<ConnectionBudget>(2);
  EchoServer echo(back_, 9000);
  auto forwarder = Make({front_, 9001}, {{back_, 9000}});
  char head[64];
  int first = ConnectSoon({front_, 9001});
  ASSERT_GT(read(first, head, sizeof head), 0);
  int second = ConnectSoon({front_, 9001});
  ASSERT_GT(read(second, head, sizeof head), 0);
  int third = ConnectSoon({front_, 9001});
  struct pollfd wait{third, POLLIN, 0};
  EXPECT_EQ(poll(&wait, 1, 100), 0) << "it waits in the backlog";
  EXPECT_EQ(Talk(first, ""), "");
  EXPECT_EQ(Talk(third, "x"), client_ + "\nx") << "until another one ends";
  forwarder.reset();
  EXPECT_EQ(read(second, head, sizeof head), 0) << "closed with the forwarder";
  close(second);
}

Json Service(const std::string& name, const std::string& ip, const Json& ports) {
  return {{"apiVersion", "v1"},
          {"kind", "Service"},
          {"metadata", {{"name", name}, {"namespace", "shop"}}},
          {"spec", {{"clusterIP", ip}, {"ports", ports}}}};
}

Json Slice(const std::string& service, const Json& endpoints, int port) {
  return {{"apiVersion", "discovery.k8s.io/v1"},
          {"kind", "EndpointSlice"},
          {"metadata",
           {{"name", service + "-1"},
            {"namespace", "shop"},
            {"labels", {{"kubernetes.io/service-name", service}}}}},
          {"endpoints", endpoints},
          {"ports", {{{"name", ""}, {"port", port}}}}};
}

Json Endpoint(const std::string& address, bool ready, bool serving = false,
              bool terminating = false) {
  return {{"addresses", {address}},
          {"conditions", {{"ready", ready}, {"serving", serving}, {"terminating", terminating}}}};
}

TEST(ServiceViewTest, TakesReadyEndpointsElseThoseThatStillServe) {
  Json service = Service("web", "127.1.240.2", {{{"port", 80}}});
  auto view = [&](const Json& slice) {
    return ViewService(kube::Object(service), {std::make_shared<kube::Object>(slice)});
  };
  Json mixed = {Endpoint("127.1.0.1", true), Endpoint("127.1.0.2", false),
                Endpoint("127.1.0.3", false, true, true)};
  auto seen = view(Slice("web", mixed, 8080));
  ASSERT_EQ(seen.tcp_ports.size(), 1U);
  EXPECT_EQ(seen.tcp_ports[0].endpoints, (std::vector<EndpointAddress>{{"127.1.0.1", "", 8080}}));
  seen = view(
      Slice("web", {Endpoint("127.1.0.2", false), Endpoint("127.1.0.3", false, true, true)}, 8080));
  EXPECT_EQ(seen.tcp_ports[0].endpoints, (std::vector<EndpointAddress>{{"127.1.0.3", "", 8080}}));
  seen = view(Slice("other", mixed, 8080));
  EXPECT_TRUE(seen.tcp_ports[0].endpoints.empty()) << "another service's";
  service["spec"]["publishNotReadyAddresses"] = true;
  EXPECT_EQ(view(Slice("web", mixed, 8080)).tcp_ports[0].endpoints.size(), 3U);
}

TEST(HostsFileTest, NamesOfServices) {
  HostsPod pod{"shop", "127.1.0.9", "cart-0", "", {{"10.0.0.1", {"db", "db.example"}}}};
  ServiceView web{.ns = "shop", .name = "web", .cluster_ip = "127.1.240.2"};
  ServiceView dns{.ns = "kube-system", .name = "dns", .cluster_ip = "127.1.240.3"};
  ServiceView headless{.ns = "shop", .name = "db", .headless = true};
  headless.addresses = {{"127.1.0.5", "db-0", 0}, {"127.1.0.6", "", 0}};
  std::string text = RenderHosts(pod, {web, dns, headless});
  EXPECT_THAT(text, HasSubstr("\n127.1.0.9 cart-0\n"));
  EXPECT_THAT(text, HasSubstr("\n10.0.0.1 db db.example\n"));
  EXPECT_THAT(text, HasSubstr("\n127.1.240.2 web web.shop web.shop.svc "
                              "web.shop.svc.cluster.local\n"));
  EXPECT_THAT(text, HasSubstr("\n127.1.240.3 dns.kube-system dns.kube-system.svc "
                              "dns.kube-system.svc.cluster.local\n"));
  EXPECT_THAT(text, HasSubstr("\n127.1.0.5 db db.shop db.shop.svc db.shop.svc.cluster.local "
                              "db-0.db db-0.db.shop "));
  EXPECT_THAT(text, HasSubstr("\n127.1.0.6 db db.shop"));
}

// On the real loop, with an API in memory.
class ServiceProxyTest : public testing::Test {
 protected:
  ServiceProxyTest() : loop_("kubelet"), data_loop_("proxy") {
    OnLoop(loop_, [&] {
      random_ = std::make_unique<base::SeededRandom>(1);
      api_ = std::make_unique<kube::FakeApi>(loop_, *random_);
      informers_ = std::make_unique<kube::SharedInformers>(*api_, loop_, *random_);
    });
  }
  ~ServiceProxyTest() override {
    OnLoop(loop_, [&] {
      proxy_.reset();
      hosts_.reset();
      informers_.reset();
      api_.reset();
    });
  }
  void Create(const kube::Kind& kind, const Json& object) {
    OnLoop(loop_, [&] { EXPECT_TRUE(api_->Create(kind, "shop", object)); });
  }

  net::EventLoop loop_;
  net::EventLoop data_loop_;
  std::unique_ptr<base::SeededRandom> random_;
  std::unique_ptr<kube::FakeApi> api_;
  std::unique_ptr<kube::SharedInformers> informers_;
  std::unique_ptr<ServiceProxy> proxy_;
  std::unique_ptr<HostsFiles> hosts_;
};

TEST_F(ServiceProxyTest, FollowsServicesAndSlices) {
  std::string front = TestAddress(2);
  std::string back = TestAddress(3);
  TestServer server(back, 9000, "served");
  OnLoop(loop_, [&] { proxy_ = std::make_unique<ServiceProxy>(*informers_, data_loop_); });
  Create(kube::kService, Service("web", front, {{{"port", 9001}}}));
  Create(kube::kEndpointSlice, Slice("web", Json::array({Endpoint(back, true)}), 9000));
  int fd = -1;
  Eventually([&] { return (fd = Connect(front, 9001)) >= 0; });
  ASSERT_GE(fd, 0);
  EXPECT_THAT(Talk(fd, "GET / HTTP/1.1\r\nConnection: close\r\n\r\n"), HasSubstr("served test"));
  OnLoop(loop_, [&] { EXPECT_TRUE(api_->Delete(kube::kService, "shop", "web", {})); });
  Eventually([&] {
    fd = Connect(front, 9001);
    if (fd >= 0) close(fd);
    return fd < 0;
  });
  EXPECT_EQ(fd, -1);
}

TEST_F(ServiceProxyTest, TheNodeAnswersForNodePortsAndLoadBalancers) {
  const std::string node = TestAddress(4);
  const std::string back = TestAddress(3);
  TestServer server(back, 9000, "served");
  OnLoop(loop_, [&] {
    proxy_ = std::make_unique<ServiceProxy>(*informers_, data_loop_,
                                            ServiceProxyOptions{.node_address = node});
  });
  Json service = Service("web", TestAddress(2), {{{"port", 9001}, {"nodePort", 30090}}});
  service["status"]["loadBalancer"]["ingress"] = Json::array({{{"ip", node}}});
  Create(kube::kService, service);
  Create(kube::kEndpointSlice, Slice("web", Json::array({Endpoint(back, true)}), 9000));
  for (const std::uint16_t port : {std::uint16_t{30090}, std::uint16_t{9001}}) {
    int fd = -1;
    Eventually([&] { return (fd = Connect(node, port)) >= 0; });
    ASSERT_GE(fd, 0) << port;
    EXPECT_THAT(Talk(fd, "GET / HTTP/1.1\r\nConnection: close\r\n\r\n"), HasSubstr("served test"));
  }
}

TEST_F(ServiceProxyTest, APortThatNeedsPrivilegeIsToldOnTheService) {
  int first_free = 0;
  std::ifstream("/proc/sys/net/ipv4/ip_unprivileged_port_start") >> first_free;
  if (first_free <= 80) GTEST_SKIP() << "this system lets everybody listen on port 80";
  // The thread that listens becomes that of an ordinary user.
  OnLoop(data_loop_, [] {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2] = {};
    ASSERT_EQ(syscall(SYS_capget, &header, data), 0);
    data[0].effective &= ~(1U << CAP_NET_BIND_SERVICE);
    ASSERT_EQ(syscall(SYS_capset, &header, data), 0);
  });
  std::string front = TestAddress(2);
  OnLoop(loop_, [&] { proxy_ = std::make_unique<ServiceProxy>(*informers_, data_loop_); });
  Create(kube::kService, Service("web", front, {{{"port", 80}}}));
  Create(kube::kEndpointSlice, Slice("web", Json::array({Endpoint(TestAddress(3), true)}), 9000));
  Json told;
  Eventually([&] {
    OnLoop(loop_, [&] {
      for (const kube::ObjectPtr& event : api_->List(kube::kEvent, {})->items)
        if (kube::StringAt(event->json(), "reason") == "FailedToListen") told = event->json();
    });
    return !told.is_null();
  });
  EXPECT_EQ(kube::StringAt(told, "type"), "Warning");
  EXPECT_EQ(kube::StringAt(told, "involvedObject.kind"), "Service");
  EXPECT_EQ(kube::StringAt(told, "involvedObject.name"), "web");
  EXPECT_THAT(kube::StringAt(told, "message"),
              AllOf(HasSubstr("cannot listen on " + front + ":80: Permission denied"),
                    HasSubstr("use a port above 1023"),
                    HasSubstr("net.ipv4.ip_unprivileged_port_start=80")));
}

TEST_F(ServiceProxyTest, HostsFilesChangeInPlace) {
  TemporaryDirectory directory;
  std::string path = directory / "hosts";
  OnLoop(loop_, [&] {
    hosts_ = std::make_unique<HostsFiles>(*informers_);
    EXPECT_TRUE(hosts_->Add("uid", {"shop", "127.1.0.9", "cart", "", {}}, path));
  });
  struct stat before;
  ASSERT_EQ(stat(path.c_str(), &before), 0);
  EXPECT_THAT(ReadAll(path), Not(HasSubstr("web")));
  Create(kube::kService, Service("web", "127.1.240.2", {{{"port", 80}}}));
  Eventually([&] { return ReadAll(path).find("web.shop.svc") != std::string::npos; });
  EXPECT_THAT(ReadAll(path), HasSubstr("127.1.240.2 web web.shop"));
  struct stat after;
  ASSERT_EQ(stat(path.c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino);
  ASSERT_TRUE(WriteHosts(path, "short\n"));
  EXPECT_EQ(ReadAll(path), "short\n");
}

}  // namespace
}  // namespace enclave::cluster
