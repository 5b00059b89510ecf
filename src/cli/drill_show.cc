#include "cli/drill_show.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "kube/time.h"
#include "lab/drills/live_view.h"

namespace enclave::cli {
namespace {

constexpr std::size_t kTimeAt = 11;  // in "2026-01-02T03:04:05Z"
constexpr std::size_t kTimeLength = 8;
constexpr std::size_t kNarrowest = 40;
constexpr std::size_t kWidest = 140;

winsize TerminalSize() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) {
    size.ws_col = 80;
    size.ws_row = 24;
  }
  return size;
}

}  // namespace

void PlainShow::Line(base::WallTime time, const std::string& text) {
  fmt::print(out_, "{} {}\n", kube::FormatTime(time).substr(kTimeAt, kTimeLength), text);
  std::fflush(out_);
}

void PlainShow::Tick(const lab::drills::Live& /*live*/) {}

void TerminalShow::Line(base::WallTime /*time*/, const std::string& /*text*/) {}

void TerminalShow::Tick(const lab::drills::Live& live) {
  const auto lines = lab::drills::Picture(live, objectives_,
                                          {.width = TerminalWidth() - 1,
                                           .height = TerminalSize().ws_row,
                                           .colour = std::getenv("NO_COLOR") == nullptr});
  // One write, so that no half of a picture is seen.
  std::string text = drawn_ > 0 ? fmt::format("\x1b[{}A", drawn_) : "";
  for (const std::string& line : lines) text += line + "\x1b[K\n";
  fmt::print("{}\x1b[J", text);
  std::fflush(stdout);
  drawn_ = lines.size();
}

void TerminalShow::Clear() {
  if (drawn_ > 0) fmt::print("\x1b[{}A\x1b[J", drawn_);
  drawn_ = 0;
}

std::size_t TerminalWidth() {
  return std::clamp<std::size_t>(TerminalSize().ws_col, kNarrowest, kWidest);
}

}  // namespace enclave::cli
