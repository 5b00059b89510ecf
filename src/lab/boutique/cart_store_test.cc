#include "lab/boutique/cart_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lab/boutique/fake_redis.h"
#include "otel/test_collector.h"

namespace enclave::lab::boutique {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

constexpr std::chrono::seconds kLongPatience{30};

// Both stores keep the same promises.
class CartStoreTest : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    auto telemetry =
        otel::Telemetry::Create(loop_,
                                {.service_name = "cart",
                                 .exporter = {.endpoint = collector_.endpoint(),
                                              .flush_interval = std::chrono::minutes(10),
                                              .metric_interval = std::chrono::minutes(10)},
                                 .log_fd = -1},
                                random_);
    ASSERT_TRUE(telemetry);
    telemetry_ = std::move(*telemetry);
    store_ = GetParam()
                 ? MakeRedisCartStore(*telemetry_, {.host = "127.0.0.1", .port = redis_.port()})
                 : MakeMemoryCartStore();
  }

  std::vector<std::pair<std::string, int>> Items(const std::string& user) {
    const auto cart = store_->GetCart(user);
    EXPECT_TRUE(cart) << cart.error().ToString();
    std::vector<std::pair<std::string, int>> items;
    if (cart)
      for (const auto& item : cart->items()) items.emplace_back(item.product_id(), item.quantity());
    return items;
  }

  FakeRedis redis_;
  base::SeededRandom random_{1};
  otel::TestCollector collector_;
  net::EventLoop loop_{"cart-test"};
  std::unique_ptr<otel::Telemetry> telemetry_;
  std::unique_ptr<CartStore> store_;
};

INSTANTIATE_TEST_SUITE_P(Stores, CartStoreTest, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "Redis" : "Memory"; });

TEST_P(CartStoreTest, QuantitiesAddUp) {
  EXPECT_TRUE(Items("ada").empty());
  EXPECT_TRUE(store_->AddItem("ada", "MUG", 2));
  EXPECT_TRUE(store_->AddItem("ada", "JAR", 1));
  EXPECT_TRUE(store_->AddItem("ada", "MUG", 3));
  EXPECT_TRUE(store_->AddItem("grace", "MUG", 1));
  EXPECT_THAT(Items("ada"), ElementsAre(Pair("JAR", 1), Pair("MUG", 5)));
  EXPECT_TRUE(store_->EmptyCart("ada"));
  EXPECT_TRUE(Items("ada").empty());
  EXPECT_THAT(Items("grace"), ElementsAre(Pair("MUG", 1)));
}

TEST_P(CartStoreTest, CartsAreBounded) {
  EXPECT_TRUE(store_->AddItem("ada", "MUG", kMaxQuantity));
  EXPECT_FALSE(store_->AddItem("ada", "MUG", 1));
  EXPECT_THAT(Items("ada"), ElementsAre(Pair("MUG", kMaxQuantity)));
  for (std::size_t i = 1; i < kMaxCartItems; ++i)
    ASSERT_TRUE(store_->AddItem("ada", std::to_string(i), 1));
  const auto over = store_->AddItem("ada", "one more", 1);
  ASSERT_FALSE(over);
  EXPECT_EQ(over.error().kind(), base::ErrorKind::kInvalidArgument);
  EXPECT_EQ(Items("ada").size(), kMaxCartItems);
}

TEST(MemoryCartStoreTest, TheCartUnusedForLongestGoes) {
  const auto store = MakeMemoryCartStore(2);
  EXPECT_TRUE(store->AddItem("a", "MUG", 1));
  EXPECT_TRUE(store->AddItem("b", "MUG", 1));
  EXPECT_EQ(store->GetCart("a")->items_size(), 1);
  EXPECT_TRUE(store->AddItem("c", "MUG", 1));
  EXPECT_EQ(store->GetCart("b")->items_size(), 0);
  EXPECT_EQ(store->GetCart("a")->items_size(), 1);
}

class RedisCartStoreTest : public CartStoreTest {};
INSTANTIATE_TEST_SUITE_P(Redis, RedisCartStoreTest, ::testing::Values(true));

TEST_P(RedisCartStoreTest, AClosedConnectionIsMadeAgain) {
  EXPECT_TRUE(store_->AddItem("ada", "MUG", 2));
  EXPECT_THAT(Items("ada"), ElementsAre(Pair("MUG", 2)));
  EXPECT_EQ(redis_.accepted(), 1u);
  redis_.CloseConnections();
  EXPECT_THAT(Items("ada"), ElementsAre(Pair("MUG", 2)));
  EXPECT_EQ(redis_.accepted(), 2u);
}

TEST_P(RedisCartStoreTest, CommandsAreClientSpans) {
  EXPECT_TRUE(store_->AddItem("ada", "MUG", 2));
  ASSERT_TRUE(telemetry_->Flush(otel::kLongTime));
  ASSERT_EQ(collector_.spans().size(), 1u);
  const otel::ReceivedSpan span = collector_.spans()[0];
  EXPECT_EQ(span.span.name(), "HINCRBY");
  EXPECT_EQ(span.span.kind(), opentelemetry::proto::trace::v1::Span::SPAN_KIND_CLIENT);
  EXPECT_EQ(span.Text("db.system"), "redis");
}

TEST_P(RedisCartStoreTest, AStoreThatStartsIsWaitedFor) {
  const auto store = MakeRedisCartStore(
      *telemetry_, {.host = "127.0.0.1", .port = redis_.port(), .start_patience = kLongPatience});
  EXPECT_TRUE(redis_.WaitForAccepted(1, kLongPatience));
  EXPECT_TRUE(store->GetCart("ada"));
  EXPECT_EQ(redis_.accepted(), 1u);
}

TEST_P(RedisCartStoreTest, NobodyThereIsWaitedForNoLongerThanTold) {
  const auto store = MakeRedisCartStore(
      *telemetry_,
      {.host = "127.0.0.1", .port = 1, .start_patience = std::chrono::milliseconds(60)});
  EXPECT_FALSE(store->GetCart("ada"));
}

TEST_P(RedisCartStoreTest, NobodyThereIsUnavailable) {
  const auto store = MakeRedisCartStore(*telemetry_, {.host = "127.0.0.1", .port = 1});
  const auto cart = store->GetCart("ada");
  ASSERT_FALSE(cart);
  EXPECT_EQ(cart.error().kind(), base::ErrorKind::kUnavailable);
}

}  // namespace
}  // namespace enclave::lab::boutique
