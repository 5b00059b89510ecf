#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/quote.h"
#include "cli/commands.h"
#include "telemetry/templates/csv_reader.h"
#include "telemetry/templates/line_head.h"
#include "telemetry/templates/miner.h"

namespace enclave::cli {
namespace {

using telemetry::templates::CsvReader;
using telemetry::templates::Miner;
using telemetry::templates::TemplateId;
using telemetry::templates::TemplateInfo;

constexpr std::size_t kBlockBytes = std::size_t{1} << 20U;
constexpr std::size_t kLongestLine = std::size_t{1} << 20U;  // what comes behind is passed over
constexpr std::uint64_t kProgressEvery = 100'000;            // lines
constexpr std::size_t kWidestTemplate = 160;                 // bytes, in the table for people

// A file or standard input, block by block.
class Input {
 public:
  static base::Result<Input> Open(const std::string& path) {
    if (path == "-") return Input(STDIN_FILENO, 0);
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
      return base::Fail(
          errno == ENOENT ? base::ErrorKind::kInvalidArgument : base::ErrorKind::kUnavailable,
          fmt::format("cannot read {}: {}", path, std::strerror(errno)));
    struct stat state{};
    const bool known = ::fstat(fd, &state) == 0 && S_ISREG(state.st_mode);
    return Input(fd, known ? static_cast<std::uint64_t>(state.st_size) : 0);
  }
  ~Input() {
    if (fd_ > STDIN_FILENO) ::close(fd_);
  }
  Input(Input&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), size_(other.size_), read_(other.read_) {}
  Input& operator=(Input&&) = delete;

  // Empty at the end.
  base::Result<std::string_view> Block() {
    while (true) {
      const ssize_t got = ::read(fd_, buffer_.data(), buffer_.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0)
        return base::Fail(
            base::ErrorKind::kUnavailable,
            fmt::format("cannot read on after {} bytes: {}", read_, std::strerror(errno)));
      read_ += static_cast<std::uint64_t>(got);
      return std::string_view(buffer_).substr(0, static_cast<std::size_t>(got));
    }
  }
  std::uint64_t size() const { return size_; }  // 0: not known
  std::uint64_t read() const { return read_; }

 private:
  Input(int fd, std::uint64_t size) : fd_(fd), size_(size) {}

  int fd_;
  std::uint64_t size_;
  std::uint64_t read_ = 0;
  std::string buffer_ = std::string(kBlockBytes, '\0');
};

// Gives every line to `take`, without its end, and cut where it is longer than anybody reads.
base::Result<> ForEachLine(Input* input, const std::function<void(std::string_view)>& take) {
  std::string begun;  // a line that goes on in the next block
  while (true) {
    ASSIGN_OR_RETURN(std::string_view block, input->Block());
    if (block.empty()) break;
    while (!block.empty()) {
      const std::size_t end = block.find('\n');
      const std::string_view part = block.substr(0, end);
      if (end == std::string_view::npos || !begun.empty())
        begun.append(part.substr(0, kLongestLine - std::min(kLongestLine, begun.size())));
      if (end == std::string_view::npos) break;
      take(begun.empty() ? part : std::string_view(begun));
      begun.clear();
      block.remove_prefix(end + 1);
    }
  }
  if (!begun.empty()) take(begun);
  return {};
}

class TemplatesCommand {
 public:
  explicit TemplatesCommand(const LogTemplatesOptions& options)
      : options_(options),
        miner_({.max_templates = options.max_templates, .max_bytes = options.max_bytes}),
        show_progress_(::isatty(STDERR_FILENO) == 1) {}

  base::Result<> Read() {
    ASSIGN_OR_RETURN(Input input, Input::Open(options_.file));
    if (options_.column.empty())
      RETURN_IF_ERROR(ForEachLine(&input, [&](std::string_view line) { Add(line, input); }));
    else
      RETURN_IF_ERROR(ReadCsv(&input));
    if (show_progress_) fmt::print(stderr, "\r\033[K");
    return {};
  }

  void Print() const {
    switch (options_.output) {
      case LogsFormat::kText:
        return PrintTable();
      case LogsFormat::kJson:
        return PrintTemplates();
      case LogsFormat::kCsv:
        return PrintLines();
    }
  }

 private:
  void Add(std::string_view line, const Input& input) {
    // The head is kept until the message is counted: it may hold the message's text.
    telemetry::templates::LineHead head;
    if (!options_.whole && options_.column.empty()) {
      head = telemetry::templates::SplitHead(line);
      line = head.message;
    }
    const TemplateId id = miner_.Add(line);
    if (options_.output == LogsFormat::kCsv) ids_.push_back(id);
    if (show_progress_ && miner_.messages() % kProgressEvery == 0) ShowProgress(input);
  }

  base::Result<> ReadCsv(Input* input) {
    std::size_t column = 0;
    std::size_t line_id = 0;
    std::size_t width = 0;
    const auto record = [&](const std::vector<std::string_view>& fields) -> base::Result<> {
      if (width == 0) {
        width = fields.size();
        const auto at = std::find(fields.begin(), fields.end(), options_.column);
        if (at == fields.end())
          return base::Fail(base::ErrorKind::kInvalidArgument,
                            fmt::format("{} has no column {}; it has {}", options_.file,
                                        base::Quote(options_.column), fmt::join(fields, ", ")));
        column = static_cast<std::size_t>(at - fields.begin());
        line_id = static_cast<std::size_t>(std::find(fields.begin(), fields.end(), "LineId") -
                                           fields.begin());
        return {};
      }
      if (options_.output == LogsFormat::kCsv && line_id < fields.size())
        line_ids_.emplace_back(fields[line_id]);
      else if (options_.output == LogsFormat::kCsv)
        line_ids_.push_back(std::to_string(miner_.messages() + 1));
      Add(column < fields.size() ? fields[column] : std::string_view(), *input);
      return {};
    };
    CsvReader reader;
    while (true) {
      ASSIGN_OR_RETURN(const std::string_view block, input->Block());
      RETURN_IF_ERROR(block.empty() ? reader.End(record) : reader.Take(block, record));
      if (block.empty()) return {};
    }
  }

  void ShowProgress(const Input& input) const {
    const std::string share =
        input.size() == 0 ? std::string()
                          : fmt::format("{:3.0f} %  ", 100.0 * static_cast<double>(input.read()) /
                                                           static_cast<double>(input.size()));
    fmt::print(stderr, "\r\033[K{}{} lines, {} templates", share, miner_.messages(), miner_.size());
    std::fflush(stderr);
  }

  double Share(const TemplateInfo& info) const {
    return miner_.messages() == 0
               ? 0
               : static_cast<double>(info.count) / static_cast<double>(miner_.messages());
  }

  void PrintTable() const {
    std::vector<std::vector<std::string>> rows{{"COUNT", "SHARE", "FIRST", "LAST", "TEMPLATE"}};
    for (const TemplateInfo& info : miner_.Templates()) {
      std::string text = info.text;
      // What a terminal would take for a command is not shown to it.
      std::replace_if(
          text.begin(), text.end(),
          [](char c) { return (static_cast<unsigned char>(c) < ' ') || c == '\x7f'; }, ' ');
      if (text.size() > kWidestTemplate) {
        std::size_t end = kWidestTemplate;
        while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
        text = text.substr(0, end) + "...";
      }
      rows.push_back({std::to_string(info.count), fmt::format("{:.1f} %", 100 * Share(info)),
                      std::to_string(info.first), std::to_string(info.last), std::move(text)});
    }
    if (rows.size() > 1) fmt::print("{}", FormatTable(rows));
    fmt::print(
        "{} lines, {} templates{}\n", miner_.messages(), miner_.size(),
        miner_.forgotten() == 0
            ? std::string()
            : fmt::format(", {} more were forgotten (see --max-templates)", miner_.forgotten()));
  }

  void PrintTemplates() const {
    nlohmann::json templates = nlohmann::json::array();
    for (const TemplateInfo& info : miner_.Templates())
      templates.push_back({{"id", ToString(info.id)},
                           {"count", info.count},
                           {"share", Share(info)},
                           {"first", info.first},
                           {"last", info.last},
                           {"template", info.text}});
    PrintJson({{"lines", miner_.messages()},
               {"forgotten", miner_.forgotten()},
               {"templates", std::move(templates)}});
  }

  // One row for each line, with the template that it belongs to now that all are read.
  void PrintLines() const {
    std::unordered_map<TemplateId, std::string> texts;
    fmt::print("LineId,EventId,EventTemplate\n");
    for (std::size_t i = 0; i < ids_.size(); ++i) {
      const TemplateId id = miner_.Resolve(ids_[i]).value_or(ids_[i]);
      const auto [text, fresh] = texts.try_emplace(id);
      if (fresh) text->second = telemetry::templates::CsvField(miner_.Text(id));
      fmt::print("{},{},{}\n", i < line_ids_.size() ? line_ids_[i] : std::to_string(i + 1),
                 ToString(id), text->second);
    }
  }

  const LogTemplatesOptions& options_;
  Miner miner_;
  bool show_progress_;
  std::vector<TemplateId> ids_;  // of each line, for CSV
  std::vector<std::string> line_ids_;
};

}  // namespace

int LogTemplates(const LogTemplatesOptions& options) {
  TemplatesCommand command(options);
  const OutputFormat shown =
      options.output == LogsFormat::kJson ? OutputFormat::kJson : OutputFormat::kText;
  if (const auto read = command.Read(); !read) return Complain(read.error(), shown);
  command.Print();
  return 0;
}

}  // namespace enclave::cli
