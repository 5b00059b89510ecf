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

struct Mark {
  Phase phase;
  std::optional<WallTime> time;
};

std::size_t CountCharacters(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; }));
}

// The phases, each with its time since the break.
std::string PhaseBar(const Live& live, const LiveStyle& style) {
  const Seen& seen = live.seen;
  const bool begun = live.phase > Phase::kSteady;
  std::optional<WallTime> well = seen.well_since;
  if (live.phase == Phase::kWell && !seen.readings.empty()) well = seen.readings.back().time;
  const std::array<Mark, 6> marks{
      {{Phase::kSteady, live.began},
       {Phase::kBroken, begun ? std::optional(seen.broken) : std::nullopt},
       {Phase::kDetected, seen.Detected()},
       {Phase::kDiagnosed, seen.Diagnosed()},
       {Phase::kActing, seen.Acted()},
       {Phase::kWell, live.phase >= Phase::kWell ? well : std::nullopt}}};
  std::string bar;
  std::size_t shown = 0;
  for (const Mark& mark : marks) {
    const bool reached = mark.time.has_value() || live.phase == mark.phase;
    std::string text = fmt::format("{} {}", reached ? "●" : "○", ToString(mark.phase));
    if (mark.time && mark.phase > Phase::kBroken && mark.phase < Phase::kWell)
      text += fmt::format(" {:+.0f}s", InSeconds(*mark.time - seen.broken));
    const std::string_view gap = bar.empty() ? "" : " ";
    if (shown + CountCharacters(gap) + CountCharacters(text) > style.width) break;
    shown += CountCharacters(gap) + CountCharacters(text);
    const bool now = live.phase == mark.phase;
    bar += Painted(style, "2", gap) + Painted(style, now ? "1" : reached ? "32" : "2", text);
  }
  return bar;
}

std::string ValueText(const Objective& objective, std::optional<double> value) {
  if (!value) return "-";
  if (objective.unit == "%") return fmt::format("{:.1f} %", *value * 100);
  if (objective.unit == "/s") return fmt::format("{:.1f} /s", *value);
  if (objective.unit != "s") return fmt::format("{:.3g}", *value);
  return *value < 1 ? fmt::format("{:.0f} ms", *value * 1000) : fmt::format("{:.2f} s", *value);
}

const std::array<const char*, 8> kBars{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};

std::string BarOf(const std::optional<double>& value, double largest) {
  if (!value) return "·";
  const double share = std::isfinite(*value) ? std::clamp(*value / largest, 0.0, 1.0) : 1;
  return kBars[static_cast<std::size_t>(std::lround(share * 7))];
}

double Largest(const std::vector<std::optional<double>>& values, std::size_t first,
               double largest) {
  for (std::size_t i = first; i < values.size(); ++i)
    if (values[i] && std::isfinite(*values[i])) largest = std::max(largest, *values[i]);
  return largest;
}

// An objective: how it fared before the break and since, what is not as promised in red, and the
// last value.
std::string ObjectiveLine(const Live& live, const Objective& objective, std::size_t title_width,
                          const LiveStyle& style) {
  constexpr std::size_t kValueWidth = 8;
  std::vector<std::optional<double>> values;
  const auto take = [&](const std::vector<Reading>& readings) {
    for (const Reading& reading : readings) {
      const auto found = reading.values.find(objective.name);
      values.push_back(found == reading.values.end() ? std::nullopt : std::optional(found->second));
    }
  };
  take(live.calm);
  const std::size_t broken_at = values.size();
  take(live.seen.readings);
  const std::size_t room = style.width > title_width + kValueWidth + 15
                               ? style.width - title_width - kValueWidth - 5
                               : 10;
  const std::size_t first = values.size() > room - 1 ? values.size() - (room - 1) : 0;
  const double largest = Largest(values, first, std::max(objective.at_most * 2, 1e-3));
  const auto is_met = [&](const std::optional<double>& value) {
    return !value || objective.shown_only || *value <= objective.at_most;
  };
  std::string bars;
  std::string run;
  std::string_view colour;
  const auto flush = [&] {
    if (!run.empty()) bars += Painted(style, colour, run);
    run.clear();
  };
  for (std::size_t i = first; i < values.size(); ++i) {
    if (i == broken_at && i > first) {
      flush();
      bars += Painted(style, "1", "┊");
    }
    const std::string_view wanted = !is_met(values[i]) ? "31" : objective.shown_only ? "36" : "32";
    if (wanted != colour) flush();
    colour = wanted;
    run += BarOf(values[i], largest);
  }
  flush();
  const std::size_t shown =
      values.size() - first + (broken_at > first && broken_at < values.size() ? 1 : 0);
  const std::optional<double> last = values.empty() ? std::nullopt : values.back();
  const std::string text = ValueText(objective, last);
  const std::string title = Cut(objective.title, title_width);
  return fmt::format(
      "  {}{}  {}{} {}", title, std::string(title_width - CountCharacters(title), ' '), bars,
      std::string(room - std::min(shown, room), ' '),
      Painted(style, is_met(last) ? "0" : "1;31",
              std::string(kValueWidth - std::min(kValueWidth, text.size()), ' ') + text));
}

// What the agent holds for the cause, how sure it is, and why.
std::vector<std::string> CauseLines(const Live& live, const LiveStyle& style) {
  constexpr std::size_t kMeter = 10;
  constexpr std::size_t kMostEvidence = 2;
  std::vector<std::string> lines;
  for (const SeenIncident& incident : live.seen.incidents) {
    if (incident.causes.empty()) continue;
    const SeenCause& cause = incident.causes.back();
    const auto full =
        static_cast<std::size_t>(std::lround(std::clamp(cause.confidence, 0.0, 1.0) * kMeter));
    std::string meter;
    for (std::size_t i = 0; i < kMeter; ++i) meter += i < full ? "█" : "░";
    const std::string sure = fmt::format("{:3.0f} %  ", cause.confidence * 100);
    const std::string head = fmt::format("{}: {}", cause.service, cause.kind);
    lines.push_back("  " + Painted(style, "36", meter) + " " + sure +
                    Painted(style, "1", Cut(head, style.width - kMeter - sure.size() - 3)));
    for (std::size_t i = 0; i < std::min(kMostEvidence, cause.evidence.size()); ++i)
      lines.push_back(Painted(style, "2", Cut("             · " + cause.evidence[i], style.width)));
  }
  return lines;
}

std::string ToldText(const Live& live, const ToldLine& told, const LiveStyle& style) {
  const bool begun = live.phase > Phase::kSteady;
  const std::string when = begun
                               ? fmt::format("{:+8.1f} s", InSeconds(told.time - live.seen.broken))
                               : std::string(10, ' ');
  std::string_view colour = "0";
  if (told.text.starts_with("kubectl") || told.text.starts_with("kill")) colour = "33";
  if (told.text.starts_with("users feel it") || told.text.starts_with("not met")) colour = "31";
  if (told.text.starts_with("all objectives are met")) colour = "32";
  if (told.text.starts_with("agent: ")) colour = "36";
  return Painted(style, "2", when) + "  " +
         Painted(style, colour, Cut(told.text, style.width - when.size() - 2));
}

}  // namespace

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

std::string Sparkline(const std::vector<std::optional<double>>& values, std::size_t width,
                      double at_least) {
  const std::size_t first = values.size() > width ? values.size() - width : 0;
  const double largest = Largest(values, first, at_least);
  std::string line;
  for (std::size_t i = first; i < values.size(); ++i) line += BarOf(values[i], largest);
  return line;
}

std::vector<std::string> Picture(const Live& live, const std::vector<Objective>& objectives,
                                 const LiveStyle& style) {
  const double since =
      InSeconds(live.now - (live.phase > Phase::kSteady ? live.seen.broken : live.began));
  const std::string clock = fmt::format("{:.0f} s", std::max(since, 0.0));
  const std::string head =
      Cut(fmt::format("{}: {}", live.drill.name, live.drill.title), style.width - clock.size() - 2);
  std::vector<std::string> lines;
  lines.push_back(Painted(style, "1", head) +
                  std::string(style.width - clock.size() - CountCharacters(head), ' ') + clock);
  lines.push_back(PhaseBar(live, style));
  lines.emplace_back();
  std::size_t longest = 0;
  for (const Objective& objective : objectives)
    longest = std::max(longest, CountCharacters(objective.title));
  longest = std::min(longest, style.width - std::min<std::size_t>(style.width, 24));
  for (const Objective& objective : objectives)
    lines.push_back(ObjectiveLine(live, objective, longest, style));
  lines.emplace_back();
  if (!live.waits.empty())
    lines.push_back(Painted(style, "2", Cut("  waiting: " + live.waits, style.width)));
  const auto cause = CauseLines(live, style);
  lines.insert(lines.end(), cause.begin(), cause.end());
  if (!cause.empty()) lines.emplace_back();
  constexpr std::size_t kFewest = 3;
  constexpr std::size_t kMost = 10;
  const std::size_t room = style.height > lines.size() + 1 ? style.height - lines.size() - 1 : 0;
  const std::size_t events = std::clamp(room, kFewest, kMost);
  const std::size_t first = live.told.size() > events ? live.told.size() - events : 0;
  for (std::size_t i = first; i < live.told.size(); ++i)
    lines.push_back(ToldText(live, live.told[i], style));
  return lines;
}

}  // namespace enclave::lab::drills
