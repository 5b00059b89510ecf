// A whole request, as it comes off the wire: every answer is one answer, errors are Status objects,
// and whatever was stored can be listed as JSON again. Input: method and target on the first line,
// Content-Type and Accept on the next two, then the body.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include "base/check.h"
#include "base/simulated_executor.h"
#include "cluster/api/resource_handler.h"
#include "cluster/api/service_addresses.h"
#include "cluster/store/memory_store.h"

namespace enclave::cluster {
namespace {

namespace asio = boost::asio;
using kube::Json;

class Recorder final : public net::ResponseWriter {
 public:
  asio::awaitable<base::Result<>> Send(net::Response response) override {
    CHECK(!begun_, "one request gets one answer");
    begun_ = true;
    status = response.status;
    body = std::move(response.body);
    co_return base::Result<>();
  }
  asio::awaitable<base::Result<>> Begin(net::Response response) override {
    CHECK(!begun_, "one request gets one answer");
    begun_ = true;
    status = response.status;
    co_return base::Result<>();
  }
  // The client leaves after the first lines of a stream.
  asio::awaitable<base::Result<>> Write(std::string_view) override {
    co_return base::Fail(base::ErrorKind::kCancelled, "the client left");
  }
  asio::awaitable<base::Result<>> End() override { co_return base::Result<>(); }
  bool closed() const override { return true; }

  int status = 0;
  std::string body;

 private:
  bool begun_ = false;
};

std::string TakeLine(std::string_view& rest) {
  const std::size_t end = std::min(rest.find('\n'), rest.size());
  std::string line(rest.substr(0, end));
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return line;
}

struct World {
  World() : registry(Registry::WithBuiltIns()) {
    Resource services = *registry->Find(kube::kService);
    services.claims = *ServiceAddresses::Make("127.77.240.0/24");
    registry->Add(std::move(services));
    machinery.emplace(store, *registry, clock, random);
    handler.emplace(*machinery);
    machinery->Create(registry->Find(kube::kNamespace), "", {{"metadata", {{"name", "n"}}}}, {},
                      [](WriteResult result) { CHECK(result.object.has_value(), "it is made"); });
  }
  base::SimulatedExecutor clock;
  base::SeededRandom random{1};
  MemoryStore store;
  std::unique_ptr<Registry> registry;
  std::optional<Machinery> machinery;
  std::optional<ResourceHandler> handler;
};

void ServeOne(World& world, std::string_view input) {
  net::Request request;
  request.method = TakeLine(input);
  if (const std::size_t space = request.method.find(' '); space != std::string::npos) {
    request.target = request.method.substr(space + 1);
    request.method.resize(space);
  }
  net::ParseTarget(request.target, &request.path, &request.query);
  request.headers["Content-Type"] = TakeLine(input);
  request.headers["Accept"] = TakeLine(input);
  request.body = input;
  const auto info = ParseRequestInfo(request);
  if (!info || !info->is_resource) return;
  Recorder recorder;
  Exchange exchange{request, recorder, *info, {.name = "fuzzer"}, ""};
  asio::io_context context;
  asio::co_spawn(context, world.handler->Serve(exchange), asio::detached);
  // A stream without an event waits; leaving the context ends it.
  context.poll();
  if (recorder.status < 400) return;
  const Json status = Json::parse(recorder.body, nullptr, false);
  CHECK(kube::StringAt(status, "kind") == "Status", "errors are Status objects");
  CHECK(kube::IntAt(status, "code") == recorder.status, "the code is said twice alike");
}

}  // namespace
}  // namespace enclave::cluster

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace enclave::cluster;
  World world;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  // Requests are divided by a line of "--".
  for (int i = 0; i < 8 && !rest.empty(); ++i) {
    const std::size_t end = std::min(rest.find("\n--\n"), rest.size());
    ServeOne(world, rest.substr(0, end));
    rest.remove_prefix(std::min(end + 4, rest.size()));
  }
  for (const auto& resource : world.registry->All()) {
    for (const auto& object : world.store.List(resource->kind.GroupResource(), "").items) {
      const auto parsed = enclave::kube::Json::parse(object->text(), nullptr, false);
      CHECK(parsed == object->json(), "what is stored is JSON, and the text is the object");
      CHECK(!object->name().empty() && !object->uid().empty(), "what is stored is complete");
    }
  }
  return 0;
}
