#include "lab/drills/live_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace enclave::lab::drills {
namespace {

using base::Duration;
using base::WallTime;

std::string Painted(const LiveStyle& style, std::string_view code, std::string_view text) {
  return style.colour ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : std::string(text);
}

// No more than `width` characters, the last one an ellipsis; continuation bytes of UTF-8 take no
// place.
std::string Cut(const std::string& text, std::size_t width) {
  std::size_t characters = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xc0U) == 0x80U) continue;
    if (++characters == width && i + 1 < text.size()) {
      std::size_t rest = i + 1;
      while (rest < text.size() && (static_cast<unsigned char>(text[rest]) & 0xc0U) == 0x80U)
        ++rest;
      if (rest < text.size()) return text.substr(0, i) + "…";
    }
  }
  return text;
}

struct Mark {
  Phase phase;
  std::optional<WallTime> time;
};

std::string PhaseBar(const Live& live, const LiveStyle& style) {
  const Seen& seen = live.seen;
  const bool begun = live.phase > Phase::kSteady;
  const std::array<Mark, 6> marks{
      {{Phase::kSteady, live.began},
       {Phase::kBroken, begun ? std::optional(seen.broken) : std::nullopt},
       {Phase::kDetected, seen.Detected()},
       {Phase::kDiagnosed, seen.Diagnosed()},
       {Phase::kActing, seen.Acted()},
       {Phase::kWell, seen.well_since}}};
  std::string bar;
  for (const Mark& mark : marks) {
    const bool reached = mark.time.has_value() || live.phase == mark.phase;
    std::string text = fmt::format("{} {}", reached ? "●" : "○", ToString(mark.phase));
    if (mark.time && mark.phase > Phase::kBroken)
      text += fmt::format(" {:+.0f}s", InSeconds(*mark.time - seen.broken));
    const bool now = live.phase == mark.phase;
    bar += (bar.empty() ? "" : "  ") + Painted(style, now ? "1" : reached ? "32" : "2", text);
  }
  return bar;
}

}  // namespace

std::string Sparkline(const std::vector<std::optional<double>>& values, std::size_t width,
                      double at_least) {
  static const std::array<const char*, 8> kBars{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  const std::size_t first = values.size() > width ? values.size() - width : 0;
  double largest = at_least;
  for (std::size_t i = first; i < values.size(); ++i)
    if (values[i] && std::isfinite(*values[i])) largest = std::max(largest, *values[i]);
  std::string line;
  for (std::size_t i = first; i < values.size(); ++i) {
    if (!values[i]) {
      line += "·";
      continue;
    }
    const double share = std::isfinite(*values[i]) ? std::clamp(*values[i] / largest, 0.0, 1.0) : 1;
    line += kBars[static_cast<std::size_t>(std::lround(share * 7))];
  }
  return line;
}

std::vector<std::string> Picture(const Live& live, const std::vector<Objective>& objectives,
                                 const LiveStyle& style) {
  const Seen& seen = live.seen;
  std::vector<std::string> lines;
  const double since =
      InSeconds(live.now - (live.phase > Phase::kSteady ? seen.broken : live.began));
  const std::string head = fmt::format("{}  {}", live.drill.name, live.drill.title);
  lines.push_back(Painted(style, "1", Cut(head, style.width - 10)) +
                  fmt::format("  {:.0f} s", std::max(since, 0.0)));
  lines.push_back(PhaseBar(live, style));
  lines.emplace_back();
  std::size_t longest = 0;
  for (const Objective& objective : objectives) longest = std::max(longest, objective.title.size());
  const std::size_t room = style.width > longest + 14 ? style.width - longest - 14 : 10;
  for (const Objective& objective : objectives) {
    std::vector<std::optional<double>> values;
    for (const Reading& reading : seen.readings) {
      const auto found = reading.values.find(objective.name);
      values.push_back(found == reading.values.end() ? std::nullopt : std::optional(found->second));
    }
    const bool met = values.empty() || !values.back() || objective.shown_only ||
                     *values.back() <= objective.at_most;
    const std::string last =
        values.empty() || !values.back() ? "-" : fmt::format("{:.3g}", *values.back());
    lines.push_back(
        fmt::format("{:<{}}  {}  {}", objective.title, longest,
                    Painted(style, met ? "32" : "31",
                            Sparkline(values, room, std::max(objective.at_most * 2, 1e-3))),
                    last));
  }
  lines.emplace_back();
  const std::size_t first = live.told.size() > style.events ? live.told.size() - style.events : 0;
  for (std::size_t i = first; i < live.told.size(); ++i)
    lines.push_back(Cut(live.told[i], style.width));
  return lines;
}

}  // namespace enclave::lab::drills
