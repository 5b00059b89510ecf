// The OpenTelemetry SDK of JavaScript, as it comes from npm, against the observatory on its own.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "system/command.h"
#include "system/enclave_fixture.h"
#include "system/eventually.h"
#include "system/http_probe.h"
#include "system/npm_client.h"

namespace enclave::system_test {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

TEST(ClientOtelTest, SendsOverGrpcAndHttp) {
  const std::filesystem::path client = InstalledNpmClient("client-otel");
  ASSERT_FALSE(client.empty());
  const std::filesystem::path folder = MakeFolder("client-otel");
  {
    Background observatory({EnclaveBinary(), "observatory", "--state", folder.string(), "--http",
                            "127.0.0.1:29495", "--otlp-grpc", "127.0.0.1:29496"});
    ASSERT_TRUE(Eventually(seconds(30), [] {
      return HttpGet("127.0.0.1", 29495, "/-/ready").status == 200;
    })) << observatory.Printed();
    const Output checked =
        Execute({"node", "check.mjs"}, {.environment = {{"OTLP_GRPC", "http://127.0.0.1:29496"},
                                                        {"OBSERVATORY", "http://127.0.0.1:29495"}},
                                        .directory = client.string(),
                                        .timeout = seconds(120)});
    EXPECT_EQ(checked.code, 0) << checked.Story() << observatory.Printed();
    for (const char* way : {"ok grpc", "ok json", "ok protobuf"})
      EXPECT_THAT(checked.out, HasSubstr(way));
  }
  RemoveFolder(folder);
}

}  // namespace
}  // namespace enclave::system_test
