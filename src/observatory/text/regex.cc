#include "observatory/text/regex.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <map>

#include "base/quote.h"

namespace enclave::observatory::text {
namespace {

constexpr std::size_t kMostCompiled = 32;
constexpr int kMostGroups = 10;

// Go's $1 and ${1} are RE2's \1.
std::string RewriteOf(std::string_view given, int groups) {
  std::string rewrite;
  for (std::size_t i = 0; i < given.size(); ++i) {
    if (given[i] == '\\') {
      rewrite += "\\\\";
      continue;
    }
    const bool braced = given[i] == '$' && i + 1 < given.size() && given[i + 1] == '{';
    const std::size_t digit = i + (braced ? 2 : 1);
    if (given[i] == '$' && digit < given.size() && given[digit] >= '0' && given[digit] <= '9' &&
        given[digit] - '0' <= groups) {
      rewrite += '\\';
      rewrite += given[digit];
      i = digit + (braced ? 1 : 0);
      continue;
    }
    rewrite += given[i];
  }
  return rewrite;
}

// As RE2::GlobalReplace, with an end to how long the text may become.
base::Result<TemplateValue> Replaced(const std::vector<TemplateValue>& args, bool groups) {
  ASSIGN_OR_RETURN(const auto regex, CompiledRegex(ToText(args[0])));
  const std::string text = ToText(args[2]);
  const std::string given = ToText(args[1]);
  const std::string rewrite =
      groups ? RewriteOf(given, regex->NumberOfCapturingGroups()) : std::string();
  std::string result;
  std::size_t at = 0;
  re2::StringPiece found[kMostGroups];
  const int wanted = std::min(regex->NumberOfCapturingGroups() + 1, kMostGroups);
  while (at <= text.size() &&
         regex->Match(text, at, text.size(), re2::RE2::UNANCHORED, found, wanted)) {
    const auto begin = static_cast<std::size_t>(found[0].data() - text.data());
    result.append(text, at, begin - at);
    if (groups) {
      regex->Rewrite(&result, rewrite, found, wanted);
    } else {
      result += given;
    }
    if (result.size() > kMaxTemplateOutput) return WrongUse("the text is too long");
    at = begin + found[0].size();
    if (found[0].empty()) {
      if (at < text.size()) result += text[at];
      ++at;
    }
  }
  if (at < text.size()) result.append(text, at);
  return TemplateValue{std::move(result)};
}

}  // namespace

base::Result<std::shared_ptr<const re2::RE2>> CompiledRegex(const std::string& pattern) {
  thread_local std::map<std::string, std::shared_ptr<const re2::RE2>> compiled;
  if (const auto known = compiled.find(pattern); known != compiled.end()) return known->second;
  re2::RE2::Options options;
  options.set_log_errors(false);
  auto regex = std::make_shared<const re2::RE2>(pattern, options);
  if (!regex->ok())
    return WrongUse(fmt::format("{} is no regular expression", base::Quote(pattern)));
  if (compiled.size() >= kMostCompiled) compiled.clear();
  return compiled.emplace(pattern, std::move(regex)).first->second;
}

base::Result<TemplateValue> ReplaceRegex(const std::vector<TemplateValue>& args) {
  return Replaced(args, true);
}

base::Result<TemplateValue> ReplaceRegexLiteral(const std::vector<TemplateValue>& args) {
  return Replaced(args, false);
}

}  // namespace enclave::observatory::text
