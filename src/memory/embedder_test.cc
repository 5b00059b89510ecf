#include "memory/embedder.h"

#include <atomic>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/asio/awaitable.hpp>
#include <nlohmann/json.hpp>

#include "memory/test_support.h"
#include "net/http_server.h"

namespace enclave::memory {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class EmbedderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto server = net::HttpServer::Start(
        loop_, {},
        [this](net::Request& request, net::ResponseWriter& writer) -> boost::asio::awaitable<void> {
          ++asked_;
          net::Response response;
          const json question = json::parse(request.body, nullptr, false);
          if (busy_ > 0) {
            --busy_;
            response = {.status = 503,
                        .body = R"({"error":"server busy, please try again.  maximum pending )"
                                R"(requests exceeded"})"};
          } else if (request.method != "POST" || request.path != "/api/embed") {
            response = {.status = 404, .body = "404 page not found"};
          } else if (question.value("model", "") != "tiny") {
            response = {.status = 404,
                        .body = R"({"error":"model \"other\" not found, try pulling it first"})"};
          } else {
            seen_ = question.value("input", "");
            response.body = answer_;
          }
          co_await writer.Send(std::move(response));
        });
    ASSERT_TRUE(server);
    server_ = std::move(*server);
  }
  std::unique_ptr<OllamaEmbedder> Make(const std::string& model = "tiny") {
    auto embedder = OllamaEmbedder::Create(
        loop_, random_,
        {.url = fmt::format("http://127.0.0.1:{}", server_->port()),
         .model = model,
         .retry = {.base_delay = std::chrono::milliseconds(1), .max_attempts = 5}});
    EXPECT_TRUE(embedder);
    return std::move(*embedder);
  }

  net::EventLoop loop_{"embed-test"};
  base::SeededRandom random_{1};
  std::atomic<int> asked_ = 0;
  std::atomic<int> busy_ = 0;
  std::string answer_ = R"({"model":"tiny","embeddings":[[0.6,-0.8]],"total_duration":14})";
  std::string seen_;
  std::unique_ptr<net::HttpServer> server_;
};

TEST_F(EmbedderTest, AsksOllama) {
  const auto values = Make()->Embed("a \"text\"");
  ASSERT_TRUE(values) << values.error().ToString();
  EXPECT_THAT(*values, ElementsAre(0.6F, -0.8F));
  EXPECT_EQ(seen_, "a \"text\"");
}

TEST_F(EmbedderTest, TriesAgainWhileTheServerIsBusy) {
  busy_ = 5;
  EXPECT_TRUE(Make()->Embed("x"));
  EXPECT_EQ(asked_, 6);
  busy_ = 100;
  const auto failed = Make()->Embed("x");
  EXPECT_EQ(failed.error().kind(), base::ErrorKind::kUnavailable);
  EXPECT_THAT(failed.error().message(), HasSubstr("server busy"));
  EXPECT_EQ(asked_, 12);
}

TEST_F(EmbedderTest, AMissingModelIsSaidAtOnce) {
  const auto failed = Make("other")->Embed("x");
  EXPECT_EQ(failed.error().kind(), base::ErrorKind::kNotFound);
  EXPECT_THAT(failed.error().message(), HasSubstr("try pulling it first"));
  EXPECT_EQ(asked_, 1);
  EXPECT_FALSE(OllamaEmbedder::Create(loop_, random_, {}));
}

TEST_F(EmbedderTest, FingerprintsGoOnWithoutIt) {
  const auto context = testing::ContextOf({"cart", "code error"}, 1);
  constexpr std::size_t kBoth = kEvidenceDimensions + kTextDimensions;
  const auto embedder = Make();
  const Fingerprint with = FingerprintFor(context, {}, kBoth, embedder.get());
  EXPECT_THAT(seen_, HasSubstr("NullReferenceException"));
  const Fingerprint without = FingerprintFor(context, {}, kBoth, nullptr);
  busy_ = 1000;
  EXPECT_EQ(FingerprintFor(context, {}, kBoth, embedder.get()), without);
  EXPECT_EQ(with.values.size(), kBoth);
  EXPECT_NEAR(Similarity(with.values, without.values), std::sqrt(0.8), 1e-3);
  EXPECT_EQ(FingerprintFor(context, {}, kEvidenceDimensions, embedder.get()),
            FingerprintOf(context));
}

TEST(EmbedAnswerTest, WhatDoesNotFitIsAnError) {
  for (const char* body : {"", "[]", "{}", R"({"embeddings":[]})", R"({"embeddings":[[]]})",
                           R"({"embeddings":[["x"]]})", R"({"embeddings":[[0,0]]})",
                           R"({"embeddings":[1]})", R"({"embeddings":[[1e300,1]]})"})
    EXPECT_FALSE(ParseEmbedAnswer(body)) << body;
}

}  // namespace
}  // namespace enclave::memory
