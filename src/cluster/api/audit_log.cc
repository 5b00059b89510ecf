#include "cluster/api/audit_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/log.h"
#include "kube/object.h"
#include "kube/time.h"

namespace enclave::cluster {
namespace {

using base::ErrorKind;
using base::Fail;
using base::Result;
using kube::Json;

// A user agent or name longer than this says nothing more.
constexpr std::size_t kLongestText = 256;

std::string Clip(const std::string& text) {
  return text.substr(0, kLongestText);
}

Json ToJson(const AuditEntry& entry) {
  Json line = {{"time", kube::FormatNanoTime(entry.received_at)},
               {"verb", entry.verb},
               {"resource", entry.resource},
               {"user", Clip(entry.who.name)},
               {"groups", entry.who.groups},
               {"code", entry.code},
               {"latencyMicroseconds",
                std::chrono::duration_cast<std::chrono::microseconds>(entry.latency).count()},
               {"source", entry.source}};
  const auto put = [&line](const char* key, const std::string& value) {
    if (!value.empty()) line[key] = Clip(value);
  };
  put("id", entry.id);
  put("namespace", entry.ns);
  put("name", entry.name);
  put("uid", entry.uid);
  put("subresource", entry.subresource);
  put("userAgent", entry.user_agent);
  put("traceId", entry.trace_id);
  put("impersonatedBy", entry.impersonator);
  if (entry.dry_run) line["dryRun"] = true;
  return line;
}

}  // namespace

Result<std::unique_ptr<AuditLog>> AuditLog::Open(const std::string& path, std::int64_t max_bytes,
                                                 int max_files) {
  std::unique_ptr<AuditLog> log(new AuditLog(path, max_bytes, max_files));
  RETURN_IF_ERROR(log->OpenFile());
  return log;
}

AuditLog::AuditLog(std::string path, std::int64_t max_bytes, int max_files)
    : path_(std::move(path)), max_bytes_(max_bytes), max_files_(max_files) {}

AuditLog::~AuditLog() {
  if (fd_ >= 0) ::close(fd_);
}

Result<> AuditLog::OpenFile() {
  fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  struct stat info{};
  if (fd_ < 0 || ::fstat(fd_, &info) != 0)
    return Fail(ErrorKind::kUnavailable,
                fmt::format("cannot open the audit log {}: {}", path_, std::strerror(errno)));
  bytes_ = info.st_size;
  return {};
}

void AuditLog::Rotate() {
  ::close(fd_);
  fd_ = -1;
  std::remove(fmt::format("{}.{}", path_, max_files_ - 1).c_str());
  for (int i = max_files_ - 2; i >= 1; --i)
    std::rename(fmt::format("{}.{}", path_, i).c_str(), fmt::format("{}.{}", path_, i + 1).c_str());
  std::rename(path_.c_str(), (path_ + ".1").c_str());
  if (const auto opened = OpenFile(); !opened)
    base::LogError("audit", "the audit log cannot be opened again",
                   {{"error", opened.error().message()}});
}

void AuditLog::Record(const AuditEntry& entry) {
  const std::string line =
      ToJson(entry).dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  const auto size = static_cast<std::int64_t>(line.size());
  std::lock_guard lock(mutex_);
  if (fd_ >= 0 && bytes_ + size > max_bytes_ && bytes_ > 0) Rotate();
  if (fd_ < 0) static_cast<void>(OpenFile());
  // One write of a whole line: lines of two threads never mix.
  if (fd_ >= 0 && ::write(fd_, line.data(), line.size()) == static_cast<ssize_t>(size)) {
    bytes_ += size;
    return;
  }
  if (++lost_ == 1 || lost_ % 1000 == 0)
    base::LogError("audit", "the disk refuses audit lines", {{"lost", lost_}, {"path", path_}});
}

std::int64_t AuditLog::lost() const {
  std::lock_guard lock(mutex_);
  return lost_;
}

}  // namespace enclave::cluster
