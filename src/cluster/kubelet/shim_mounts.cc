#include "cluster/kubelet/shim_mounts.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <string_view>
#include <utility>

namespace enclave::cluster {
namespace {

// Entries of one covered directory. A directory with more is no place where a volume belongs.
constexpr std::size_t kMaxEntries = 4096;
constexpr int kMaxSymlinks = 40;
constexpr std::size_t kMaxCovered = 32;

std::string Reason() {
  return std::strerror(errno);
}

bool WriteMap(const char* path, const std::string& text) {
  return WriteSmallFile(path, text);
}

// A mount namespace by privilege, else by a user namespace in which the user keeps its own id.
bool Unshare(std::vector<std::string>* warnings) {
  if (unshare(CLONE_NEWNS) == 0) return true;
  if (errno != EPERM) {
    warnings->push_back("no private mounts: unshare: " + Reason());
    return false;
  }
  uid_t uid = geteuid();
  gid_t gid = getegid();
  if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) {
    warnings->push_back("no private mounts: user namespaces are refused: " + Reason());
    return false;
  }
  WriteMap("/proc/self/setgroups", "deny");
  if (!WriteMap("/proc/self/uid_map", std::to_string(uid) + " " + std::to_string(uid) + " 1\n") ||
      !WriteMap("/proc/self/gid_map", std::to_string(gid) + " " + std::to_string(gid) + " 1\n")) {
    warnings->push_back("no private mounts: user ids cannot be mapped: " + Reason());
    return false;
  }
  return true;
}

std::vector<std::string> SplitPath(std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    std::size_t slash = path.find('/');
    std::string_view part = path.substr(0, slash);
    if (!part.empty() && part != ".") parts.emplace_back(part);
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash + 1);
  }
  return parts;
}

std::string Join(const std::string& directory, const std::string& name) {
  return directory == "/" ? "/" + name : directory + "/" + name;
}

class MountBuilder {
 public:
  MountBuilder(MountOutcome* outcome, std::string scratch)
      : outcome_(outcome), scratch_(std::move(scratch)) {}

  void Run(std::vector<ShimMount> mounts) {
    // A mount point inside another mount comes after it.
    auto order = [](const ShimMount& mount) {
      return std::pair(SplitPath(mount.target).size(), std::string_view(mount.target));
    };
    std::sort(mounts.begin(), mounts.end(),
              [&](const ShimMount& a, const ShimMount& b) { return order(a) < order(b); });
    // All sources are held open first: a later mount may cover their paths.
    std::vector<int> sources;
    for (const ShimMount& mount : mounts) {
      int fd = open(mount.source.c_str(), O_PATH | O_CLOEXEC);
      if (fd < 0) return Fail("open", mount.source);
      sources.push_back(fd);
    }
    for (std::size_t i = 0; i < mounts.size() && outcome_->error.empty(); ++i) {
      optional_ = mounts[i].optional;
      Bind(sources[i], mounts[i]);
      if (optional_ && !outcome_->error.empty()) {
        outcome_->warnings.push_back("not mounted: " + std::exchange(outcome_->error, ""));
      }
    }
    for (int fd : sources) close(fd);
    if (!old_root_.empty()) {
      umount2(old_root_.c_str(), MNT_DETACH);
      rmdir(old_root_.c_str());
    }
  }

 private:
  void Fail(const std::string& what, const std::string& path) {
    if (outcome_->error.empty()) outcome_->error = what + " " + path + ": " + Reason();
  }

  void Bind(int source, const ShimMount& mount) {
    struct stat info;
    if (fstat(source, &info) != 0) return Fail("stat", mount.source);
    std::string target = MakeTarget(mount.target, S_ISDIR(info.st_mode));
    if (target.empty()) return;
    std::string from = "/proc/self/fd/" + std::to_string(source);
    if (::mount(from.c_str(), target.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0) {
      return Fail("mount " + mount.source + " on", mount.target);
    }
    if (!mount.read_only) return;
    // Flags that the source carries are locked in a user namespace: they are repeated.
    struct statvfs file_system;
    unsigned long flags = MS_BIND | MS_REMOUNT | MS_RDONLY;
    if (statvfs(target.c_str(), &file_system) == 0) {
      if (file_system.f_flag & ST_NOSUID) flags |= MS_NOSUID;
      if (file_system.f_flag & ST_NODEV) flags |= MS_NODEV;
      if (file_system.f_flag & ST_NOEXEC) flags |= MS_NOEXEC;
      if (file_system.f_flag & ST_NOATIME) flags |= MS_NOATIME;
      if (file_system.f_flag & ST_NODIRATIME) flags |= MS_NODIRATIME;
      if (file_system.f_flag & ST_RELATIME) flags |= MS_RELATIME;
    }
    if (::mount(nullptr, target.c_str(), nullptr, flags, nullptr) != 0) {
      Fail("make read-only", mount.target);
    }
  }

  // The real path of the mount point, made when missing; "" after Fail.
  std::string MakeTarget(const std::string& target, bool directory) {
    std::vector<std::string> first = SplitPath(target);
    std::deque<std::string> rest(first.begin(), first.end());
    std::string current = "/";
    int symlinks = 0;
    while (!rest.empty()) {
      std::string name = rest.front();
      rest.pop_front();
      if (name == "..") {
        std::size_t slash = current.rfind('/');
        current = slash == 0 || slash == std::string::npos ? "/" : current.substr(0, slash);
        continue;
      }
      std::string path = Join(current, name);
      struct stat info;
      if (lstat(path.c_str(), &info) == 0) {
        if (S_ISLNK(info.st_mode)) {
          char buffer[PATH_MAX];
          ssize_t n = readlink(path.c_str(), buffer, sizeof buffer);
          if (n <= 0 || ++symlinks > kMaxSymlinks) {
            errno = ELOOP;
            Fail("follow", path);
            return "";
          }
          std::string_view link(buffer, static_cast<std::size_t>(n));
          std::vector<std::string> parts = SplitPath(link);
          rest.insert(rest.begin(), parts.begin(), parts.end());
          if (link.front() == '/') current = "/";
          continue;
        }
        bool last = rest.empty();
        bool right = last ? S_ISDIR(info.st_mode) == directory : S_ISDIR(info.st_mode) != 0;
        if (!right) {
          errno = S_ISDIR(info.st_mode) ? EISDIR : ENOTDIR;
          Fail("mount on", path);
          return "";
        }
        current = path;
        continue;
      }
      if (errno != ENOENT) {
        Fail("look up", path);
        return "";
      }
      if (!Own(current) && !Cover(current)) return "";
      if (rest.empty() && !directory) {
        int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        if (fd < 0) {
          Fail("create", path);
          return "";
        }
        close(fd);
      } else if (mkdir(path.c_str(), 0755) != 0) {
        Fail("create", path);
        return "";
      }
      current = path;
    }
    return current;
  }

  // Whether `path` lies on a file system that this builder made.
  bool Own(const std::string& path) const {
    struct stat info;
    return stat(path.c_str(), &info) == 0 &&
           std::find(own_devices_.begin(), own_devices_.end(), info.st_dev) != own_devices_.end();
  }

  bool Cover(const std::string& path) {
    if (own_devices_.size() >= kMaxCovered) {
      errno = E2BIG;
      Fail("cover", path);
      return false;
    }
    int original = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (original < 0) {
      Fail("open", path);
      return false;
    }
    bool root = path == "/";
    std::string place = root ? scratch_ + "/root" : path;
    if (root) mkdir(place.c_str(), 0755);
    struct stat info;
    fstat(original, &info);
    char options[64];
    snprintf(options, sizeof options, "mode=%04o", static_cast<unsigned>(info.st_mode & 07777));
    bool done = ::mount("enclave", place.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, options) == 0;
    if (!done) {
      Fail("mount a tmpfs on", place);
    } else {
      const std::size_t own = own_devices_.size();
      const std::size_t skipped = skipped_;
      if (stat(place.c_str(), &info) == 0) own_devices_.push_back(info.st_dev);
      done = Refill(original, place);
      if (done && optional_ && skipped_ != skipped) {
        // What can be done without is not worth the loss of something else.
        errno = EPERM;
        Fail("cover all of", place);
        done = false;
      }
      if (!done && umount2(place.c_str(), MNT_DETACH) == 0) own_devices_.resize(own);
    }
    close(original);
    if (!done) return false;
    return !root || SwitchRoot(place);
  }

  // Puts everything that `original` holds into the empty directory `place`.
  bool Refill(int original, const std::string& place) {
    DIR* directory = fdopendir(dup(original));
    if (directory == nullptr) {
      Fail("read", place);
      return false;
    }
    std::size_t count = 0;
    while (dirent* entry = readdir(directory)) {
      std::string name = entry->d_name;
      if (name == "." || name == "..") continue;
      if (++count > kMaxEntries) {
        closedir(directory);
        errno = E2BIG;
        Fail("cover", place);
        return false;
      }
      RefillEntry(original, name, Join(place, name));
    }
    closedir(directory);
    return true;
  }

  void RefillEntry(int original, const std::string& name, const std::string& to) {
    struct stat info;
    if (fstatat(original, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return;
    if (S_ISLNK(info.st_mode)) {
      char buffer[PATH_MAX];
      ssize_t n = readlinkat(original, name.c_str(), buffer, sizeof buffer - 1);
      if (n <= 0) return;
      buffer[n] = '\0';
      if (symlink(buffer, to.c_str()) != 0) Skipped(to);
      return;
    }
    if (S_ISDIR(info.st_mode)) {
      if (mkdir(to.c_str(), 0755) != 0) return Skipped(to);
    } else {
      int fd = open(to.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
      if (fd < 0) return Skipped(to);
      close(fd);
    }
    std::string from = "/proc/self/fd/" + std::to_string(original) + "/" + name;
    if (::mount(from.c_str(), to.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0) Skipped(to);
  }

  void Skipped(const std::string& path) {
    ++skipped_;
    if (outcome_->warnings.size() < 16) {
      outcome_->warnings.push_back("not visible in the container: " + path + ": " + Reason());
    }
  }

  bool SwitchRoot(const std::string& place) {
    std::string old_name = ".enclave-old-root";
    std::string old_root = place + "/" + old_name;
    if (mkdir(old_root.c_str(), 0700) != 0 ||
        syscall(SYS_pivot_root, place.c_str(), old_root.c_str()) != 0 || chdir("/") != 0) {
      Fail("change the root to", place);
      return false;
    }
    // Kept until all mounts are made: sources refer to mounts in it.
    old_root_ = "/" + old_name;
    return true;
  }

  MountOutcome* const outcome_;
  const std::string scratch_;
  std::vector<dev_t> own_devices_;
  bool optional_ = false;  // the mount that is being made
  std::size_t skipped_ = 0;
  std::string old_root_;
};

}  // namespace

MountOutcome EnterPrivateMounts(std::vector<ShimMount> mounts, const std::string& scratch) {
  MountOutcome outcome;
  if (mounts.empty()) return outcome;
  if (!Unshare(&outcome.warnings)) return outcome;
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    outcome.warnings.push_back("no private mounts: " + Reason());
    return outcome;
  }
  outcome.isolated = true;
  MountBuilder(&outcome, scratch).Run(std::move(mounts));
  return outcome;
}

}  // namespace enclave::cluster
