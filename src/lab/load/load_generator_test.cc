// Visitors against a small shop on a real HTTP server, which can be made to answer wrongly.
#include "lab/load/load_generator.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <mutex>

#include "net/http_server.h"
#include "otel/telemetry.h"
#include "trace/trace_context.h"

namespace enclave::lab::load {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

constexpr seconds kPatience{60};

// Sells a mug at 8.99 in every currency.
class TestShop {
 public:
  TestShop() {
    auto server = net::HttpServer::Start(
        loop_, {}, [this](net::Request& request, net::ResponseWriter& writer) {
          return Serve(request, writer);
        });
    EXPECT_TRUE(server);
    server_ = std::move(*server);
  }

  std::string url() const { return fmt::format("http://127.0.0.1:{}", server_->port()); }

  std::atomic<bool> fails_checkout = false;
  std::atomic<bool> miscounts = false;  // totals of carts

  std::vector<std::string> requests() {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  std::map<std::string, int> traces() {  // requests by trace
    const std::lock_guard lock(mutex_);
    return traces_;
  }
  std::size_t sessions() {
    const std::lock_guard lock(mutex_);
    return carts_.size();
  }

 private:
  static std::string Product(const std::string& currency, const std::string& more = "") {
    return fmt::format(
        R"(<li data-product="MUG"{0}><h3 data-of="name">Mug</h3><data data-of="price" value="{1} 8.99">x</data>)",
        more, currency);
  }
  static std::string CookieOf(const net::Request& request, const std::string& name) {
    const std::string cookies(request.Header("Cookie"));
    const std::size_t at = cookies.find(name + "=");
    if (at == std::string::npos) return "";
    const std::size_t begin = at + name.size() + 1;
    return cookies.substr(begin, cookies.find(';', begin) - begin);
  }

  boost::asio::awaitable<void> Serve(net::Request& request, net::ResponseWriter& writer) {
    net::Response response = Answer(request);
    const auto sent = co_await writer.Send(std::move(response));
    EXPECT_TRUE(sent);
  }

  net::Response Answer(const net::Request& request) {
    const std::lock_guard lock(mutex_);
    requests_.push_back(request.method + " " + request.path);
    const auto trace = trace::Extract(request.headers);
    if (trace) ++traces_[trace->trace_id.ToString()];
    net::Response response;
    std::string session = CookieOf(request, "session");
    if (session.empty()) {
      session = fmt::format("s{}", carts_.size());
      carts_[session] = 0;
      response.headers["Set-Cookie"] = "session=" + session + "; Path=/; Max-Age=60";
    }
    std::string currency = CookieOf(request, "currency");
    if (currency.empty()) currency = "USD";
    int& cart = carts_[session];
    const auto redirect = [&](const std::string& to) {
      response.status = 302;
      response.headers["Location"] = to;
    };
    if (request.path == "/") {
      response.body = R"(<body data-page="home">)" + Product(currency);
    } else if (request.path == "/setCurrency") {
      const std::size_t equals = request.body.find('=');
      response.headers["Set-Cookie"] = "currency=" + request.body.substr(equals + 1) + "; Path=/";
      redirect("/");
    } else if (request.path == "/product/MUG") {
      response.body = R"(<body data-page="product">)" + Product(currency);
    } else if (request.path == "/cart" && request.method == "POST") {
      cart += std::stoi(request.body.substr(request.body.rfind('=') + 1));
      redirect("/cart");
    } else if (request.path == "/cart" && cart == 0) {
      response.body = R"(<body data-page="cart"><b data-of="basket">0</b>)";
    } else if (request.path == "/cart") {
      response.body = Lines("cart", "total", cart, currency);
    } else if (request.path == "/cart/checkout" && fails_checkout) {
      response.status = 500;
    } else if (request.path == "/cart/checkout") {
      response.body = Lines("order", "paid", cart, currency) +
                      R"(<b data-of="order">o</b><b data-of="tracking">t</b>)";
      cart = 0;
    } else {
      response.status = 404;
    }
    return response;
  }

  std::string Lines(const std::string& page, const std::string& total_name, int cart,
                    const std::string& currency) const {
    const std::int64_t cents = 899LL * cart;
    const std::int64_t total = cents + 500 + (miscounts ? 1 : 0);
    return fmt::format(
        R"(<body data-page="{}"><b data-of="basket">{}</b>{}<data data-of="sum" value="{} {}.{:02}">x</data>
<data data-of="shipping" value="{} 5.00">x</data><data data-of="{}" value="{} {}.{:02}">x</data>)",
        page, cart, Product(currency, fmt::format(" data-quantity=\"{}\"", cart)), currency,
        cents / 100, cents % 100, currency, total_name, currency, total / 100, total % 100);
  }

  net::EventLoop loop_{"test-shop"};
  std::mutex mutex_;
  std::map<std::string, int> carts_;
  std::vector<std::string> requests_;
  std::map<std::string, int> traces_;
  std::unique_ptr<net::HttpServer> server_;
};

class LoadGeneratorTest : public testing::Test {
 protected:
  LoadGeneratorTest() {
    auto telemetry = otel::Telemetry::Create(
        loop_, {.service_name = "loadgenerator", .log_fd = -1, .runtime_metrics = false}, random_);
    EXPECT_TRUE(telemetry);
    telemetry_ = std::move(*telemetry);
  }

  // As fast as the visitors can.
  LoadOptions Fast(std::uint64_t actions, int users = 3) {
    return {.target = shop_.url(),
            .users = users,
            .spawn_rate = 100'000,
            .rate = 1e9,
            .actions = actions,
            .seed = 11};
  }

  LoadGenerator::Snapshot Run(const LoadOptions& options) {
    auto generator = LoadGenerator::Start(loop_, *telemetry_, options);
    EXPECT_TRUE(generator) << generator.error().ToString();
    EXPECT_TRUE((*generator)->WaitUntilDone(kPatience));
    return (*generator)->Take();
  }

  TestShop shop_;
  net::EventLoop loop_{"load-test"};
  base::SeededRandom random_{3};
  std::unique_ptr<otel::Telemetry> telemetry_;
};

TEST_F(LoadGeneratorTest, VisitorsShopWithoutAComplaint) {
  const auto end = Run(Fast(400));
  EXPECT_EQ(end.total.All().count, 400u);
  EXPECT_EQ(end.total.All().errors, 0u) << end.total.Table(end.elapsed);
  EXPECT_EQ(end.users, 0);
  EXPECT_EQ(end.total.All().requests, shop_.requests().size());
  for (const ActionKind& kind : kActions)
    EXPECT_GT(end.total.of(kind.action).count, 0u) << kind.name;
  EXPECT_EQ(shop_.requests().front(), "GET /");
}

TEST_F(LoadGeneratorTest, EachActionIsATraceOfItsOwn) {
  const auto end = Run(Fast(200));
  const auto traces = shop_.traces();
  EXPECT_EQ(traces.size(), 200u);
  std::uint64_t requests = 0;
  for (const auto& [id, count] : traces) requests += static_cast<std::uint64_t>(count);
  EXPECT_EQ(requests, end.total.All().requests);
}

TEST_F(LoadGeneratorTest, VisitorsKeepTheirSessions) {
  Run(Fast(150, 5));
  EXPECT_EQ(shop_.sessions(), 5u);
}

TEST_F(LoadGeneratorTest, AnAnswerOf500IsAnErrorWithItsTrace) {
  shop_.fails_checkout = true;
  const auto end = Run(Fast(300));
  const ActionFigures& checkout = end.total.of(Action::kCheckout);
  EXPECT_GT(checkout.count, 0u);
  EXPECT_EQ(checkout.errors, checkout.count);
  EXPECT_EQ(end.total.All().errors, checkout.errors) << end.total.Table(end.elapsed);
  ASSERT_FALSE(end.total.failures().empty());
  EXPECT_THAT(end.total.failures()[0].why, HasSubstr("answered with 500"));
  EXPECT_TRUE(shop_.traces().contains(end.total.failures()[0].trace_id));
}

TEST_F(LoadGeneratorTest, AWrongTotalIsAnError) {
  shop_.miscounts = true;
  const auto end = Run(Fast(300));
  EXPECT_EQ(end.total.of(Action::kAddToCart).errors, end.total.of(Action::kAddToCart).count);
  EXPECT_EQ(end.total.of(Action::kBrowseProduct).errors, 0u);
  ASSERT_FALSE(end.total.failures().empty());
  EXPECT_THAT(end.total.failures()[0].why, HasSubstr("the total says"));
}

TEST_F(LoadGeneratorTest, TheSameSeedAsksTheSame) {
  LoadOptions options = Fast(120, 1);
  Run(options);
  const auto first = shop_.requests();
  Run(options);
  const auto both = shop_.requests();
  ASSERT_EQ(both.size(), first.size() * 2);
  EXPECT_TRUE(
      std::equal(first.begin(), first.end(), both.begin() + static_cast<long>(first.size())));
}

TEST_F(LoadGeneratorTest, AShopThatIsNotThereIsAnErrorForEveryVisitor) {
  LoadOptions options = Fast(20);
  options.target = "http://127.0.0.1:1";
  const auto end = Run(options);
  EXPECT_EQ(end.total.All().errors, 20u);
}

TEST_F(LoadGeneratorTest, StopsWhenToldWhileVisitorsWait) {
  LoadOptions options{.target = shop_.url(), .users = 200, .spawn_rate = 100'000, .rate = 0.001};
  auto generator = LoadGenerator::Start(loop_, *telemetry_, options);
  ASSERT_TRUE(generator);
  (*generator)->Stop();
  EXPECT_TRUE((*generator)->WaitUntilDone(kPatience));
  EXPECT_EQ((*generator)->Take().users, 0);
}

TEST_F(LoadGeneratorTest, EndsByTime) {
  LoadOptions options{.target = shop_.url(), .users = 2, .rate = 0.001};
  options.duration = std::chrono::milliseconds(1);
  const auto end = Run(options);
  EXPECT_LE(end.total.All().count, 2u);
}

TEST_F(LoadGeneratorTest, OptionsThatMakeNoSenseAreRefused) {
  for (const LoadOptions& options :
       {LoadOptions{.target = shop_.url(), .users = 0},
        LoadOptions{.target = shop_.url(), .users = kMostUsers + 1},
        LoadOptions{.target = shop_.url(), .spawn_rate = 0},
        LoadOptions{.target = shop_.url(), .rate = -1}, LoadOptions{.target = "shop"}}) {
    const auto generator = LoadGenerator::Start(loop_, *telemetry_, options);
    ASSERT_FALSE(generator);
    EXPECT_EQ(generator.error().kind(), base::ErrorKind::kInvalidArgument);
  }
}

}  // namespace
}  // namespace enclave::lab::load
