#include "cluster/kubelet/image_catalog.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include "base/log.h"
#include "base/quote.h"
#include "cluster/kubelet/container_files.h"

namespace enclave::cluster {
namespace {

using base::ErrorKind;

constexpr std::size_t kMaxFileBytes = 1 << 20;
constexpr std::size_t kMaxImages = 10'000;

std::string ReplaceAll(std::string text, std::string_view what, std::string_view with) {
  for (std::size_t at = text.find(what); at != std::string::npos;
       at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
  }
  return text;
}

class CatalogueParser {
 public:
  CatalogueParser(const std::string& file, const std::string& bin) : file_(file), bin_(bin) {}

  base::Result<std::vector<CatalogueEntry>> Parse(const YAML::Node& root) {
    std::vector<CatalogueEntry> entries;
    if (root.IsNull()) return entries;
    if (!root.IsMap()) return Wrong(root, "expected a map with the key \"images\"");
    for (const auto& pair : root) {
      std::string key = Text(pair.first);
      if (key != "images")
        return Wrong(pair.first, fmt::format("unknown key {}", base::Quote(key)));
      if (pair.second.IsNull()) continue;
      if (!pair.second.IsSequence()) return Wrong(pair.second, "\"images\" must be a list");
      if (pair.second.size() > kMaxImages) {
        return Wrong(pair.second, fmt::format("more than {} images", kMaxImages));
      }
      for (const YAML::Node& node : pair.second) {
        ASSIGN_OR_RETURN(CatalogueEntry entry, ParseEntry(node));
        entries.push_back(std::move(entry));
      }
    }
    return entries;
  }

 private:
  static std::string Text(const YAML::Node& node) { return node.IsScalar() ? node.Scalar() : ""; }

  std::unexpected<base::Error> Wrong(const YAML::Node& node, const std::string& what) const {
    return base::Fail(ErrorKind::kInvalidArgument,
                      fmt::format("{}:{}: {}", file_, node.Mark().line + 1, what));
  }

  base::Result<std::string> Scalar(const YAML::Node& node, const std::string& key) const {
    if (!node.IsScalar()) return Wrong(node, fmt::format("{} must be a text", base::Quote(key)));
    std::string text = node.Scalar();
    if (text.find('\0') != std::string::npos) {
      return Wrong(node, fmt::format("{} must not hold a zero byte", base::Quote(key)));
    }
    return ReplaceAll(std::move(text), "$(BIN)", bin_);
  }

  base::Result<std::vector<std::string>> List(const YAML::Node& node,
                                              const std::string& key) const {
    std::vector<std::string> texts;
    if (node.IsNull()) return texts;
    if (!node.IsSequence())
      return Wrong(node, fmt::format("{} must be a list of texts", base::Quote(key)));
    for (const YAML::Node& element : node) {
      ASSIGN_OR_RETURN(std::string text, Scalar(element, key));
      texts.push_back(std::move(text));
    }
    return texts;
  }

  base::Result<CatalogueEntry> ParseEntry(const YAML::Node& node) const {
    if (!node.IsMap()) return Wrong(node, "an image must be a map with \"name\" and \"program\"");
    CatalogueEntry entry;
    for (const auto& pair : node) {
      std::string key = Text(pair.first);
      const YAML::Node& value = pair.second;
      if (key == "name") {
        ASSIGN_OR_RETURN(std::string text, Scalar(value, key));
        auto name = ParseImageName(text);
        if (!name) return Wrong(value, name.error().message());
        if (text.find('@') != std::string::npos || name->tag != "latest" ||
            text.ends_with(":latest")) {
          return Wrong(value,
                       "\"name\" must have no tag and no digest: these have keys of their own");
        }
        entry.repository = name->repository;
      } else if (key == "tags") {
        ASSIGN_OR_RETURN(entry.tags, List(value, key));
        for (const std::string& tag : entry.tags) {
          if (tag != "*" && !ParseImageName("x:" + tag)) {
            return Wrong(value, fmt::format("{} is not a valid tag", base::Quote(tag)));
          }
        }
      } else if (key == "digest") {
        ASSIGN_OR_RETURN(entry.digest, Scalar(value, key));
        if (!ParseImageName("x@" + entry.digest)) {
          return Wrong(value, "\"digest\" must be sha256: and 64 hexadecimal digits");
        }
      } else if (key == "program") {
        ASSIGN_OR_RETURN(entry.image.program, Scalar(value, key));
      } else if (key == "args") {
        ASSIGN_OR_RETURN(entry.image.args, List(value, key));
      } else if (key == "version") {
        ASSIGN_OR_RETURN(entry.image.version, Scalar(value, key));
      } else if (key == "environment") {
        if (!value.IsMap()) return Wrong(value, "\"environment\" must be a map");
        for (const auto& variable : value) {
          std::string name = Text(variable.first);
          if (name.empty() || name.find('=') != std::string::npos) {
            return Wrong(variable.first,
                         fmt::format("{} is no name for a variable", base::Quote(name)));
          }
          ASSIGN_OR_RETURN(std::string text, Scalar(variable.second, name));
          entry.image.environment.push_back(name + "=" + text);
        }
      } else {
        return Wrong(pair.first, fmt::format("unknown key {} in an image", base::Quote(key)));
      }
    }
    if (entry.repository.empty()) return Wrong(node, "an image without \"name\"");
    if (entry.image.program.empty()) return Wrong(node, "an image without \"program\"");
    if (entry.tags.empty()) entry.tags = {"latest"};
    if (entry.image.version.empty() && entry.tags[0] != "*") entry.image.version = entry.tags[0];
    return entry;
  }

  const std::string& file_;
  const std::string& bin_;
};

// The program's path, looked up in PATH when it has no slash; kUnavailable when it cannot be run.
base::Result<std::string> FindProgram(const std::string& program) {
  auto runnable = [](const std::string& path) {
    struct stat info;
    return stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) &&
           access(path.c_str(), X_OK) == 0;
  };
  if (program.find('/') != std::string::npos) {
    if (runnable(program)) return program;
    return base::Fail(ErrorKind::kUnavailable,
                      fmt::format("its program {} is not on this machine", program));
  }
  const char* variable = std::getenv("PATH");
  std::string_view path = variable != nullptr ? variable : "/usr/local/bin:/usr/bin:/bin";
  std::string candidate;
  while (true) {
    std::size_t colon = path.find(':');
    candidate = std::string(path.substr(0, colon)) + "/" + program;
    if (runnable(candidate)) return candidate;
    if (colon == std::string_view::npos) break;
    path.remove_prefix(colon + 1);
  }
  for (const char* directory : {"/usr/local/sbin/", "/usr/sbin/", "/sbin/", "/usr/bin/", "/bin/"}) {
    candidate = directory + program;
    if (runnable(candidate)) return candidate;
  }
  return base::Fail(ErrorKind::kUnavailable,
                    fmt::format("its program {} is not on this machine", program));
}

}  // namespace

base::Result<std::vector<CatalogueEntry>> ParseCatalogue(const std::string& text,
                                                         const std::string& file,
                                                         const std::string& bin) {
  try {
    return CatalogueParser(file, bin).Parse(YAML::Load(text));
  } catch (const YAML::Exception& error) {
    return base::Fail(ErrorKind::kInvalidArgument,
                      fmt::format("{}:{}: {}", file, error.mark.line + 1, error.msg));
  }
}

base::Result<std::unique_ptr<ImageCatalog>> ImageCatalog::Load(std::vector<std::string> files,
                                                               std::string bin) {
  if (bin.empty()) {
    std::error_code error;
    bin = std::filesystem::read_symlink("/proc/self/exe", error).parent_path().string();
  }
  std::unique_ptr<ImageCatalog> catalog(new ImageCatalog(std::move(bin)));
  std::lock_guard lock(catalog->mutex_);
  for (std::string& path : files) {
    catalog->files_.push_back({std::move(path), "", {}, ""});
    catalog->Refresh(catalog->files_.back());
    if (!catalog->files_.back().fault.empty()) {
      return base::Fail(ErrorKind::kInvalidArgument, catalog->files_.back().fault);
    }
  }
  return catalog;
}

void ImageCatalog::Refresh(File& file) {
  struct stat info;
  std::string stamp = "absent";
  if (stat(file.path.c_str(), &info) == 0) {
    stamp = fmt::format("{} {} {}.{}", info.st_ino, info.st_size, info.st_mtim.tv_sec,
                        info.st_mtim.tv_nsec);
  }
  if (stamp == file.stamp) return;
  file.stamp = stamp;
  file.fault.clear();
  if (stamp == "absent") {
    file.entries.clear();
    return;
  }
  auto text = ReadSmallFile(file.path, kMaxFileBytes);
  if (!text) {
    file.fault =
        fmt::format("{}: cannot be read, or has more than {} bytes", file.path, kMaxFileBytes);
  } else if (auto entries = ParseCatalogue(*text, file.path, bin_)) {
    file.entries = std::move(*entries);
  } else {
    file.fault = entries.error().message();
  }
  if (!file.fault.empty()) {
    base::LogWarning("kubelet", "an image catalogue is not taken", {{"error", file.fault}});
  }
}

base::Result<Image> ImageCatalog::Resolve(const std::string& name) {
  ASSIGN_OR_RETURN(ImageName wanted, ParseImageName(name));
  std::lock_guard lock(mutex_);
  std::string faults;
  for (auto file = files_.rbegin(); file != files_.rend(); ++file) {
    Refresh(*file);
    if (!file->fault.empty()) faults += "; " + file->fault;
    // An exact tag wins over "*".
    const CatalogueEntry* found = nullptr;
    for (const CatalogueEntry& entry : file->entries) {
      if (entry.repository != wanted.repository) continue;
      if (!wanted.digest.empty()) {
        if (entry.digest == wanted.digest) found = &entry;
        continue;
      }
      auto has = [&](const std::string& tag) {
        return std::find(entry.tags.begin(), entry.tags.end(), tag) != entry.tags.end();
      };
      if (has(wanted.tag)) {
        found = &entry;
        break;
      }
      if (has("*") && found == nullptr) found = &entry;
    }
    if (found == nullptr) continue;
    Image image = found->image;
    auto program = FindProgram(image.program);
    if (!program) return base::Fail(program.error().While(fmt::format("image {}", name)));
    image.program = *program;
    if (image.version.empty()) image.version = wanted.tag;
    return image;
  }
  return base::Fail(
      ErrorKind::kNotFound,
      fmt::format("failed to resolve reference {}: {}: not found in the image catalogue{}",
                  base::Quote(wanted.ToString()), wanted.ToString(), faults));
}

}  // namespace enclave::cluster
