#include "bench/rca/csv.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/quote.h"

namespace enclave::bench::rca {

using base::ErrorKind;

CsvReader::Row CsvReader::Next(std::vector<std::string_view>& fields) {
  while (at_ < text_.size() && (text_[at_] == '\n' || text_[at_] == '\r')) {
    if (text_[at_] == '\n') ++line_;
    ++at_;
  }
  fields.clear();
  row_line_ = line_;
  if (at_ >= text_.size()) return Row::kEnd;
  const std::size_t begin = at_;
  std::size_t end = at_;
  const bool good = ReadFields(end, fields);
  if (!good) {
    fields.clear();
    end = std::min(text_.find('\n', begin), text_.size() - 1) + 1;
  }
  line_ +=
      static_cast<std::size_t>(std::count(text_.begin() + static_cast<std::ptrdiff_t>(begin),
                                          text_.begin() + static_cast<std::ptrdiff_t>(end), '\n'));
  at_ = end;
  return good ? Row::kFields : Row::kMalformed;
}

bool CsvReader::ReadFields(std::size_t& at, std::vector<std::string_view>& fields) {
  const std::string_view text(text_);
  // Doubled quotes are folded only once the whole row is known to be good: `folds` says where.
  struct Fold {
    std::size_t field;
    std::size_t begin;
    std::size_t end;
  };
  std::vector<Fold> folds;
  bool more = true;
  while (more) {
    std::size_t end;
    if (at < text.size() && text[at] == '"') {
      const std::size_t begin = ++at;
      bool doubled = false;
      for (;; at += 2) {
        at = text.find('"', at);
        if (at == std::string_view::npos) return false;
        if (at + 1 >= text.size() || text[at + 1] != '"') break;
        doubled = true;
      }
      if (doubled) folds.push_back({fields.size(), begin, at});
      fields.push_back(text.substr(begin, at - begin));
      end = at + 1;
      if (end < text.size() && text[end] == '\r') ++end;
      if (end < text.size() && text[end] != ',' && text[end] != '\n') return false;
    } else {
      end = std::min(text.find_first_of(",\n", at), text.size());
      std::string_view field = text.substr(at, end - at);
      if (field.ends_with('\r')) field.remove_suffix(1);
      fields.push_back(field);
    }
    more = end < text.size() && text[end] == ',';
    at = std::min(end + 1, text.size());
  }
  for (const Fold& fold : folds) {
    std::size_t to = fold.begin;
    for (std::size_t from = fold.begin; from < fold.end; ++from) {
      text_[to++] = text_[from];
      if (text_[from] == '"') ++from;
    }
    fields[fold.field] = std::string_view(text_).substr(fold.begin, to - fold.begin);
  }
  return true;
}

std::vector<std::optional<std::size_t>> FindColumns(std::span<const std::string_view> header,
                                                    std::span<const std::string_view> wanted) {
  std::vector<std::optional<std::size_t>> places;
  places.reserve(wanted.size());
  for (const std::string_view name : wanted) {
    const auto at = std::ranges::find(header, name);
    if (at == header.end())
      places.emplace_back();
    else
      places.emplace_back(static_cast<std::size_t>(at - header.begin()));
  }
  return places;
}

std::optional<double> ParseNumber(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<std::int64_t> ParseInteger(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<std::int64_t> ParseGoTimeNs(std::string_view text) {
  // "2023-01-29 08:41:09"
  constexpr std::size_t kSecondsEnd = 19;
  if (text.size() < kSecondsEnd || text[4] != '-' || text[7] != '-' || text[10] != ' ' ||
      text[13] != ':' || text[16] != ':')
    return std::nullopt;
  const auto number = [&](std::size_t at, std::size_t size) -> std::int64_t {
    const std::string_view part = text.substr(at, size);
    if (!std::ranges::all_of(part, [](char c) { return c >= '0' && c <= '9'; })) return -1;
    return ParseInteger(part).value_or(-1);
  };
  const std::int64_t hour = number(11, 2);
  const std::int64_t minute = number(14, 2);
  const std::int64_t second = number(17, 2);
  const std::chrono::year_month_day date(std::chrono::year(static_cast<int>(number(0, 4))),
                                         std::chrono::month(static_cast<unsigned>(number(5, 2))),
                                         std::chrono::day(static_cast<unsigned>(number(8, 2))));
  // nanoseconds of 64 bits reach to 2262
  if (!date.ok() || date.year() < std::chrono::year(1970) ||
      date.year() > std::chrono::year(2261) || hour < 0 || hour > 23 || minute < 0 || minute > 59 ||
      second < 0 || second > 60)
    return std::nullopt;
  std::int64_t ns = 0;
  std::size_t at = kSecondsEnd;
  if (at < text.size() && text[at] == '.') {
    std::int64_t scale = 100'000'000;
    for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
      ns += scale * (text[at] - '0');
      scale /= 10;
    }
  }
  if (!text.substr(at).starts_with(" +0000 UTC")) return std::nullopt;
  const std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  return (((days * 24 + hour) * 60 + minute) * 60 + second) * 1'000'000'000 + ns;
}

base::Result<std::string> ReadFile(const std::string& path, std::size_t most_bytes) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  if (error == std::errc::no_such_file_or_directory)
    return base::Fail(ErrorKind::kNotFound, fmt::format("there is no file {}", path));
  if (error)
    return base::Fail(ErrorKind::kUnavailable,
                      fmt::format("reading {}: {}", path, error.message()));
  if (size > most_bytes)
    return base::Fail(ErrorKind::kTooLarge,
                      fmt::format("reading {}: {} bytes are more than {}", path, size, most_bytes));
  std::ifstream file(path, std::ios::binary);
  std::string text(size, '\0');
  if (!file.read(text.data(), static_cast<std::streamsize>(size)))
    return base::Fail(ErrorKind::kUnavailable,
                      fmt::format("reading {}: {}", path, std::strerror(errno)));
  return text;
}

}  // namespace enclave::bench::rca
