#include "cluster/kubelet/disk_volume_store.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "base/log.h"
#include "base/quote.h"
#include "cluster/kubelet/cri_log.h"

namespace enclave::cluster {

namespace fs = std::filesystem;
using base::ErrorKind;
using Code = std::error_code;

namespace {

constexpr const char* kData = "..data";
constexpr const char* kDataNext = "..data.next";
constexpr std::size_t kMaxMessageBytes = 4096;
constexpr std::size_t kMaxLogEndBytes = 2048;
constexpr std::size_t kMaxLogEndLines = 80;
// So much of a log is looked at for its end: each line has a head, and may be cut into parts.
constexpr std::size_t kLogTailBytes = 32 << 10;

base::Error DiskError(const char* doing, const fs::path& path, const Code& code) {
  return {ErrorKind::kUnavailable, fmt::format("{} {}: {}", doing, path.string(), code.message())};
}

base::Result<> MakeDirectories(const fs::path& path) {
  Code code;
  fs::create_directories(path, code);
  if (code) return base::Fail(DiskError("create", path, code));
  return {};
}

// Names become parts of paths: none may lead elsewhere.
bool IsPathPart(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && !name.contains('/') &&
         !name.contains('\0');
}

bool StaysInside(const fs::path& path) {
  if (path.empty() || path.is_absolute()) return false;
  for (const fs::path& part : path)
    if (part == "..") return false;
  return true;
}

base::Result<std::string> ReadWhole(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) return base::Fail(ErrorKind::kNotFound, "cannot read " + path.string());
  return std::string(std::istreambuf_iterator<char>(stream), {});
}

// The last `max_bytes` of a file; "" when it cannot be read.
std::string ReadEnd(const fs::path& path, std::size_t max_bytes) {
  std::ifstream stream(path, std::ios::binary | std::ios::ate);
  if (!stream) return "";
  const std::streamoff size = stream.tellg();
  if (size <= 0) return "";
  std::string text(std::min(max_bytes, static_cast<std::size_t>(size)), '\0');
  stream.seekg(size - static_cast<std::streamoff>(text.size()));
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(stream.gcount()));
  return text;
}

// The text of a CRI log, without the heads of its lines.
std::string TextOfLog(std::string_view log) {
  std::string text;
  while (!log.empty()) {
    const std::size_t end = log.find('\n');
    if (const auto line = ParseCriLine(log.substr(0, end))) {
      text += line->text;
      if (!line->partial) text += '\n';
    }
    if (end == std::string_view::npos) break;
    log.remove_prefix(end + 1);
  }
  return text;
}

base::Result<> WriteWhole(const fs::path& path, const VolumeFile& file) {
  RETURN_IF_ERROR(MakeDirectories(path.parent_path()));
  std::ofstream stream(path, std::ios::binary | std::ios::trunc);
  stream.write(file.content.data(), static_cast<std::streamsize>(file.content.size()));
  stream.close();
  if (!stream) return base::Fail(ErrorKind::kUnavailable, "cannot write " + path.string());
  Code code;
  fs::permissions(path, static_cast<fs::perms>(file.mode), code);
  if (code) return base::Fail(DiskError("set the mode of", path, code));
  return {};
}

// The content that readers see now; nullopt when there is none or it cannot be read.
bool HoldsExactly(const fs::path& data, const VolumeFiles& files) {
  Code code;
  std::size_t found = 0;
  auto entry = fs::recursive_directory_iterator(data, code);
  if (code) return false;
  for (; entry != fs::recursive_directory_iterator(); entry.increment(code)) {
    if (code) return false;
    if (!entry->is_regular_file(code)) continue;
    const auto wanted = files.find(fs::relative(entry->path(), data, code).string());
    if (wanted == files.end()) return false;
    const auto mode = static_cast<int>(entry->status(code).permissions()) & 0777;
    if (mode != wanted->second.mode) return false;
    const auto content = ReadWhole(entry->path());
    if (!content || *content != wanted->second.content) return false;
    ++found;
  }
  return found == files.size();
}

std::string FirstPart(const std::string& path) {
  return path.substr(0, path.find('/'));
}

}  // namespace

std::string PodLogDirectory(const std::string& logs, const std::string& pod_namespace,
                            const std::string& pod_name, const std::string& pod_uid,
                            const std::string& container) {
  return fmt::format("{}/{}_{}_{}/{}", logs, pod_namespace, pod_name, pod_uid, container);
}

DiskVolumeStore::DiskVolumeStore(std::string root, std::string logs)
    : root_(std::move(root)), logs_(std::move(logs)) {
  for (const std::string& directory : {root_, logs_}) {
    Code code;
    fs::create_directories(directory, code);
    // Secrets lie below.
    fs::permissions(directory, fs::perms::owner_all, code);
  }
}

base::Result<std::string> DiskVolumeStore::PodDirectory(const std::string& pod_uid) {
  if (!IsPathPart(pod_uid))
    return base::Fail(ErrorKind::kInvalidArgument,
                      fmt::format("{} is no uid", base::Quote(pod_uid)));
  std::string path = root_ + "/pods/" + pod_uid;
  RETURN_IF_ERROR(MakeDirectories(path));
  return path;
}

base::Result<std::string> DiskVolumeStore::Project(const std::string& pod_uid,
                                                   const std::string& volume,
                                                   const VolumeFiles& files) {
  ASSIGN_OR_RETURN(const fs::path directory, EmptyDirectory(pod_uid, volume));
  for (const auto& [path, file] : files) {
    if (!StaysInside(path) || FirstPart(path).starts_with("..")) {
      return base::Fail(ErrorKind::kInvalidArgument,
                        fmt::format("{} is no path inside a volume", base::Quote(path)));
    }
  }
  Code code;
  const fs::path old = fs::read_symlink(directory / kData, code);
  const bool first = static_cast<bool>(code);
  if (first || !HoldsExactly(directory / kData, files)) {
    std::uint64_t revision = 1;
    if (!first) {
      const std::string name = old.string();
      const char* begin = name.data() + std::min<std::size_t>(2, name.size());
      std::from_chars(begin, name.data() + name.size(), revision);
      ++revision;
    }
    const fs::path next = fmt::format("..{}", revision);
    fs::remove_all(directory / next, code);
    RETURN_IF_ERROR(MakeDirectories(directory / next));
    for (const auto& [path, file] : files)
      RETURN_IF_ERROR(WriteWhole(directory / next / path, file));
    fs::remove(directory / kDataNext, code);
    fs::create_directory_symlink(next, directory / kDataNext, code);
    if (code) return base::Fail(DiskError("link", directory / kDataNext, code));
    fs::rename(directory / kDataNext, directory / kData, code);
    if (code) return base::Fail(DiskError("switch", directory / kData, code));
    if (!first) fs::remove_all(directory / old, code);
  }
  // The visible names; also after an earlier write that ended in between.
  std::set<std::string> visible;
  for (const auto& [path, file] : files) visible.insert(FirstPart(path));
  for (const std::string& name : visible) {
    if (fs::is_symlink(fs::symlink_status(directory / name, code))) continue;
    fs::create_symlink(fs::path(kData) / name, directory / name, code);
    if (code) return base::Fail(DiskError("link", directory / name, code));
  }
  std::vector<fs::path> stale;
  for (const auto& entry : fs::directory_iterator(directory, code)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("..") && !visible.contains(name)) stale.push_back(entry.path());
  }
  for (const fs::path& path : stale) fs::remove_all(path, code);
  return directory.string();
}

base::Result<std::string> DiskVolumeStore::EmptyDirectory(const std::string& pod_uid,
                                                          const std::string& volume) {
  if (!IsPathPart(volume))
    return base::Fail(ErrorKind::kInvalidArgument,
                      fmt::format("{} is no volume name", base::Quote(volume)));
  ASSIGN_OR_RETURN(const std::string pod, PodDirectory(pod_uid));
  std::string path = pod + "/volumes/" + volume;
  RETURN_IF_ERROR(MakeDirectories(path));
  return path;
}

base::Result<> DiskVolumeStore::CheckHostPath(const std::string& path, const std::string& type) {
  if (!fs::path(path).is_absolute())
    return base::Fail(ErrorKind::kInvalidArgument,
                      fmt::format("hostPath {} is not absolute", base::Quote(path)));
  Code code;
  const fs::file_status status = fs::status(path, code);
  const bool exists = fs::exists(status);
  if (type == "DirectoryOrCreate" && !exists) return MakeDirectories(path);
  if (type == "FileOrCreate" && !exists) {
    std::ofstream file(path, std::ios::app);
    if (!file) return base::Fail(ErrorKind::kUnavailable, "cannot create " + path);
    return {};
  }
  const auto wrong = [&](const char* what) {
    return base::Fail(ErrorKind::kInvalidArgument,
                      fmt::format("hostPath type check failed: {} is not a {}", path, what));
  };
  if (type.empty()) return {};
  if (type.starts_with("Directory") && !fs::is_directory(status)) return wrong("directory");
  if (type.starts_with("File") && !fs::is_regular_file(status)) return wrong("file");
  if (type == "Socket" && !fs::is_socket(status)) return wrong("socket");
  if (type == "CharDevice" && !fs::is_character_file(status)) return wrong("character device");
  if (type == "BlockDevice" && !fs::is_block_file(status)) return wrong("block device");
  return {};
}

base::Result<std::string> DiskVolumeStore::SubPath(const std::string& volume_path,
                                                   const std::string& sub_path) {
  if (!StaysInside(sub_path)) {
    return base::Fail(ErrorKind::kInvalidArgument,
                      fmt::format("subPath {} leads out of the volume", base::Quote(sub_path)));
  }
  const fs::path path = fs::path(volume_path) / sub_path;
  Code code;
  // A symbolic link that the pod itself put there must not lead out either.
  const fs::path real = fs::weakly_canonical(path, code);
  const fs::path root = fs::weakly_canonical(volume_path, code);
  const fs::path within = real.lexically_relative(root);
  if (code || within.empty() || *within.begin() == "..") {
    return base::Fail(ErrorKind::kInvalidArgument,
                      fmt::format("subPath {} leads out of the volume", base::Quote(sub_path)));
  }
  if (!fs::exists(real, code)) RETURN_IF_ERROR(MakeDirectories(real));
  return real.string();
}

base::Result<std::string> DiskVolumeStore::LogDirectory(const std::string& pod_namespace,
                                                        const std::string& pod_name,
                                                        const std::string& pod_uid,
                                                        const std::string& container) {
  for (const std::string& part : {pod_namespace, pod_name, pod_uid, container}) {
    if (!IsPathPart(part))
      return base::Fail(ErrorKind::kInvalidArgument,
                        fmt::format("{} is no name", base::Quote(part)));
  }
  std::string path = PodLogDirectory(logs_, pod_namespace, pod_name, pod_uid, container);
  RETURN_IF_ERROR(MakeDirectories(path));
  return path;
}

void DiskVolumeStore::TrimLogs(const std::string& log_directory, std::int64_t oldest_kept) {
  if (oldest_kept <= 0) return;
  Code code;
  std::vector<fs::path> old;
  for (const auto& entry : fs::directory_iterator(log_directory, code)) {
    const std::string name = entry.path().filename().string();
    std::int64_t attempt = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), attempt);
    // "3.log" and its rotations "3.log.7".
    const std::string_view rest(end, static_cast<std::size_t>(name.data() + name.size() - end));
    if (error == std::errc() && rest.starts_with(".log") && attempt < oldest_kept)
      old.push_back(entry.path());
  }
  for (const fs::path& path : old) fs::remove(path, code);
}

base::Result<std::string> DiskVolumeStore::TerminationMessageFile(const std::string& pod_uid,
                                                                  const std::string& container,
                                                                  std::int64_t attempt) {
  ASSIGN_OR_RETURN(const std::string pod, PodDirectory(pod_uid));
  std::string path = fmt::format("{}/messages/{}.{}", pod, container, attempt);
  RETURN_IF_ERROR(WriteWhole(path, VolumeFile{"", 0666}));
  // Two runs are told of in a pod's status: older ones' words nobody can ask for.
  Code ignored;
  fs::remove(fmt::format("{}/messages/{}.{}", pod, container, attempt - 2), ignored);
  return path;
}

std::string DiskVolumeStore::ReadTerminationMessage(const std::string& pod_uid,
                                                    const std::string& container,
                                                    std::int64_t attempt) {
  return ReadEnd(fmt::format("{}/pods/{}/messages/{}.{}", root_, pod_uid, container, attempt),
                 kMaxMessageBytes);
}

std::string DiskVolumeStore::ReadLogEnd(const std::string& pod_namespace,
                                        const std::string& pod_name, const std::string& pod_uid,
                                        const std::string& container, std::int64_t attempt) {
  const fs::path directory = PodLogDirectory(logs_, pod_namespace, pod_name, pod_uid, container);
  const std::string text =
      TextOfLog(ReadEnd(directory / fmt::format("{}.log", attempt), kLogTailBytes));
  std::size_t begin = text.size() - std::min(text.size(), kMaxLogEndBytes);
  std::size_t lines = 0;
  for (std::size_t at = text.size(); at > begin; --at)
    if (text[at - 1] == '\n' && ++lines > kMaxLogEndLines) begin = at;
  return text.substr(begin);
}

void DiskVolumeStore::RemovePod(const std::string& pod_uid) {
  if (!IsPathPart(pod_uid)) return;
  Code code;
  fs::remove_all(fs::path(root_) / "pods" / pod_uid, code);
  if (code) {
    base::LogWarning("kubelet", "pod directory not removed",
                     {{"pod_uid", pod_uid}, {"error", code.message()}});
  }
  std::vector<fs::path> logs;
  for (const auto& entry : fs::directory_iterator(logs_, code))
    if (entry.path().filename().string().ends_with("_" + pod_uid)) logs.push_back(entry.path());
  for (const fs::path& path : logs) fs::remove_all(path, code);
}

std::vector<std::string> DiskVolumeStore::Pods() {
  std::set<std::string> uids;
  Code code;
  for (const auto& entry : fs::directory_iterator(fs::path(root_) / "pods", code))
    uids.insert(entry.path().filename().string());
  for (const auto& entry : fs::directory_iterator(logs_, code)) {
    const std::string name = entry.path().filename().string();
    const std::size_t last = name.rfind('_');
    if (last != std::string::npos) uids.insert(name.substr(last + 1));
  }
  return {uids.begin(), uids.end()};
}

}  // namespace enclave::cluster
