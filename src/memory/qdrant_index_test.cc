// Against a fake on a real socket that answers as Qdrant's REST API is documented to: collections,
// points (upsert, query, delete, scroll, count), their errors, an api key.
#include "memory/qdrant_index.h"

#include <algorithm>
#include <atomic>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/asio/awaitable.hpp>
#include <nlohmann/json.hpp>

#include "memory/memory.h"
#include "memory/test_support.h"
#include "net/http_server.h"

namespace enclave::memory {
namespace {

using nlohmann::json;
using testing::ContextOf;
using testing::FixedClock;
using ::testing::HasSubstr;
using testing::IncidentOf;
using testing::kDayNs;
using ::testing::SizeIs;
using testing::TempDir;

class FakeQdrant {
 public:
  explicit FakeQdrant(net::EventLoop& loop) {
    auto server = net::HttpServer::Start(
        loop, {.max_body_bytes = 64 << 20},
        [this](net::Request& request, net::ResponseWriter& writer) -> boost::asio::awaitable<void> {
          net::Response response = Answer(request);
          response.headers["Content-Type"] = "application/json";
          co_await writer.Send(std::move(response));
        });
    EXPECT_TRUE(server);
    server_ = std::move(*server);
  }
  std::string url() const { return fmt::format("http://127.0.0.1:{}", server_->port()); }

  std::atomic<bool> knows_query = true;  // since 1.10
  std::atomic<int> busy = 0;             // so many requests are answered with 503
  std::atomic<int> asked = 0;
  std::string api_key;  // set before the first request, as the next
  std::string distance = "Cosine";

  std::size_t points() {
    const std::lock_guard lock(mutex_);
    return points_.size();
  }
  void Lose() {
    const std::lock_guard lock(mutex_);
    points_.clear();
  }
  void Plant(std::uint64_t id, std::vector<float> vector) {
    const std::lock_guard lock(mutex_);
    points_[id] = std::move(vector);
  }

 private:
  static net::Response Ok(json result) {
    return {.status = 200,
            .body = json{{"result", std::move(result)}, {"status", "ok"}, {"time", 0.001}}.dump()};
  }
  static net::Response Error(int status, const std::string& why) {
    return {.status = status, .body = json{{"status", {{"error", why}}}, {"time", 0.0}}.dump()};
  }

  net::Response Answer(const net::Request& request) {
    const std::lock_guard lock(mutex_);
    ++asked;
    if (busy > 0) {
      --busy;
      return Error(503, "Service unavailable");
    }
    if (!api_key.empty() && request.Header("api-key") != api_key)
      return {.status = 401, .body = "Must provide an API key or an Authorization bearer token"};
    const std::string prefix = "/collections/enclave-incidents";
    if (!request.path.starts_with(prefix)) return {.status = 404, .body = ""};
    const std::string rest = request.path.substr(prefix.size());
    const json body = json::parse(request.body, nullptr, false);
    if (rest.empty()) return Collection(request.method, body);
    if (size_ == 0) return Error(404, "Not found: Collection `enclave-incidents` doesn't exist!");
    if (request.method == "PUT" && rest == "/points") return Upsert(body);
    if (request.method != "POST") return {.status = 404, .body = ""};
    if (rest == "/points/delete") {
      for (const json& id : body.at("points")) points_.erase(id.get<std::uint64_t>());
      return Ok({{"operation_id", 2}, {"status", "completed"}});
    }
    if (rest == "/points/count") return Ok({{"count", points_.size()}});
    if (rest == "/points/scroll") return Scroll(body);
    if (rest == "/points/query" && knows_query)
      return Ok({{"points", Nearest(body.at("query"), body.at("limit").get<std::size_t>())}});
    if (rest == "/points/search")
      return Ok(Nearest(body.at("vector"), body.at("limit").get<std::size_t>()));
    return {.status = 404, .body = ""};
  }

  net::Response Collection(const std::string& method, const json& body) {
    if (method == "PUT") {
      if (size_ != 0)
        return Error(409, "Wrong input: Collection `enclave-incidents` already exists!");
      size_ = body.at("vectors").at("size").get<std::size_t>();
      return Ok(true);
    }
    if (method == "DELETE") {
      size_ = 0;
      points_.clear();
      return Ok(true);
    }
    if (size_ == 0) return Error(404, "Not found: Collection `enclave-incidents` doesn't exist!");
    return Ok({{"status", "green"},
               {"points_count", points_.size()},
               {"config", {{"params", {{"vectors", {{"size", size_}, {"distance", distance}}}}}}}});
  }

  net::Response Upsert(const json& body) {
    for (const json& point : body.at("points")) {
      auto vector = point.at("vector").get<std::vector<float>>();
      if (vector.size() != size_)
        return Error(400, fmt::format("Wrong input: Vector dimension error: expected dim: {}, got "
                                      "{}",
                                      size_, vector.size()));
      points_[point.at("id").get<std::uint64_t>()] = std::move(vector);
    }
    return Ok({{"operation_id", 1}, {"status", "completed"}});
  }

  net::Response Scroll(const json& body) const {
    json page = json::array();
    json next = nullptr;
    // Smaller pages than asked for, so that there are several.
    const std::size_t limit = std::min<std::size_t>(body.at("limit").get<std::size_t>(), 7);
    for (auto at = points_.lower_bound(body.value("offset", std::uint64_t{0})); at != points_.end();
         ++at) {
      if (page.size() == limit) {
        next = at->first;
        break;
      }
      page.push_back({{"id", at->first}, {"payload", nullptr}, {"vector", nullptr}});
    }
    return Ok({{"points", std::move(page)}, {"next_page_offset", next}});
  }

  json Nearest(const json& query, std::size_t limit) const {
    const auto vector = query.get<std::vector<float>>();
    std::vector<std::pair<double, std::uint64_t>> all;
    for (const auto& [id, values] : points_) all.emplace_back(-Similarity(vector, values), id);
    std::ranges::sort(all);
    json hits = json::array();
    for (const auto& [score, id] : all) {
      if (hits.size() == limit) break;
      hits.push_back({{"id", id}, {"version", 0}, {"score", -score}});
    }
    return hits;
  }

  std::mutex mutex_;
  std::size_t size_ = 0;  // 0: no collection
  std::map<std::uint64_t, std::vector<float>> points_;
  std::unique_ptr<net::HttpServer> server_;
};

class QdrantIndexTest : public ::testing::Test {
 protected:
  QdrantOptions Options() {
    return {.url = fake_.url(),
            .batch = 10,
            .retry = {.base_delay = std::chrono::milliseconds(1), .max_attempts = 3}};
  }
  std::unique_ptr<QdrantIndex> OpenIndex() {
    auto index = QdrantIndex::Open(loop_, random_, Options());
    EXPECT_TRUE(index) << index.error().ToString();
    return std::move(*index);
  }

  net::EventLoop loop_{"qdrant-test"};
  FakeQdrant fake_{loop_};
  base::SeededRandom random_{1};
  TempDir directory_;
  FixedClock clock_{100 * kDayNs};
};

TEST_F(QdrantIndexTest, KeepsAndFindsVectors) {
  const auto index = OpenIndex();
  const auto vectors = testing::ClusteredVectors(35, 5, 0.5, 1, kEvidenceDimensions);
  std::vector<CodedVector> coded;
  for (const auto& vector : vectors)
    coded.push_back({.code = (1ULL << 62U) + coded.size(), .values = vector});
  ASSERT_TRUE(index->Put(coded));
  EXPECT_EQ(*index->Count(), 35u);
  EXPECT_THAT(*index->Codes(), SizeIs(35));
  const auto found = index->Search(vectors[3], 4);
  ASSERT_TRUE(found) << found.error().ToString();
  ASSERT_THAT(*found, SizeIs(4));
  EXPECT_EQ(found->front().code, coded[3].code);
  EXPECT_NEAR(found->front().similarity, 1, 1e-5);
  ASSERT_TRUE(index->Remove(std::vector<std::uint64_t>{coded[3].code, 12345}));
  EXPECT_NE(index->Search(vectors[3], 1)->front().code, coded[3].code);
  ASSERT_TRUE(index->Clear());
  EXPECT_EQ(*index->Count(), 0u);
}

TEST_F(QdrantIndexTest, OlderServersAreAskedInTheOlderForm) {
  fake_.knows_query = false;
  const auto index = OpenIndex();
  const auto vectors = testing::ClusteredVectors(2, 2, 0.5, 1, kEvidenceDimensions);
  ASSERT_TRUE(index->Put(std::vector<CodedVector>{{.code = 7, .values = vectors[0]}}));
  EXPECT_EQ(index->Search(vectors[0], 1)->front().code, 7u);
}

TEST_F(QdrantIndexTest, BusyServersAreAskedAgainAndNotForever) {
  const auto index = OpenIndex();
  fake_.busy = 2;
  EXPECT_TRUE(index->Count());
  fake_.busy = 100;
  fake_.asked = 0;
  const auto count = index->Count();
  EXPECT_EQ(count.error().kind(), base::ErrorKind::kUnavailable);
  EXPECT_THAT(count.error().message(), HasSubstr("Service unavailable"));
  EXPECT_EQ(fake_.asked, 4);  // once, and three times more
}

TEST_F(QdrantIndexTest, TheApiKeyIsSentAndNotShown) {
  fake_.api_key = "secret-key";
  auto options = Options();
  const auto refused = QdrantIndex::Open(loop_, random_, options);
  EXPECT_EQ(refused.error().kind(), base::ErrorKind::kUnauthenticated);
  options.api_key = "wrong-key";
  EXPECT_THAT(QdrantIndex::Open(loop_, random_, options).error().message(),
              Not(HasSubstr("wrong-key")));
  options.api_key = "secret-key";
  EXPECT_TRUE(QdrantIndex::Open(loop_, random_, options));
}

TEST_F(QdrantIndexTest, ACollectionOfAnotherShapeIsRefused) {
  OpenIndex();
  auto options = Options();
  options.dimensions = 64;
  EXPECT_THAT(QdrantIndex::Open(loop_, random_, options).error().message(),
              HasSubstr("name another collection"));
  fake_.distance = "Dot";
  EXPECT_FALSE(QdrantIndex::Open(loop_, random_, Options()));
}

TEST_F(QdrantIndexTest, AMemoryWorksBehindItAndHealsWhatItLost) {
  const auto open = [&] {
    auto memory = Memory::Open({.directory = directory_.path()}, clock_, OpenIndex());
    EXPECT_TRUE(memory) << memory.error().ToString();
    return std::move(*memory);
  };
  const Fingerprint question = FingerprintOf(ContextOf({"cart", "cpu"}, 50));
  {
    const auto memory = open();
    for (std::uint64_t day = 1; day <= 12; ++day)
      ASSERT_TRUE(memory->Record(IncidentOf({"cart", "cpu"}, day)));
    EXPECT_THAT(*memory->Recall(question, {.k = 5}), SizeIs(5));
    ASSERT_EQ(*memory->Forget({"cart-cpu-3"}), 1u);
    EXPECT_EQ(fake_.points(), 11u);
  }
  fake_.Lose();
  fake_.Plant(99, FingerprintOf(ContextOf({"payment", "crash"}, 1)).values);
  const auto memory = open();
  EXPECT_EQ(fake_.points(), 11u);  // the stranger went, the others came back
  EXPECT_THAT(*memory->Recall(question, {.k = 20}), SizeIs(11));
  // Out of reach: the truth is kept, recalling says why it cannot.
  fake_.busy = 1'000'000;
  ASSERT_TRUE(memory->Record(IncidentOf({"cart", "cpu"}, 60)));
  EXPECT_EQ(memory->Recall(question).error().kind(), base::ErrorKind::kUnavailable);
  fake_.busy = 0;
  EXPECT_THAT(*memory->Recall(question, {.k = 20}), SizeIs(12));
}

TEST(QdrantAnswersTest, WhatDoesNotFitIsAnError) {
  for (const char* body : {"", "[]", "{}", R"({"result":null})",
                           R"({"result":[{"id":"uuid","score":1}]})", R"({"result":[{"id":1}]})",
                           R"({"result":{"points":{}}})", R"({"result":[{"id":-1,"score":1}]})"})
    EXPECT_FALSE(ParseQdrantHits(body)) << body;
  EXPECT_FALSE(ParseQdrantPage(R"({"result":{"points":[],"next_page_offset":"x"}})"));
  EXPECT_FALSE(ParseQdrantCount(R"({"result":{"count":-1}})"));
  EXPECT_FALSE(ParseQdrantCollection(
      R"({"result":{"config":{"params":{"vectors":{"image":{"size":4,"distance":"Dot"}}}}}})"));
  EXPECT_EQ(QdrantErrorText("plain\ntext"), "plain text");
}

}  // namespace
}  // namespace enclave::memory
