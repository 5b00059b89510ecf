#include "net/http.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/url.h"

namespace enclave::net {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using Query = std::vector<std::pair<std::string, std::string>>;

TEST(HttpTest, HeadersIgnoreCase) {
  Headers headers{{"Content-Type", "a"}};
  EXPECT_TRUE(headers.contains("content-TYPE"));
  EXPECT_FALSE(headers.contains("content-typ"));
  EXPECT_FALSE(headers.contains("content-typee"));
}

TEST(HttpTest, PercentEscapesAreDecoded) {
  EXPECT_EQ(PercentDecode("a%20b+c", false), "a b+c");
  EXPECT_EQ(PercentDecode("a%20b+c", true), "a b c");
  EXPECT_EQ(PercentDecode("%2f%2F%00", false), std::string("//\0", 3));
  EXPECT_EQ(PercentDecode("100%", false), "100%");
  EXPECT_EQ(PercentDecode("%4", false), "%4");
  EXPECT_EQ(PercentDecode("%zz%4g", false), "%zz%4g");
}

TEST(HttpTest, EncodingLeavesOnlyUnreservedCharacters) {
  EXPECT_EQ(PercentEncode("aZ0-._~"), "aZ0-._~");
  EXPECT_EQ(PercentEncode("a b/c?d=\xff"), "a%20b%2Fc%3Fd%3D%FF");
}

TEST(HttpTest, TargetsAreTakenApart) {
  std::string path;
  Query query;
  ParseTarget("/api/v1/pods%2Fx?limit=5&labelSelector=a%3Db+c&watch&=v&&x=1=2", &path, &query);
  EXPECT_EQ(path, "/api/v1/pods/x");
  EXPECT_THAT(query, ElementsAre(Pair("limit", "5"), Pair("labelSelector", "a=b c"),
                                 Pair("watch", ""), Pair("", "v"), Pair("x", "1=2")));
  ParseTarget("/", &path, &query);
  EXPECT_EQ(path, "/");
  EXPECT_THAT(query, IsEmpty());
  ParseTarget("http://host:80/p?q=1", &path, &query);
  EXPECT_EQ(path, "/p");
  EXPECT_THAT(query, ElementsAre(Pair("q", "1")));
  ParseTarget("http://host", &path, &query);
  EXPECT_EQ(path, "/");
  ParseTarget("/redirect?to=http://host/x", &path, &query);
  EXPECT_EQ(path, "/redirect");
  ParseTarget("*", &path, &query);
  EXPECT_EQ(path, "*");
}

TEST(HttpTest, RequestsAnswerForQueryAndHeader) {
  Request request;
  request.query = {{"a", "1"}, {"a", "2"}};
  request.headers["X-Y"] = "z";
  EXPECT_EQ(request.Query("a"), "1");
  EXPECT_EQ(request.Query("b"), std::nullopt);
  EXPECT_EQ(request.Header("x-y"), "z");
  EXPECT_EQ(request.Header("none"), "");
}

TEST(UrlTest, OriginsAreTakenApart) {
  const auto plain = ParseOrigin("http://127.0.0.1:8080/a/b/");
  ASSERT_TRUE(plain);
  EXPECT_FALSE(plain->is_tls);
  EXPECT_EQ(plain->host, "127.0.0.1");
  EXPECT_EQ(plain->port, 8080);
  EXPECT_EQ(plain->authority, "127.0.0.1:8080");
  EXPECT_EQ(plain->prefix, "/a/b");
  const auto tls = ParseOrigin("https://[::1]");
  ASSERT_TRUE(tls);
  EXPECT_TRUE(tls->is_tls);
  EXPECT_EQ(tls->host, "::1");
  EXPECT_EQ(tls->port, 443);
  EXPECT_EQ(tls->authority, "[::1]");
  EXPECT_EQ(ParseOrigin("https://x:443")->authority, "x");
  EXPECT_EQ(ParseOrigin("unix:///run/a.sock")->unix_path, "/run/a.sock");
}

TEST(UrlTest, WhatIsNotAnOriginIsRefused) {
  for (const char* url : {"", "x", "ftp://x", "http://", "http://:80", "http://x:", "http://x:0",
                          "http://x:65536", "http://x:1a", "http://u@x", "http://x?q",
                          "http://[::1", "http://[::1]80", "http://a b", "unix:relative"}) {
    EXPECT_FALSE(ParseOrigin(url)) << url;
  }
}

}  // namespace
}  // namespace enclave::net
