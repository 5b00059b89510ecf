#include "source_tree.h"

#include <algorithm>
#include <fstream>

namespace enclave::rules {
namespace {

namespace fs = std::filesystem;

std::string FolderOf(const fs::path& relative) {
  std::vector<std::string> parts;
  for (const fs::path& part : relative.parent_path()) parts.push_back(part.string());
  if (parts.size() < 2 || parts[0] != "src") return parts.empty() ? "" : parts[0];
  std::string folder = parts[1];
  if (parts.size() > 2) folder += "/" + parts[2];
  return folder;
}

// Blanks comments and the insides of string and character literals, across lines.
class Stripper {
 public:
  std::string Strip(const std::string& line) {
    std::string code;
    char quote = 0;
    for (std::size_t i = 0; i < line.size(); ++i) {
      if (!raw_end_.empty()) {
        const std::size_t end = line.find(raw_end_, i);
        if (end == std::string::npos) return code;
        i = end + raw_end_.size() - 1;
        raw_end_.clear();
      } else if (in_comment_) {
        if (line.compare(i, 2, "*/") == 0) {
          in_comment_ = false;
          ++i;
        }
      } else if (quote != 0) {
        if (line[i] == '\\') {
          ++i;
        } else if (line[i] == quote) {
          code += quote;
          quote = 0;
        }
      } else if (line.compare(i, 2, "//") == 0) {
        return code;
      } else if (line.compare(i, 2, "/*") == 0) {
        in_comment_ = true;
        ++i;
      } else if (line.compare(i, 2, "R\"") == 0) {
        const std::size_t open = line.find('(', i);
        if (open == std::string::npos) return code;
        raw_end_ = ")" + line.substr(i + 2, open - i - 2) + "\"";
        i = open;
      } else {
        // A quote between digits separates them.
        const bool separator =
            line[i] == '\'' && i > 0 && std::isxdigit(static_cast<unsigned char>(line[i - 1]));
        if ((line[i] == '"' || line[i] == '\'') && !separator) quote = line[i];
        code += line[i];
      }
    }
    return code;
  }

 private:
  bool in_comment_ = false;
  std::string raw_end_;
};

SourceFile Read(const fs::path& path) {
  SourceFile file;
  const fs::path relative = path.lexically_relative(Checkout());
  file.path = relative.generic_string();
  file.folder = FolderOf(relative);
  std::ifstream stream(path);
  Stripper stripper;
  for (std::string line; std::getline(stream, line);) {
    // An include names its file in quotes, and that is what the layers are about.
    const std::string code = stripper.Strip(line);
    const bool includes = code.find('#') != std::string::npos && !IncludedFile(line).empty();
    file.code.push_back(includes ? line : code);
    file.lines.push_back(std::move(line));
  }
  return file;
}

std::vector<SourceFile> ReadAll() {
  std::vector<fs::path> paths;
  for (const char* root : {"src", "sim", "bench", "tests"}) {
    for (auto it = fs::recursive_directory_iterator(Checkout() / root);
         it != fs::recursive_directory_iterator(); ++it) {
      if (it->path().filename() == "node_modules") {
        it.disable_recursion_pending();
      } else if (it->path().extension() == ".h" || it->path().extension() == ".cc") {
        paths.push_back(it->path());
      }
    }
  }
  std::ranges::sort(paths);
  std::vector<SourceFile> files;
  files.reserve(paths.size());
  for (const fs::path& path : paths) files.push_back(Read(path));
  return files;
}

}  // namespace

fs::path Checkout() {
  return ENCLAVE_SOURCE_DIR;
}

std::string IncludedFile(const std::string& line) {
  constexpr const char* kSpaces = " \t";
  std::size_t at = line.find_first_not_of(kSpaces);
  if (at == std::string::npos || line[at] != '#') return "";
  at = line.find_first_not_of(kSpaces, at + 1);
  if (at == std::string::npos || line.compare(at, 7, "include") != 0) return "";
  at = line.find_first_not_of(kSpaces, at + 7);
  if (at == std::string::npos || (line[at] != '"' && line[at] != '<')) return "";
  return line.substr(at + 1, line.find(line[at] == '<' ? '>' : '"', at + 1) - at - 1);
}

const std::vector<SourceFile>& SourceTree() {
  static const std::vector<SourceFile> files = ReadAll();
  return files;
}

std::vector<std::string> DataLines(const std::string& path) {
  std::vector<std::string> lines;
  std::ifstream stream(Checkout() / path);
  for (std::string line; std::getline(stream, line);) {
    line = line.substr(0, line.find('#'));
    while (!line.empty() && line.back() == ' ') line.pop_back();
    if (!line.empty()) lines.push_back(line);
  }
  return lines;
}

}  // namespace enclave::rules
