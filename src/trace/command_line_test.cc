#include "trace/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace enclave::trace {
namespace {

using Line = std::vector<std::string>;

TEST(CommandLineTest, WhatIsNoSecretStays) {
  const Line line = {"kubectl", "set", "image", "deploy/cart", "server=cart:v2", "-n", "boutique"};
  EXPECT_EQ(WithoutSecrets(line), line);
  EXPECT_EQ(WithoutSecrets(Line{"curl", "http://shop:8080/a@b?x=1:2"}),
            (Line{"curl", "http://shop:8080/a@b?x=1:2"}));
  EXPECT_EQ(WithoutSecrets(Line{"kubectl", "get", "secret", "tls"}),
            (Line{"kubectl", "get", "secret", "tls"}));
}

TEST(CommandLineTest, SecretsAreTakenOut) {
  const struct {
    Line given, kept;
  } cases[] = {
      {{"x", "--password=hunter2"}, {"x", "--password=***"}},
      {{"x", "--token", "abc", "--ns", "a"}, {"x", "--token", "***", "--ns", "a"}},
      {{"x", "--token", "--verbose"}, {"x", "--token", "--verbose"}},
      {{"env", "PGPASSWORD=a=b", "psql"}, {"env", "PGPASSWORD=***", "psql"}},
      {{"kubectl", "create", "--from-literal=db-password=p"},
       {"kubectl", "create", "--from-literal=db-password=***"}},
      {{"curl", "-H", "X-Api-Key: k1"}, {"curl", "-H", "X-Api-Key: ***"}},
      {{"curl", "-H", "Authorization: Bearer k2"}, {"curl", "-H", "Authorization: ***"}},
      {{"curl", "-u", "me:pw", "http://h"}, {"curl", "-u", "me:***", "http://h"}},
      {{"git", "clone", "https://me:pw@host/repo"}, {"git", "clone", "https://me:***@host/repo"}},
      {{"kubectl", "patch", R"({"data":{"apiKey":"k3"}})"},
       {"kubectl", "patch", R"({"data":{"apiKey":"***)"}},
  };
  for (const auto& one : cases) EXPECT_EQ(WithoutSecrets(one.given), one.kept);
}

TEST(CommandLineTest, IsBounded) {
  const Line line(10'000, "argument");
  const Line kept = WithoutSecrets(line);
  EXPECT_LT(kept.size(), kMaxCommandLineBytes / 8);
  EXPECT_EQ(kept.back(), "...");
}

}  // namespace
}  // namespace enclave::trace
