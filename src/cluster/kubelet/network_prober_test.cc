#include "cluster/kubelet/network_prober.h"

#include <arpa/inet.h>
#include <nghttp2/nghttp2.h>
#include <sys/socket.h>

#include <future>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/kubelet/grpc_health.h"
#include "cluster/kubelet/machine_fixture.h"
#include "cluster/kubelet/test_server.h"

namespace enclave::cluster {
namespace {

using testing::HasSubstr;
using namespace std::chrono_literals;

constexpr std::uint16_t kPort = 8080;

int Listen(const std::string& address, std::uint16_t port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int one = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  struct sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_port = htons(port);
  inet_pton(AF_INET, address.c_str(), &where.sin_addr);
  EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&where), sizeof where), 0);
  EXPECT_EQ(listen(fd, 16), 0);
  return fd;
}

// Answers each connection's first read with a fixed text.
class CannedServer {
 public:
  CannedServer(const std::string& address, std::uint16_t port, std::string answer)
      : listener_(Listen(address, port)), thread_([this, answer = std::move(answer)] {
          while (true) {
            int fd = accept(listener_, nullptr, nullptr);
            if (fd < 0) return;
            char buffer[4096];
            if (read(fd, buffer, sizeof buffer) > 0) {
              EXPECT_EQ(write(fd, answer.data(), answer.size()),
                        static_cast<ssize_t>(answer.size()));
            }
            close(fd);
          }
        }) {}
  ~CannedServer() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }

 private:
  int listener_;
  std::thread thread_;
};

// A gRPC health server on nghttp2: SERVING, unless the service asked for is "sick" (NOT_SERVING),
// "unknown" (NOT_FOUND) or "unimplemented".
class HealthServer {
 public:
  HealthServer(const std::string& address, std::uint16_t port)
      : listener_(Listen(address, port)), thread_([this] {
          while (true) {
            int fd = accept(listener_, nullptr, nullptr);
            if (fd < 0) return;
            Serve(fd);
            close(fd);
          }
        }) {}
  ~HealthServer() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }
  std::string path() const { return path_; }

 private:
  static nghttp2_nv Header(const char* name, const char* value) {
    return {reinterpret_cast<std::uint8_t*>(const_cast<char*>(name)),
            reinterpret_cast<std::uint8_t*>(const_cast<char*>(value)), strlen(name), strlen(value),
            NGHTTP2_NV_FLAG_NONE};
  }

  void Answer(nghttp2_session* session, std::int32_t stream) {
    bool sick = request_.ends_with("sick");
    status_ = request_.ends_with("unknown")         ? "5"
              : request_.ends_with("unimplemented") ? "12"
                                                    : "0";
    answer_ = std::string("\0\0\0\0\2\x08", 6) + (sick ? '\2' : '\1');
    nghttp2_nv headers[] = {Header(":status", "200"), Header("content-type", "application/grpc")};
    nghttp2_data_provider body{};
    body.source.ptr = this;
    body.read_callback = [](nghttp2_session* session, std::int32_t stream, std::uint8_t* into,
                            std::size_t, std::uint32_t* flags, nghttp2_data_source* source,
                            void*) -> ssize_t {
      auto* self = static_cast<HealthServer*>(source->ptr);
      *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
      nghttp2_nv trailer = Header("grpc-status", self->status_);
      nghttp2_submit_trailer(session, stream, &trailer, 1);
      if (std::string_view(self->status_) != "0") return 0;
      memcpy(into, self->answer_.data(), self->answer_.size());
      return static_cast<ssize_t>(self->answer_.size());
    };
    nghttp2_submit_response(session, stream, headers, 2, &body);
  }

  void Serve(int fd) {
    request_.clear();
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(
        callbacks,
        [](nghttp2_session*, const nghttp2_frame*, const std::uint8_t* name, std::size_t size,
           const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* self) {
          if (std::string_view(reinterpret_cast<const char*>(name), size) == ":path") {
            static_cast<HealthServer*>(self)->path_.assign(reinterpret_cast<const char*>(value),
                                                           value_size);
          }
          return 0;
        });
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
        callbacks, [](nghttp2_session*, std::uint8_t, std::int32_t, const std::uint8_t* data,
                      std::size_t size, void* self) {
          static_cast<HealthServer*>(self)->request_.append(reinterpret_cast<const char*>(data),
                                                            size);
          return 0;
        });
    nghttp2_session_callbacks_set_on_frame_recv_callback(
        callbacks, [](nghttp2_session* session, const nghttp2_frame* frame, void* self) {
          if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) {
            static_cast<HealthServer*>(self)->Answer(session, frame->hd.stream_id);
          }
          return 0;
        });
    nghttp2_session* session = nullptr;
    nghttp2_session_server_new(&session, callbacks, this);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(session, 0, nullptr, 0);
    while (true) {
      const std::uint8_t* data = nullptr;
      ssize_t size = 0;
      while ((size = nghttp2_session_mem_send(session, &data)) > 0) {
        if (send(fd, data, static_cast<std::size_t>(size), MSG_NOSIGNAL) < 0) break;
      }
      std::uint8_t buffer[4096];
      ssize_t n = read(fd, buffer, sizeof buffer);
      if (n <= 0) break;
      if (nghttp2_session_mem_recv(session, buffer, static_cast<std::size_t>(n)) < 0) break;
    }
    nghttp2_session_del(session);
  }

  int listener_;
  std::string request_;
  std::string answer_;
  std::string path_;
  const char* status_ = "0";
  std::thread thread_;
};

class NetworkProberTest : public testing::Test {
 protected:
  NetworkProberTest()
      : harness_(state_.path(), false), prober_(harness_.loop(), harness_.runtime()) {
    probe_.host = address_;
    probe_.port = kPort;
    probe_.timeout = 5s;
  }

  base::Result<> Run(const Probe& probe, const ContainerId& id = {}) {
    std::promise<base::Result<>> promise;
    prober_.Run(id, probe, [&](base::Result<> result) { promise.set_value(std::move(result)); });
    return promise.get_future().get();
  }
  std::string Failure(const Probe& probe, const ContainerId& id = {}) {
    auto result = Run(probe, id);
    return result ? "success" : result.error().message();
  }
  Probe Http(const std::string& path) {
    Probe probe = probe_;
    probe.type = Probe::Type::kHttpGet;
    probe.path = path;
    return probe;
  }
  Probe Grpc(const std::string& service) {
    Probe probe = probe_;
    probe.type = Probe::Type::kGrpc;
    probe.service = service;
    return probe;
  }

  const std::string address_ = TestAddress(1);
  const std::string place_ = address_ + ":8080";
  TemporaryDirectory state_;
  RuntimeHarness harness_;
  NetworkProber prober_;
  Probe probe_;
};

TEST_F(NetworkProberTest, HttpStatusDecides) {
  TestServer server(address_, kPort);
  EXPECT_TRUE(Run(Http("/healthz")));
  EXPECT_EQ(Failure(Http("/missing")), "HTTP probe failed with statuscode: 404");
  EXPECT_TRUE(Run(Http("/healthz/fail")));
  EXPECT_EQ(Failure(Http("/healthz")), "HTTP probe failed with statuscode: 500");
  EXPECT_TRUE(Run(Http("/bytes?n=1000000"))) << "a long body is not read to its end";
}

TEST_F(NetworkProberTest, HttpFailuresHaveKubernetesWords) {
  EXPECT_EQ(Failure(Http("/healthz")), "Get \"http://" + place_ + "/healthz\": dial tcp " + place_ +
                                           ": connect: connection refused");
  TestServer server(address_, kPort);
  Probe slow = Http("/slow?ms=60000");
  slow.timeout = 50ms;
  EXPECT_EQ(Failure(slow), "Get \"http://" + place_ +
                               "/slow?ms=60000\": context deadline exceeded (Client.Timeout "
                               "exceeded while awaiting headers)");
  Probe tls = Http("/healthz");
  tls.https = true;
  EXPECT_THAT(Failure(tls), HasSubstr("Get \"https://" + place_ + "/healthz\": remote error: tls"));
}

TEST_F(NetworkProberTest, HeadersAreSent) {
  std::promise<std::string> seen;
  int listener = Listen(address_, kPort);
  std::thread server([&] {
    int fd = accept(listener, nullptr, nullptr);
    char buffer[4096];
    ssize_t n = read(fd, buffer, sizeof buffer);
    seen.set_value(std::string(buffer, static_cast<std::size_t>(std::max<ssize_t>(n, 0))));
    std::string answer = "HTTP/1.1 204 No Content\r\n\r\n";
    EXPECT_GT(write(fd, answer.data(), answer.size()), 0);
    close(fd);
  });
  Probe probe = Http("x?y=1");
  probe.headers = {{"Host", "shop.example"}, {"X-Probe", "yes"}};
  EXPECT_TRUE(Run(probe));
  server.join();
  close(listener);
  std::string request = seen.get_future().get();
  EXPECT_THAT(request, HasSubstr("GET /x?y=1 HTTP/1.1\r\n"));
  EXPECT_THAT(request, HasSubstr("Host: shop.example\r\n"));
  EXPECT_THAT(request, HasSubstr("X-Probe: yes\r\n"));
  EXPECT_THAT(request, HasSubstr("User-Agent: kube-probe/"));
}

TEST_F(NetworkProberTest, RedirectsAreFollowedOnTheSameHostOnly) {
  TestServer server(address_, 8081);
  {
    CannedServer redirect(address_, kPort,
                          "HTTP/1.1 302 Found\r\nLocation: http://" + address_ +
                              ":8081/missing\r\nContent-Length: 0\r\n\r\n");
    EXPECT_EQ(Failure(Http("/")), "HTTP probe failed with statuscode: 404");
  }
  {
    CannedServer redirect(address_, kPort,
                          "HTTP/1.1 302 Found\r\nLocation: http://elsewhere.example/\r\n"
                          "Content-Length: 0\r\n\r\n");
    EXPECT_TRUE(Run(Http("/")));
  }
  {
    CannedServer redirect(address_, kPort,
                          "HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n");
    EXPECT_THAT(Failure(Http("/")), HasSubstr("stopped after 10 redirects"));
  }
}

TEST_F(NetworkProberTest, NonsenseIsAFailure) {
  CannedServer server(address_, kPort, "SSH-2.0-OpenSSH_9.2\r\n");
  EXPECT_THAT(Failure(Http("/")), HasSubstr("Get \"http://" + place_ + "/\": "));
  EXPECT_THAT(Failure(Grpc("")), HasSubstr("error: health rpc probe failed"));
}

TEST_F(NetworkProberTest, TcpConnects) {
  probe_.type = Probe::Type::kTcpSocket;
  EXPECT_EQ(Failure(probe_), "dial tcp " + place_ + ": connect: connection refused");
  TestServer server(address_, kPort);
  EXPECT_TRUE(Run(probe_));
}

TEST_F(NetworkProberTest, GrpcHealth) {
  EXPECT_THAT(Failure(Grpc("")),
              HasSubstr("timeout: failed to connect service \"" + place_ + "\" within 5s: "));
  HealthServer server(address_, kPort);
  EXPECT_EQ(Failure(Grpc("")), "success");
  EXPECT_EQ(server.path(), "/grpc.health.v1.Health/Check");
  EXPECT_EQ(Failure(Grpc("sick")), "service unhealthy (responded with \"NOT_SERVING\")");
  EXPECT_EQ(Failure(Grpc("unknown")), "service unhealthy (responded with \"NOT_FOUND\")");
  EXPECT_THAT(Failure(Grpc("unimplemented")),
              HasSubstr("this server does not implement the grpc health protocol"));
}

TEST_F(NetworkProberTest, ExecTellsTheOutput) {
  ContainerSpec spec = harness_.Shell("probe", "sleep 1000");
  ASSERT_TRUE(harness_.Start(spec));
  Probe probe;
  probe.type = Probe::Type::kExec;
  probe.timeout = 5s;
  probe.command = {"true"};
  EXPECT_TRUE(Run(probe, spec.id));
  probe.command = {"cat", "/no/such/file"};
  EXPECT_EQ(Failure(probe, spec.id), "cat: /no/such/file: No such file or directory");
  probe.command = {"sleep", "1000"};
  probe.timeout = 50ms;
  EXPECT_EQ(Failure(probe, spec.id), "command \"sleep 1000\" timed out");
}

TEST(GrpcHealthTest, ParsesAnswers) {
  auto parse = [](std::string_view text) { return ParseHealthResponse(text); };
  using namespace std::string_view_literals;
  EXPECT_EQ(parse("\0\0\0\0\2\x08\1"sv), HealthStatus::kServing);
  EXPECT_EQ(parse("\0\0\0\0\0"sv), HealthStatus::kUnknown) << "the default is left out";
  EXPECT_EQ(parse("\0\0\0\0\6\x12\2ab\x08\2"sv), HealthStatus::kNotServing) << "unknown fields";
  EXPECT_EQ(parse("\0\0\0\0\2\x08\x63"sv), HealthStatus::kUnknown) << "a later status";
  EXPECT_FALSE(parse(""));
  EXPECT_FALSE(parse("\1\0\0\0\2\x08\1"sv)) << "compressed";
  EXPECT_FALSE(parse("\0\0\0\0\3\x08\1"sv)) << "cut";
  EXPECT_FALSE(parse("\0\0\0\0\2\x12\x7f"sv)) << "a field beyond the end";
}

}  // namespace
}  // namespace enclave::cluster
