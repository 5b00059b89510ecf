// The images of the laboratory: names that stand for programs of this machine, from catalogue files
// in YAML (the format is described at the top of deploy/images.yaml).
//
// Several files may be given: a later one overrides names of an earlier one. A file is read again
// when it changed; one that became wrong is reported and its last good content stays in force.
//
// Thread safety: Resolve may be called from any thread.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cluster/kubelet/image_name.h"
#include "cluster/kubelet/runtime.h"

namespace enclave::cluster {

struct CatalogueEntry {
  std::string repository;         // complete: "docker.io/library/busybox"
  std::vector<std::string> tags;  // "*": every tag
  std::string digest;
  Image image;  // `program` as written, with $(BIN) replaced
};

// `file` is for messages: "images.yaml:12: unknown key "progam"". `bin` replaces $(BIN).
base::Result<std::vector<CatalogueEntry>> ParseCatalogue(const std::string& text,
                                                         const std::string& file,
                                                         const std::string& bin);

class ImageCatalog final : public ImageSource {
 public:
  // `files` in order of rising precedence; files that do not exist are empty catalogues until they
  // do. An empty `bin` is the directory of this program. kInvalidArgument when a file is wrong now.
  static base::Result<std::unique_ptr<ImageCatalog>> Load(std::vector<std::string> files,
                                                          std::string bin = "");

  base::Result<Image> Resolve(const std::string& name) override;

 private:
  struct File {
    std::string path;
    std::string stamp;  // inode, size and time of what was read last
    std::vector<CatalogueEntry> entries;
    std::string fault;  // why the present file could not be taken
  };

  explicit ImageCatalog(std::string bin) : bin_(std::move(bin)) {}
  void Refresh(File& file);

  const std::string bin_;
  std::mutex mutex_;
  std::vector<File> files_;  // guarded by mutex_
};

}  // namespace enclave::cluster
