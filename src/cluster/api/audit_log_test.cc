#include "cluster/api/audit_log.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/random.h"
#include "kube/object.h"

namespace enclave::cluster {
namespace {

namespace fs = std::filesystem;

class AuditLogTest : public testing::Test {
 protected:
  AuditLogTest() { fs::create_directories(directory_); }
  ~AuditLogTest() override { fs::remove_all(directory_); }

  static AuditEntry Entry() {
    AuditEntry entry;
    entry.verb = "create";
    entry.resource = "deployments.apps";
    entry.ns = "shop";
    entry.name = "cart";
    entry.who.name = "alice";
    entry.code = 201;
    entry.trace_id = "0af7651916cd43dd8448eb211c80319c";
    return entry;
  }

  static std::vector<kube::Json> Lines(const fs::path& path) {
    std::ifstream file(path);
    std::vector<kube::Json> lines;
    for (std::string line; std::getline(file, line);) lines.push_back(kube::Json::parse(line));
    return lines;
  }

  fs::path directory_ =
      fs::temp_directory_path() / ("enclave-audit-" + base::SystemRandom().Uuid());
  std::string path_ = directory_ / "audit.log";
};

TEST_F(AuditLogTest, ALineSaysWhoWhatWhenAndWithWhichTrace) {
  auto log = AuditLog::Open(path_);
  ASSERT_TRUE(log.has_value());
  AuditEntry entry = Entry();
  entry.user_agent = "kubectl\n\xff" + std::string(1000, 'x');
  (*log)->Record(entry);
  const auto lines = Lines(path_);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0]["user"], "alice");
  EXPECT_EQ(lines[0]["verb"], "create");
  EXPECT_EQ(lines[0]["resource"], "deployments.apps");
  EXPECT_EQ(lines[0]["code"], 201);
  EXPECT_EQ(lines[0]["traceId"], entry.trace_id);
  EXPECT_LE(lines[0]["userAgent"].get<std::string>().size(), 300u);
}

TEST_F(AuditLogTest, RotationBoundsTheFilesAndKeepsTheNewestLines) {
  auto log = AuditLog::Open(path_, /*max_bytes=*/2000, /*max_files=*/3);
  ASSERT_TRUE(log.has_value());
  for (int i = 0; i < 100; ++i) {
    AuditEntry entry = Entry();
    entry.name = std::to_string(i);
    (*log)->Record(entry);
  }
  std::size_t files = 0;
  for (const auto& file : fs::directory_iterator(directory_)) {
    EXPECT_LE(file.file_size(), 2000u) << file.path();
    ++files;
  }
  EXPECT_EQ(files, 3u);
  EXPECT_EQ(Lines(path_).back()["name"], "99");
  EXPECT_EQ((*log)->lost(), 0);
}

}  // namespace
}  // namespace enclave::cluster
