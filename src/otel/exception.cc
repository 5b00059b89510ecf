#include "otel/exception.h"

#include <cxxabi.h>
#include <dlfcn.h>
#include <execinfo.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <typeinfo>
#include <vector>

#include "otel/code_location.h"
#include "otel/symbolizer.h"

namespace enclave::otel {
namespace {

constexpr int kMaxFrames = 40;
constexpr std::size_t kMaxMessageBytes = 4096;

struct Throw {
  const void* thrown = nullptr;
  int count = 0;
  std::array<void*, kMaxFrames> frames{};
};

// The last few of this thread: while one exception is handled others may come and go.
struct RecentThrows {
  std::array<Throw, 4> throws{};
  std::size_t next = 0;
};
thread_local RecentThrows recent_throws;

std::string TypeName(const std::type_info& type) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> name(
      abi::__cxa_demangle(type.name(), nullptr, nullptr, &status), &std::free);
  return status == 0 ? name.get() : type.name();
}

const Throw* ThrowOf(const std::exception_ptr& exception) {
  // libstdc++ keeps in it nothing but the address of the thrown object.
  static_assert(sizeof exception == sizeof(void*));
  const void* thrown = nullptr;
  std::memcpy(&thrown, &exception, sizeof thrown);
  const RecentThrows& recent = recent_throws;
  for (std::size_t back = 1; back <= recent.throws.size(); ++back) {
    const Throw& candidate =
        recent.throws[(recent.next + recent.throws.size() - back) % recent.throws.size()];
    if (candidate.thrown == thrown && thrown != nullptr) return &candidate;
  }
  return nullptr;
}

bool IsOfThisFile(const Frame& frame) {
  return frame.file.ends_with("src/otel/exception.cc");
}

// The first frame that does not belong to the noting itself: how many do depends on the build,
// since sanitizers have overlays of their own.
std::size_t FirstFrame(const Throw& site) {
  constexpr std::size_t kMostOwnFrames = 5;
  std::size_t first = 0;
  for (std::size_t i = 0; i < std::min(kMostOwnFrames, static_cast<std::size_t>(site.count)); ++i)
    if (std::ranges::any_of(Symbolize(site.frames[i]), IsOfThisFile)) first = i + 1;
  return first;
}

void DescribePlace(const Throw& site, ExceptionInfo& info) {
  for (std::size_t i = FirstFrame(site); i < static_cast<std::size_t>(site.count); ++i) {
    for (const Frame& frame : Symbolize(site.frames[i])) {
      const std::string own = OwnSourcePath(frame.file);
      const std::string& file = own.empty() ? frame.file : own;
      info.stack += fmt::format("  at {}", frame.function.empty() ? "?" : frame.function);
      if (!file.empty()) info.stack += fmt::format(" ({}:{})", file, frame.line);
      info.stack += '\n';
      if (info.line == 0 && !own.empty() && frame.line > 0) {
        info.file = own;
        info.function = frame.function;
        info.line = frame.line;
      }
    }
  }
}

}  // namespace

// Called by the overlaid __cxa_throw. Allocates nothing.
[[gnu::noinline]] void NoteThrow(const void* thrown) noexcept {
  RecentThrows& recent = recent_throws;
  Throw& site = recent.throws[recent.next];
  recent.next = (recent.next + 1) % recent.throws.size();
  site.thrown = thrown;
  site.count = ::backtrace(site.frames.data(), kMaxFrames);
}

ExceptionInfo DescribeCurrentException() {
  ExceptionInfo info;
  const std::exception_ptr exception = std::current_exception();
  if (!exception) return info;
  if (const std::type_info* type = abi::__cxa_current_exception_type()) info.type = TypeName(*type);
  try {
    std::rethrow_exception(exception);
  } catch (const std::exception& e) {
    info.message = e.what();
  } catch (const std::string& text) {
    info.message = text;
  } catch (const char* text) {
    info.message = text == nullptr ? "" : text;
  } catch (...) {
    info.message = "an exception that is no std::exception";
  }
  if (info.message.size() > kMaxMessageBytes) info.message.resize(kMaxMessageBytes);
  info.stack = fmt::format("{}: {}\n", info.type, info.message);
  if (const Throw* site = ThrowOf(exception)) DescribePlace(*site, info);
  return info;
}

ExceptionInfo ExceptionAt(std::string type, std::string message,
                          const std::source_location& where) {
  ExceptionInfo info;
  info.type = std::move(type);
  info.message = std::move(message);
  if (info.message.size() > kMaxMessageBytes) info.message.resize(kMaxMessageBytes);
  info.file = OwnSourcePath(where.file_name());
  info.function = BareFunctionName(where.function_name());
  info.line = static_cast<int>(where.line());
  info.stack = fmt::format("{}: {}\n  at {} ({}:{})\n", info.type, info.message, info.function,
                           info.file.empty() ? where.file_name() : info.file, info.line);
  return info;
}

std::string OwnSourcePath(std::string_view path) {
  static constexpr std::array<std::string_view, 18> kFolders = {
      "base",     "net",         "trace",  "telemetry", "kube",   "cluster",
      "otel",     "observatory", "lab",    "cli",       "mesh",   "agent",
      "incident", "rca",         "memory", "reasoner",  "gitops", "horizon"};
  for (std::size_t at = path.rfind("src/"); at != std::string_view::npos;
       at = at == 0 ? std::string_view::npos : path.rfind("src/", at - 1)) {
    if (at > 0 && path[at - 1] != '/') continue;
    const std::string_view below = path.substr(at + 4);
    const std::string_view folder = below.substr(0, below.find('/'));
    if (folder.size() < below.size() && std::ranges::find(kFolders, folder) != kFolders.end())
      return std::string(path.substr(at));
  }
  return {};
}

}  // namespace enclave::otel

// The overlay. The C++ runtime's own libraries throw through the symbol too, so it also sees what
// `.at()` throws. The address sanitizer has an overlay of its own, which then comes next.
extern "C" {

using ThrowFunction = void (*)(void*, std::type_info*, void (*)(void*));

[[gnu::weak]] void __interceptor___cxa_throw(void*, std::type_info*, void (*)(void*));

[[gnu::noreturn, gnu::visibility("default")]] void __cxa_throw(void* thrown, std::type_info* type,
                                                               void (*destroy)(void*)) {
  enclave::otel::NoteThrow(thrown);
  ThrowFunction next = __interceptor___cxa_throw;
  if (next == nullptr) {
    static const auto found = reinterpret_cast<ThrowFunction>(dlsym(RTLD_NEXT, "__cxa_throw"));
    next = found;
  }
  if (next != nullptr) next(thrown, type, destroy);
  std::abort();
}
}
