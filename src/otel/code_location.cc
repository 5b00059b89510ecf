#include "otel/code_location.h"

#include <cstdint>
#include <functional>
#include <unordered_map>
#include <utility>

#include "otel/exception.h"

namespace enclave::otel {
namespace {

thread_local const std::source_location* call_site = nullptr;

// Two places may share a line (a macro), two functions a file; texts of the compiler have one
// address each for as long as the program runs.
using CodePlace = std::pair<const char*, std::uint_least32_t>;
struct CodePlaceHash {
  std::size_t operator()(const CodePlace& place) const {
    return std::hash<const void*>()(place.first) * 31 + place.second;
  }
};

}  // namespace

const telemetry::Attributes& CodeAttributes(const std::source_location& where) {
  // As many as the program has places that begin spans.
  thread_local std::unordered_map<CodePlace, telemetry::Attributes, CodePlaceHash> known;
  const auto [place, is_new] = known.try_emplace({where.function_name(), where.line()});
  if (is_new) {
    if (std::string file = OwnSourcePath(where.file_name()); !file.empty())
      place->second = {{"code.filepath", std::move(file)},
                       {"code.function", std::string(BareFunctionName(where.function_name()))},
                       {"code.lineno", static_cast<std::int64_t>(where.line())}};
  }
  return place->second;
}

std::string_view BareFunctionName(std::string_view pretty) {
  static constexpr std::string_view kAnonymous = "(anonymous ";
  static constexpr std::string_view kCallOperator = "operator()";
  std::size_t begin = 0;
  int depth = 0;  // of template arguments
  for (std::size_t i = 0; i < pretty.size(); ++i) {
    if (pretty.substr(i).starts_with(kAnonymous)) {
      const std::size_t close = pretty.find(')', i);
      if (close == std::string_view::npos) return pretty;
      i = close;
    } else if (pretty.substr(i).starts_with(kCallOperator)) {
      i += kCallOperator.size() - 1;
    } else if (pretty[i] == '<') {
      ++depth;
    } else if (pretty[i] == '>') {
      --depth;
    } else if (depth == 0 && (pretty[i] == ' ' || pretty[i] == '*' || pretty[i] == '&')) {
      begin = i + 1;
    } else if (depth == 0 && pretty[i] == '(') {
      return pretty.substr(begin, i - begin);
    }
  }
  return pretty.substr(begin);
}

ScopedCallSite::ScopedCallSite(const std::source_location& where)
    : before_(std::exchange(call_site, &where)) {}

ScopedCallSite::~ScopedCallSite() {
  call_site = before_;
}

const std::source_location* ScopedCallSite::Current() {
  return call_site;
}

}  // namespace enclave::otel
