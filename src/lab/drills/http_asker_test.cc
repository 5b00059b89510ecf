#include "lab/drills/http_asker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/executor.h"
#include "lab/drills/agent_watch.h"
#include "lab/drills/machine_host.h"
#include "lab/drills/test_world.h"
#include "net/http_server.h"

namespace enclave::lab::drills {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(HttpAskerTest, AnswersAndRefusalsComeThrough) {
  net::EventLoop loop("test");
  auto server = net::HttpServer::Start(
      loop, {},
      [](net::Request& request, net::ResponseWriter& writer) -> boost::asio::awaitable<void> {
        net::Response response{.status = 503, .body = "later"};
        if (request.path == "/api/incidents")
          response = {.body = R"({"incidents": [{"id": "i-1", "outcome": ""}]})"};
        if (request.path == "/no-json") response = {.body = "<html>"};
        (void)co_await writer.Send(std::move(response));
      });
  ASSERT_TRUE(server);
  const auto asker = HttpAsker::Connect(
      loop, "http://127.0.0.1:" + std::to_string((*server)->port()), "the agent");
  ASSERT_TRUE(asker);
  TestWorld it;
  World world = it.world();
  world.agent = asker->get();
  const auto open = AgentWatch::Open(world);
  ASSERT_TRUE(open) << open.error().message();
  EXPECT_THAT(*open, ElementsAre("i-1"));
  EXPECT_THAT((*asker)->Ask("/x").error().message(), HasSubstr("the agent answered 503: later"));
  EXPECT_THAT((*asker)->Ask("/no-json").error().message(), HasSubstr("the agent"));
}

TEST(MachineHostTest, AContainerIsKnownByItsPod) {
  using namespace std::string_literals;
  const std::string environment = "A=b\0ENCLAVE_CONTAINER_ID=ab12/uid-1/server/0\0C=d"s;
  EXPECT_EQ(ContainerIdOf(environment, "uid-1"), "ab12/uid-1/server/0");
  EXPECT_EQ(ContainerIdOf(environment, "uid"), "");
  EXPECT_EQ(ContainerIdOf(environment, ""), "");
  EXPECT_EQ(ContainerIdOf("ENCLAVE_CONTAINER_ID=", "uid-1"), "");
  const std::string shim = "/bin/enclave-shim\0run\0/s/containers/uid-1/redis/0\0"s;
  EXPECT_EQ(ShimContainerIdOf(shim, "uid-1"), "uid-1/redis/0");
  EXPECT_EQ(ShimContainerIdOf(shim, "uid"), "");
  EXPECT_EQ(ShimContainerIdOf("vi\0/s/containers/uid-1/redis/0"s, "uid-1"), "");
}

TEST(MachineHostTest, ProcessesAreStoppedAndGoOnAgain) {
  const auto pid =
      net::Spawn({.argv = {"/bin/sh", "-c", "while :; do read x; done < /dev/zero"},
                  .environment = {"ENCLAVE_CONTAINER_ID=t/uid-of-this-test/server/0"}});
  ASSERT_TRUE(pid);
  const auto process = net::IdentifyProcess(*pid);
  ASSERT_TRUE(process);
  {
    MachineHost host({});
    ASSERT_TRUE(host.Signal("uid-of-this-test", SIGSTOP));
    int status = 0;
    ASSERT_EQ(::waitpid(*pid, &status, WUNTRACED), *pid);
    EXPECT_TRUE(WIFSTOPPED(status));
    EXPECT_FALSE(host.Signal("another", SIGSTOP));
  }
  int status = 0;
  ASSERT_EQ(::waitpid(*pid, &status, WCONTINUED), *pid);
  EXPECT_TRUE(WIFCONTINUED(status));
  MachineHost host({});
  ASSERT_TRUE(host.Burn("uid-of-this-test", 1));
  host.PutBack();
  ASSERT_TRUE(host.Signal("uid-of-this-test", SIGKILL));
  ASSERT_EQ(::waitpid(*pid, &status, 0), *pid);
  EXPECT_FALSE(host.Signal("uid-of-this-test", SIGKILL)) << "nothing of it is left";
}

}  // namespace
}  // namespace enclave::lab::drills
