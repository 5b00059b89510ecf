// What the tests and the benchmark of this folder share.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "cluster/store/memory_store.h"
#include "cluster/store/sqlite_store.h"
#include "cluster/store/store.h"

namespace enclave::cluster::testing {

// Removed with all that is in it. In memory where the system has a place for that: what a process
// may lose is the same there, what a disk may lose is FaultDisk's, and tests do not wait for fsync.
class TempDir {
 public:
  TempDir() : TempDir(access("/dev/shm", W_OK) == 0 ? "/dev/shm" : OnDisk()) {}
  explicit TempDir(const std::string& parent) {
    std::string pattern = parent + "/store-XXXXXX";
    CHECK(mkdtemp(pattern.data()) != nullptr, "the temporary directory must be writable");
    path_ = pattern;
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  // $TMPDIR or /tmp.
  static std::string OnDisk() { return std::filesystem::temp_directory_path().string(); }

  std::string File(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline Key PodKey(const std::string& name, const std::string& ns = "default") {
  return {"pods", ns, name};
}

inline kube::Json PodJson(const Key& key, std::int64_t n, const std::string& padding = "") {
  kube::Json json = {
      {"kind", "Pod"}, {"metadata", {{"name", key.name}, {"namespace", key.ns}}}, {"n", n}};
  if (!padding.empty()) json["padding"] = padding;
  return json;
}

// Puts the object whatever was there.
inline Mutation PutN(const Key& key, std::int64_t n, const std::string& padding = "") {
  return
      [=](const kube::ObjectPtr&) -> base::Result<Write> { return Put{PodJson(key, n, padding)}; };
}

inline Mutation RemoveIt() {
  return [](const kube::ObjectPtr& current) -> base::Result<Write> {
    if (current == nullptr) return base::Fail(base::ErrorKind::kNotFound, "not found");
    return Remove{current->json()};
  };
}

inline Mutation KeepIt() {
  return [](const kube::ObjectPtr&) -> base::Result<Write> { return Keep{}; };
}

inline std::int64_t NOf(const kube::ObjectPtr& object) {
  return object == nullptr ? -1 : kube::IntAt(object->json(), "n", -1);
}

// When it returns, all earlier writes and subscriptions were acted upon by the store's thread.
inline void Settle(Store& store) {
  CHECK(ApplyAndWait(store, PodKey("settle"), KeepIt()).has_value(), "keeping cannot fail");
}

inline base::Result<kube::ObjectPtr> PutAndWait(Store& store, const Key& key, std::int64_t n,
                                                const std::string& padding = "") {
  return ApplyAndWait(store, key, PutN(key, n, padding));
}

}  // namespace enclave::cluster::testing
