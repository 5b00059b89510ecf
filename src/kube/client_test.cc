#include "kube/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <future>
#include <mutex>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/random.h"
#include "kube/status.h"
#include "kube/watch_decoder.h"

namespace enclave::kube {
namespace {

namespace asio = boost::asio;
using base::Error;
using base::ErrorKind;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

TEST(WatchDecoder, TakesPiecesOfAnySize) {
  const std::string body =
      "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"3\"}}}\n"
      "\r\n"
      "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"9\"}}}\n"
      "{\"type\":\"DELETED\",\"object\":{\"metadata\":{\"name\":\"a\"}}}\n";
  for (std::size_t size = 1; size <= body.size(); ++size) {
    WatchDecoder decoder;
    std::vector<EventType> types;
    for (std::size_t at = 0; at < body.size(); at += size) {
      const auto events = decoder.Feed(std::string_view(body).substr(at, size));
      ASSERT_TRUE(events);
      for (const WatchEvent& event : *events) types.push_back(event.type);
    }
    EXPECT_THAT(types, ElementsAre(EventType::kAdded, EventType::kBookmark, EventType::kDeleted));
  }
}

TEST(WatchDecoder, ErrorsEndIt) {
  const auto events = WatchDecoder().Feed(
      "{\"type\":\"ERROR\",\"object\":" + ToStatus(Error(ErrorKind::kExpired, "old")).dump() +
      "}\n{garbage\n");
  ASSERT_TRUE(events);
  ASSERT_EQ(events->size(), 1u);
  EXPECT_EQ(events->front().error->kind(), ErrorKind::kExpired);
  for (const char* bad :
       {"{\n", "3\n", "[]\n", "{\"type\":\"ADDED\"}\n", "{\"type\":\"ADDED\",\"object\":3}\n",
        "{\"type\":\"X\",\"object\":{}}\n"}) {
    EXPECT_EQ(WatchDecoder().Feed(bad).error().kind(), ErrorKind::kInternal) << bad;
  }
  WatchDecoder endless;
  const std::string megabyte(1 << 20, 'x');
  base::Result<std::vector<WatchEvent>> fed;
  for (int i = 0; i < 17 && fed; ++i) fed = endless.Feed(megabyte);
  ASSERT_FALSE(fed);
  EXPECT_EQ(fed.error().kind(), ErrorKind::kTooLarge);
}

// Answers from a script and remembers what it was asked.
class ScriptedHttp final : public net::HttpClient {
 public:
  struct Script {
    net::Response response;
    std::vector<std::string> pieces;  // of a stream
    bool stays_open = false;          // until cancelled or refused
  };

  void Say(int status, const std::string& body, net::Headers headers = {}) {
    const std::lock_guard lock(mutex_);
    script_.push_back({{status, std::move(headers), body}, {}, false});
  }
  void SayStream(int status, std::vector<std::string> pieces, bool stays_open) {
    const std::lock_guard lock(mutex_);
    script_.push_back({{status, {}, ""}, std::move(pieces), stays_open});
  }
  std::vector<net::ClientRequest> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  std::future<void> Ended() { return ended_.get_future(); }

  asio::awaitable<base::Result<net::Response>> Send(net::ClientRequest request) override {
    co_return SendAndWait(std::move(request));
  }
  asio::awaitable<base::Result<net::Response>> Stream(
      net::ClientRequest request,
      std::function<bool(const net::Response&, std::string_view)> on_data) override {
    const auto script = Next(std::move(request));
    if (!script) co_return base::Fail(script.error());
    bool wanted = true;
    for (const std::string& piece : script->pieces) {
      wanted = on_data(script->response, piece);
      if (!wanted) break;
    }
    if (wanted && script->stays_open) {
      asio::steady_timer timer(co_await asio::this_coro::executor, std::chrono::hours(1));
      try {
        co_await timer.async_wait(asio::use_awaitable);
      } catch (const std::exception&) {
        ended_.set_value();
        throw;
      }
    }
    co_return script->response;
  }
  base::Result<net::Response> SendAndWait(net::ClientRequest request) override {
    auto script = Next(std::move(request));
    if (!script) return base::Fail(script.error());
    return script->response;
  }

 private:
  base::Result<Script> Next(net::ClientRequest request) {
    const std::lock_guard lock(mutex_);
    requests_.push_back(std::move(request));
    if (script_.empty()) return base::Fail(ErrorKind::kUnavailable, "connection refused");
    Script next = std::move(script_.front());
    script_.pop_front();
    return next;
  }

  mutable std::mutex mutex_;
  std::deque<Script> script_;
  std::vector<net::ClientRequest> requests_;
  std::promise<void> ended_;
};

class ClientTest : public ::testing::Test {
 protected:
  std::string Target(std::size_t i) { return http_->requests().at(i).target; }

  net::EventLoop tasks_{"tasks"};  // outlives those that post to it
  net::EventLoop loop_{"client"};
  std::shared_ptr<ScriptedHttp> http_ = std::make_shared<ScriptedHttp>();
  base::SeededRandom random_{1};
  std::vector<base::Duration> slept_;
  Client client_{loop_,
                 {.server = "https://h:1/k8s/c1", .token = "tok"},
                 http_,
                 random_,
                 [this](base::Duration duration) { slept_.push_back(duration); }};
};

TEST_F(ClientTest, TellsTheTraceThatIsCurrent) {
  const std::string pod = R"({"metadata":{"name":"p","namespace":"d"}})";
  http_->Say(200, pod);
  http_->Say(200, pod);
  std::optional<trace::TraceContext> current =
      trace::TraceContext{.trace_id = *trace::TraceId::Parse("0af7651916cd43dd8448eb211c80319c"),
                          .parent = trace::SpanId::Parse("b7ad6b7169203331"),
                          .sampling = trace::Sampling::kYes};
  client_.SetCurrentTrace([&] { return current; });
  EXPECT_TRUE(client_.Get(kPod, "d", "p"));
  current.reset();
  EXPECT_TRUE(client_.Get(kPod, "d", "p"));
  const auto requests = http_->requests();
  EXPECT_EQ(requests[0].headers.at("traceparent"),
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  EXPECT_EQ(requests[0].headers.at("X-B3-TraceId"), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_FALSE(requests[1].headers.contains("traceparent"));
}

TEST_F(ClientTest, SpeaksTheApi) {
  const std::string pod = R"({"metadata":{"name":"p","namespace":"d","resourceVersion":"7"}})";
  for (int i = 0; i < 5; ++i) http_->Say(200, pod);
  EXPECT_EQ((*client_.Get(kPod, "d", "p"))->revision(), Revision{7});
  EXPECT_TRUE(client_.Create(kDeployment, "d", Json::parse(pod)));
  EXPECT_TRUE(client_.Update(kPod, Json::parse(pod), "status"));
  EXPECT_TRUE(client_.Patch(kPod, "d", "p", PatchType::kStrategicMerge, {{"a", 1}}));
  EXPECT_TRUE(client_.Delete(kPod, "d", "p",
                             {.propagation = "Foreground", .grace_period_seconds = 0, .uid = "u"}));
  const auto requests = http_->requests();
  EXPECT_EQ(requests[0].method + " " + requests[0].target,
            "GET /k8s/c1/api/v1/namespaces/d/pods/p");
  EXPECT_EQ(requests[0].headers.at("authorization"), "Bearer tok");
  EXPECT_EQ(requests[1].method + " " + requests[1].target,
            "POST /k8s/c1/apis/apps/v1/namespaces/d/deployments");
  EXPECT_EQ(requests[1].headers.at("content-type"), "application/json");
  EXPECT_EQ(requests[2].method + " " + requests[2].target,
            "PUT /k8s/c1/api/v1/namespaces/d/pods/p/status");
  EXPECT_EQ(requests[3].headers.at("content-type"), "application/strategic-merge-patch+json");
  EXPECT_EQ(Json::parse(requests[4].body),
            Json::parse(R"({"kind":"DeleteOptions","apiVersion":"v1","gracePeriodSeconds":0,
                            "propagationPolicy":"Foreground","preconditions":{"uid":"u"}})"));
}

TEST_F(ClientTest, ErrorsAreThoseOfTheStatus) {
  http_->Say(404, ToStatus(NotFoundError(kPod, "p")).dump());
  http_->Say(500, "boom");
  http_->Say(200, "not json");
  const auto missing = client_.Get(kPod, "d", "p");
  EXPECT_EQ(missing.error().kind(), ErrorKind::kNotFound);
  EXPECT_EQ(missing.error().message(), "pods \"p\" not found");
  EXPECT_EQ(client_.Get(kPod, "d", "p").error().kind(), ErrorKind::kInternal);
  EXPECT_EQ(client_.Get(kPod, "d", "p").error().kind(), ErrorKind::kInternal);
  const auto refused = client_.Get(kPod, "d", "p");
  EXPECT_EQ(refused.error().kind(), ErrorKind::kUnavailable);
  EXPECT_THAT(refused.error().message(), HasSubstr("GET /api/v1/namespaces/d/pods/p"));
}

TEST_F(ClientTest, ADeleteMayAnswerWithAStatus) {
  http_->Say(200, SuccessStatus({.name = "c", .uid = "u1"}).dump());
  const auto deleted = client_.Delete(kConfigMap, "d", "c", {});
  ASSERT_TRUE(deleted);
  EXPECT_EQ((*deleted)->name(), "c");
  EXPECT_EQ((*deleted)->uid(), "u1");
  EXPECT_FALSE((*deleted)->deleting());
}

TEST_F(ClientTest, ListsInPages) {
  http_->Say(200, R"({"metadata":{"resourceVersion":"5","continue":"a b"},
                      "items":[{"metadata":{"name":"z","namespace":"d"}}]})");
  http_->Say(200, R"({"metadata":{"resourceVersion":"5"},
                      "items":[{"metadata":{"name":"a","namespace":"d"}},3]})");
  const auto list = client_.List(kPod, {.labels = *LabelSelector::Parse("app in (a,b)"),
                                        .fields = FieldSelector::Equal("spec.nodeName", "n")});
  ASSERT_TRUE(list) << list.error().ToString();
  EXPECT_EQ(list->revision, Revision{5});
  ASSERT_EQ(list->items.size(), 2u);
  EXPECT_EQ(list->items[0]->name(), "a");
  EXPECT_EQ(StringAt(list->items[0]->json(), "kind"), "Pod");
  EXPECT_THAT(Target(0), HasSubstr("/api/v1/pods?limit=500&labelSelector=app%20in%20"));
  EXPECT_THAT(Target(0), HasSubstr("&fieldSelector=spec.nodeName%3Dn"));
  EXPECT_THAT(Target(1), HasSubstr("limit=500&continue=a%20b"));
}

TEST_F(ClientTest, AnExpiredPageStartsOverAtOnce) {
  http_->Say(200, R"({"metadata":{"resourceVersion":"5","continue":"x"},"items":[]})");
  http_->Say(410, "");
  http_->Say(200, R"({"metadata":{"resourceVersion":"9"},"items":[]})");
  const auto list = client_.List(kPod, {});
  ASSERT_TRUE(list);
  EXPECT_EQ(list->revision, Revision{9});
  EXPECT_EQ(Target(2), "/k8s/c1/api/v1/pods?");
}

TEST_F(ClientTest, HonoursRetryAfter) {
  http_->Say(429, "", {{"Retry-After", "2"}});
  http_->Say(503, "", {{"retry-after", "999"}});
  http_->Say(200, "{}");
  EXPECT_TRUE(client_.Get(kPod, "d", "p"));
  EXPECT_THAT(slept_, ElementsAre(std::chrono::seconds(2), std::chrono::seconds(5)));
  for (int i = 0; i < 9; ++i) http_->Say(429, "", {{"Retry-After", "1"}});
  EXPECT_EQ(client_.Get(kPod, "d", "p").error().kind(), ErrorKind::kResourceExhausted);
  EXPECT_EQ(slept_.size(), 5u);
  EXPECT_EQ(http_->requests().size(), 7u);
}

TEST_F(ClientTest, A429WithoutRetryAfterIsAnError) {
  http_->Say(429, "");
  EXPECT_EQ(client_.Get(kPod, "d", "p").error().kind(), ErrorKind::kResourceExhausted);
  EXPECT_TRUE(slept_.empty());
}

TEST_F(ClientTest, RawRequests) {
  http_->Say(200, "log line\n");
  const auto response = client_.Send("GET", "/api/v1/namespaces/d/pods/p/log?tailLines=1");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->body, "log line\n");
}

// Collects events of a watch until its end.
struct Collected {
  std::mutex mutex;
  std::vector<WatchEvent> events;
  std::promise<void> first;
  std::promise<Error> end;

  void Take(const WatchEvent& event) {
    const std::lock_guard lock(mutex);
    events.push_back(event);
    if (events.size() == 1) first.set_value();
    if (event.type == EventType::kError) end.set_value(*event.error);
  }
};

constexpr const char* kAdded =
    R"({"type":"ADDED","object":{"metadata":{"name":"a","resourceVersion":"8"}}})"
    "\n";

TEST_F(ClientTest, WatchesUntilTheServerEndsIt) {
  http_->SayStream(200, {kAdded, kAdded}, false);
  Collected collected;
  const auto watch = client_.Watch(kPod, {.ns = "d"}, Revision{7}, tasks_,
                                   [&](const WatchEvent& event) { collected.Take(event); });
  ASSERT_TRUE(watch);
  EXPECT_EQ(collected.end.get_future().get().kind(), ErrorKind::kDeadlineExceeded);
  const std::lock_guard lock(collected.mutex);
  ASSERT_EQ(collected.events.size(), 3u);
  EXPECT_EQ(collected.events[0].revision, Revision{8});
  EXPECT_THAT(Target(0),
              MatchesRegex("/k8s/c1/api/v1/namespaces/d/pods\\?watch=true&allowWatchBookmarks=true&"
                           "timeoutSeconds=[345][0-9][0-9]&resourceVersion=7"));
}

TEST_F(ClientTest, ARefusedWatchTellsWhy) {
  const std::string body = ToStatus(Error(ErrorKind::kExpired, "too old")).dump();
  http_->SayStream(410, {body.substr(0, 10), body.substr(10)}, false);
  Collected collected;
  const auto watch = client_.Watch(kPod, {}, Revision::kNone, tasks_,
                                   [&](const WatchEvent& event) { collected.Take(event); });
  const Error error = collected.end.get_future().get();
  EXPECT_EQ(error.kind(), ErrorKind::kExpired);
  EXPECT_EQ(error.message(), "too old");
}

TEST_F(ClientTest, AnErrorEventOrGarbageEndsIt) {
  http_->SayStream(200, {kAdded, "{\"type\":\"ERROR\",\"object\":{\"code\":410}}\n"}, true);
  Collected expired;
  const auto first = client_.Watch(kPod, {}, Revision{1}, tasks_,
                                   [&](const WatchEvent& event) { expired.Take(event); });
  EXPECT_EQ(expired.end.get_future().get().kind(), ErrorKind::kExpired);
  http_->SayStream(200, {"<html>\n"}, true);
  Collected garbage;
  const auto second = client_.Watch(kPod, {}, Revision{1}, tasks_,
                                    [&](const WatchEvent& event) { garbage.Take(event); });
  EXPECT_EQ(garbage.end.get_future().get().kind(), ErrorKind::kInternal);
}

TEST_F(ClientTest, DroppingTheHandleEndsTheRequest) {
  http_->SayStream(200, {kAdded}, true);
  auto ended = http_->Ended();
  Collected collected;
  auto watch = client_.Watch(kPod, {}, Revision{1}, tasks_,
                             [&](const WatchEvent& event) { collected.Take(event); });
  collected.first.get_future().wait();
  std::promise<void> dropped;
  tasks_.Post([&] {
    watch->reset();
    dropped.set_value();
  });
  dropped.get_future().wait();
  ended.wait();
  const std::lock_guard lock(collected.mutex);
  EXPECT_EQ(collected.events.size(), 1u);
}

}  // namespace
}  // namespace enclave::kube
