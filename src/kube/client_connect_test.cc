// The client against a real HTTPS server: certificates, tokens, a watch that feeds an informer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <mutex>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/random.h"
#include "kube/client.h"
#include "kube/informer.h"
#include "kube/status.h"
#include "net/http_server.h"

namespace enclave::kube {
namespace {

namespace asio = boost::asio;
using base::Error;
using base::ErrorKind;
using ::testing::HasSubstr;

template <typename T>
T Must(base::Result<T> result) {
  EXPECT_TRUE(result) << result.error().ToString();
  return std::move(*result);
}

// Serves one pod; every watch gets one more and then stays open.
class Server {
 public:
  Server()
      : authority_(Must(net::CreateCertificateAuthority("test", std::chrono::hours(1)))),
        tls_{.identity = Must(net::IssueCertificate(authority_, {.common_name = "server",
                                                                 .dns_names = {"localhost"},
                                                                 .ip_addresses = {"127.0.0.1"},
                                                                 .for_server = true})),
             .client_ca_pem = authority_.certificate_pem},
        server_(Must(net::HttpServer::Start(
            loop_, {.tls = &tls_}, [this](net::Request& request, net::ResponseWriter& writer) {
              return Answer(request, writer);
            }))) {}

  ClientConfig Config() {
    return {.server = "https://127.0.0.1:" + std::to_string(server_->port()),
            .tls = {.ca_pem = authority_.certificate_pem,
                    .identity = Must(net::IssueCertificate(
                        authority_, {.common_name = "alice", .organizations = {"admins"}}))}};
  }
  std::vector<std::string> seen() {
    const std::lock_guard lock(mutex_);
    return seen_;
  }

 private:
  asio::awaitable<void> Answer(net::Request& request, net::ResponseWriter& writer) {
    {
      const std::lock_guard lock(mutex_);
      seen_.push_back(request.peer.common_name + " " +
                      std::string(request.Header("authorization")) + " " + request.path);
    }
    net::Response response;
    response.headers["Content-Type"] = "application/json";
    if (request.path != "/api/v1/pods") {
      response.status = 404;
      response.body = ToStatus(NotFoundError(kPod, "nope")).dump();
      (void)co_await writer.Send(std::move(response));
      co_return;
    }
    if (!request.Query("watch")) {
      response.body = R"({"metadata":{"resourceVersion":"3"},"items":[
          {"metadata":{"name":"a","namespace":"d","resourceVersion":"2"}}]})";
      (void)co_await writer.Send(std::move(response));
      co_return;
    }
    if (!co_await writer.Begin(std::move(response))) co_return;
    const std::string line =
        R"({"type":"ADDED","object":{"metadata":{"name":"b","namespace":"d","resourceVersion":"4"}}})";
    if (!co_await writer.Write(line + "\n")) co_return;
    asio::steady_timer open(co_await asio::this_coro::executor, std::chrono::hours(1));
    co_await open.async_wait(asio::use_awaitable);
  }

  net::EventLoop loop_{"server"};
  net::KeyPair authority_;
  net::TlsServerConfig tls_;
  std::mutex mutex_;
  std::vector<std::string> seen_;
  std::unique_ptr<net::HttpServer> server_;
};

class ClientConnectTest : public ::testing::Test {
 protected:
  Server server_;
  net::EventLoop tasks_{"tasks"};
  net::EventLoop loop_{"client"};
};

TEST_F(ClientConnectTest, ByCertificate) {
  const auto client = Must(Client::Connect(loop_, server_.Config()));
  const auto pods = client->List(kPod, {});
  ASSERT_TRUE(pods) << pods.error().ToString();
  EXPECT_EQ(pods->items.size(), 1u);
  EXPECT_EQ(client->Get(kPod, "d", "nope").error().kind(), ErrorKind::kNotFound);
  EXPECT_EQ(server_.seen().front(), "alice  /api/v1/pods");
}

TEST_F(ClientConnectTest, ByTokenThatIsReadFromAFile) {
  ClientConfig config = server_.Config();
  config.tls.identity = {};
  std::string path = (std::filesystem::temp_directory_path() / "token.XXXXXX").string();
  ::close(::mkstemp(path.data()));
  std::ofstream(path) << "secret\n";
  config.token_file = path;
  const auto client = Must(Client::Connect(loop_, config));
  EXPECT_TRUE(client->List(kPod, {}));
  std::filesystem::remove(path);
  EXPECT_TRUE(client->List(kPod, {})) << "the last token is kept";
  EXPECT_THAT(server_.seen(), ::testing::Each(HasSubstr(" Bearer secret ")));
}

TEST_F(ClientConnectTest, RefusesAStrangeServerAndPlainTokens) {
  ClientConfig config = server_.Config();
  config.tls.ca_pem =
      Must(net::CreateCertificateAuthority("other", std::chrono::hours(1))).certificate_pem;
  const auto strange = Must(Client::Connect(loop_, config));
  EXPECT_FALSE(strange->List(kPod, {}));
  EXPECT_TRUE(server_.seen().empty());
  const auto plain = Client::Connect(loop_, {.server = "http://127.0.0.1:1", .token = "secret"});
  ASSERT_FALSE(plain);
  EXPECT_THAT(plain.error().message(), HasSubstr("plain HTTP"));
}

TEST_F(ClientConnectTest, FeedsAnInformer) {
  const auto client = Must(Client::Connect(loop_, server_.Config()));
  base::SeededRandom random(1);
  std::unique_ptr<SharedInformers> informers;
  std::promise<void> both;
  tasks_.Post([&] {
    informers = std::make_unique<SharedInformers>(*client, tasks_, random);
    Informer& pods = informers->For(kPod);
    pods.OnChange([&](const ObjectPtr&, const ObjectPtr&) {
      if (pods.List("d").size() == 2) both.set_value();
    });
  });
  both.get_future().wait();
  std::promise<void> gone;
  tasks_.Post([&] {
    informers.reset();
    gone.set_value();
  });
  gone.get_future().wait();
}

}  // namespace
}  // namespace enclave::kube
