#include "rca/render.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "rca/layout.h"

namespace enclave::rca {
namespace {

constexpr double kMargin = 24;
constexpr double kBoxHeight = 34;
constexpr double kBoxWidth = 188;
constexpr double kColumnGap = 72;
constexpr double kRowGap = 16;
constexpr double kPlotWidth = 380;
constexpr double kPlotHeight = 96;
constexpr double kPlotGap = 28;
constexpr std::size_t kMostNameBytes = 26;

constexpr std::string_view kStyle = R"(<style>
.box{fill:#f6f8fa;stroke:#8c959f;rx:6}
.suspect{fill:#fff8c5;stroke:#bf8700}
.cause{fill:#ffebe9;stroke:#cf222e;stroke-width:2.5}
.symptom{fill:#ddf4ff;stroke:#0969da;stroke-width:2}
.call{stroke:#c4cbd3;fill:none}
.path{stroke:#cf222e;stroke-width:2.5;fill:none}
text{font:12px system-ui,sans-serif;fill:#1f2328}
.small{font-size:10px;fill:#59636e}
.line{stroke:#0969da;stroke-width:1.5;fill:none}
.during{fill:#cf222e;opacity:.08}
.normal{stroke:#8c959f;stroke-dasharray:3 3}
.frame{fill:none;stroke:#d1d9e0}
</style>)";

// Whole characters of UTF-8, with an ellipsis for what is left out.
std::string Shorten(std::string_view text, std::size_t most) {
  if (text.size() <= most) return std::string(text);
  std::size_t end = most - 1;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0u) == 0x80u) --end;
  return std::string(text.substr(0, end)) + "…";
}

std::string Text(double x, double y, std::string_view text, std::string_view style = "") {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\"{}>{}</text>\n", x, y,
                     style.empty() ? "" : fmt::format(" class=\"{}\"", style), EscapeXml(text));
}

// The services worth drawing, by how much they matter.
std::vector<std::string> Drawn(const incident::Context& context, const Diagnosis& diagnosis) {
  std::vector<std::string> drawn;
  std::set<std::string> seen;
  const auto add = [&](const std::string& service) {
    if (drawn.size() < kMostDrawnServices && !service.empty() && seen.insert(service).second)
      drawn.push_back(service);
  };
  add(context.alert.service);
  if (!diagnosis.ranking.empty())
    for (const std::string& step : diagnosis.ranking.front().path) add(step);
  for (const Hypothesis& hypothesis : diagnosis.ranking)
    if (!hypothesis.evidence.empty()) add(hypothesis.service);
  // Neighbours next: they show what the suspects depend on.
  const std::set<std::string> inner = seen;
  for (const incident::Call& call : context.topology) {
    if (inner.contains(call.caller)) add(call.callee);
    if (inner.contains(call.callee)) add(call.caller);
  }
  for (const incident::ServiceFacts& service : context.services) add(service.name);
  return drawn;
}

class Picture {
 public:
  Picture(const incident::Context& context, const Diagnosis& diagnosis)
      : context_(context), diagnosis_(diagnosis) {
    services_ = Drawn(context, diagnosis);
    for (std::size_t i = 0; i < services_.size(); ++i) numbers_[services_[i]] = i;
    std::vector<std::pair<std::size_t, std::size_t>> calls;
    for (const incident::Call& call : context.topology) {
      const auto caller = numbers_.find(call.caller);
      const auto callee = numbers_.find(call.callee);
      if (caller != numbers_.end() && callee != numbers_.end() && caller != callee)
        calls.emplace_back(caller->second, callee->second);
    }
    calls_ = std::move(calls);
    places_ = LayOut(services_.size(), calls_);
    if (!diagnosis.ranking.empty()) {
      const std::vector<std::string>& path = diagnosis.ranking.front().path;
      for (std::size_t i = 0; i + 1 < path.size(); ++i) {
        path_.insert({path[i], path[i + 1]});
        path_.insert({path[i + 1], path[i]});
      }
    }
    ChoosePlots();
  }

  std::string Svg() {
    double width = 2 * kMargin;
    double bottom = kMargin + 40;
    for (const Place& place : places_) {
      width = std::max(width, X(place) + kBoxWidth + kMargin);
      bottom = std::max(bottom, Y(place) + kBoxHeight);
    }
    const double plots_top = bottom + 2 * kMargin;
    const std::size_t columns = std::max<std::size_t>(
        1, static_cast<std::size_t>((width - kMargin) / (kPlotWidth + kPlotGap)));
    width = std::max(width, 2 * kMargin + kPlotWidth);
    const std::size_t rows = (plots_.size() + columns - 1) / columns;
    const double height =
        plots_top + static_cast<double>(rows) * (kPlotHeight + 2 * kPlotGap) + kMargin;
    std::string svg = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:.0f} {1:.0f}\" "
        "width=\"{0:.0f}\" height=\"{1:.0f}\">\n{2}\n"
        "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
        width, height, kStyle);
    svg += fmt::format("<title>{}</title>\n", EscapeXml(diagnosis_.summary));
    svg += Text(kMargin, kMargin + 4, Shorten(diagnosis_.summary, 160));
    for (const auto& [caller, callee] : calls_) svg += Arrow(caller, callee, false);
    for (const auto& [caller, callee] : calls_)
      if (path_.contains({services_[caller], services_[callee]}))
        svg += Arrow(caller, callee, true);
    for (std::size_t i = 0; i < services_.size(); ++i) svg += Box(i);
    for (std::size_t i = 0; i < plots_.size(); ++i) {
      const std::size_t row = i / columns;
      const std::size_t column = i % columns;
      svg += Plot(*plots_[i], kMargin + static_cast<double>(column) * (kPlotWidth + kPlotGap),
                  plots_top + static_cast<double>(row) * (kPlotHeight + 2 * kPlotGap));
    }
    return svg + "</svg>\n";
  }

 private:
  static double X(const Place& place) {
    return kMargin + static_cast<double>(place.column) * (kBoxWidth + kColumnGap);
  }
  static double Y(const Place& place) {
    return kMargin + 32 + static_cast<double>(place.row) * (kBoxHeight + kRowGap);
  }

  void ChoosePlots() {
    // What the first hypotheses cite comes first, then the rest of what moved most.
    std::set<incident::EvidenceId> seen;
    const auto add = [&](const incident::SeriesShift& series) {
      if (plots_.size() < kMostPlots && series.points.size() >= 2 && seen.insert(series.id).second)
        plots_.push_back(&series);
    };
    for (std::size_t i = 0; i < std::min<std::size_t>(diagnosis_.ranking.size(), 3); ++i)
      for (const Cited& cited : diagnosis_.ranking[i].evidence)
        for (const incident::SeriesShift& series : context_.series)
          if (series.id == cited.id) add(series);
    for (const incident::SeriesShift& series : context_.series) add(series);
  }

  std::string Arrow(std::size_t caller, std::size_t callee, bool is_path) const {
    const Place& from = places_[caller];
    const Place& to = places_[callee];
    const bool forward = from.column < to.column;
    const double x1 = X(from) + (forward ? kBoxWidth : kBoxWidth / 2);
    const double y1 = Y(from) + kBoxHeight / 2;
    const double x2 = X(to) + (forward ? 0 : kBoxWidth / 2);
    const double y2 = Y(to) + kBoxHeight / 2;
    const double bend = forward ? (x2 - x1) / 2 : kBoxWidth;
    return fmt::format(
        "<path class=\"{}\" d=\"M{:.1f} {:.1f}C{:.1f} {:.1f} {:.1f} {:.1f} {:.1f} {:.1f}\"/>\n",
        is_path ? "path" : "call", x1, y1, x1 + bend, y1, x2 - bend, y2, x2, y2);
  }

  std::string Box(std::size_t number) const {
    const std::string& service = services_[number];
    const Place& place = places_[number];
    const auto hypothesis = std::ranges::find(diagnosis_.ranking, service, &Hypothesis::service);
    const bool is_known = hypothesis != diagnosis_.ranking.end();
    std::string style = "box";
    if (is_known && hypothesis == diagnosis_.ranking.begin())
      style += " cause";
    else if (service == context_.alert.service)
      style += " symptom";
    else if (is_known && !hypothesis->evidence.empty())
      style += " suspect";
    std::string note;
    if (is_known && hypothesis->confidence >= 0.005)
      note = fmt::format("{:.0f} % {}", 100 * hypothesis->confidence, ToString(hypothesis->kind));
    std::string box = fmt::format(
        "<g><title>{}</title><rect class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.0f}\" "
        "height=\"{:.0f}\"/>\n",
        EscapeXml(is_known ? service + ": " + hypothesis->sentence : service), style, X(place),
        Y(place), kBoxWidth, kBoxHeight);
    box +=
        Text(X(place) + 8, Y(place) + (note.empty() ? 21 : 15), Shorten(service, kMostNameBytes));
    if (!note.empty()) box += Text(X(place) + 8, Y(place) + 28, note, "small");
    return box + "</g>\n";
  }

  std::string Plot(const incident::SeriesShift& series, double x, double y) const {
    // A gap between what is normal and the incident would squeeze both: what lies before the
    // window of the incident is drawn only when it joins it.
    std::vector<incident::Point> points = series.points;
    std::erase_if(points, [](const incident::Point& point) { return !std::isfinite(point.value); });
    std::ranges::sort(points, {}, &incident::Point::time_ns);
    if (points.size() < 2) return "";
    const auto [low, high] = std::ranges::minmax_element(points, {}, &incident::Point::value);
    const double least = std::min(low->value, series.before.median);
    const double most = std::max(high->value, series.before.median);
    const double range = most > least ? most - least : 1;
    const std::int64_t from = points.front().time_ns;
    const auto span = static_cast<double>(std::max<std::int64_t>(points.back().time_ns - from, 1));
    const auto at_x = [&](std::int64_t time_ns) {
      return x + kPlotWidth * std::clamp(static_cast<double>(time_ns - from) / span, 0.0, 1.0);
    };
    const auto at_y = [&](double value) { return y + kPlotHeight * (1 - (value - least) / range); };
    std::string plot = "<g>" + Text(x, y - 8, Shorten(series.service + ": " + series.metric, 60));
    plot += fmt::format("<title>{}</title>", EscapeXml(series.series));
    const double onset_x = at_x(context_.during.from_ns);
    plot += fmt::format(
        "<rect class=\"during\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.0f}\"/>"
        "<rect class=\"frame\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.0f}\" height=\"{:.0f}\"/>\n",
        onset_x, y, x + kPlotWidth - onset_x, kPlotHeight, x, y, kPlotWidth, kPlotHeight);
    plot += fmt::format(
        "<line class=\"normal\" x1=\"{:.1f}\" x2=\"{:.1f}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/>\n", x,
        x + kPlotWidth, at_y(series.before.median), at_y(series.before.median));
    plot += "<polyline class=\"line\" points=\"";
    for (const incident::Point& point : points)
      plot += fmt::format("{:.1f},{:.1f} ", at_x(point.time_ns), at_y(point.value));
    plot += "\"/>\n";
    plot += Text(x, y + kPlotHeight + 13,
                 fmt::format("{} to {}, {:.4g} to {:.4g}, normal {:.4g}", FormatTime(from),
                             FormatTime(points.back().time_ns).substr(11), least, most,
                             series.before.median),
                 "small");
    return plot + "</g>\n";
  }

  const incident::Context& context_;
  const Diagnosis& diagnosis_;
  std::vector<std::string> services_;
  std::map<std::string, std::size_t> numbers_;
  std::vector<std::pair<std::size_t, std::size_t>> calls_;
  std::vector<Place> places_;
  std::set<std::pair<std::string, std::string>> path_;
  std::vector<const incident::SeriesShift*> plots_;
};

std::string RankingRow(std::size_t place, const Hypothesis& hypothesis) {
  std::string path;
  for (const std::string& step : hypothesis.path) path += (path.empty() ? "" : " → ") + step;
  return fmt::format(
      "<tr><td>{}</td><td>{}</td><td>{}</td><td>{:.1f} %</td><td>{}</td><td>{}</td><td>{}</td>"
      "</tr>\n",
      place, EscapeXml(hypothesis.service), ToString(hypothesis.kind), 100 * hypothesis.confidence,
      EscapeXml(hypothesis.component), EscapeXml(path), EscapeXml(hypothesis.lost_because));
}

}  // namespace

std::string ToSvg(const incident::Context& context, const Diagnosis& diagnosis) {
  return Picture(context, diagnosis).Svg();
}

std::string ToHtml(const incident::Context& context, const Diagnosis& diagnosis) {
  std::string page = fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{}</title>\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
      "'unsafe-inline'\">\n"
      "<style>body{{font:14px system-ui,sans-serif;margin:24px;color:#1f2328}}"
      "table{{border-collapse:collapse}}td,th{{padding:4px 12px 4px 0;text-align:left;"
      "border-bottom:1px solid #d1d9e0;vertical-align:top}}svg{{max-width:100%;height:auto}}"
      "</style></head><body>\n<h1>{}</h1>\n",
      EscapeXml(diagnosis.summary), EscapeXml(diagnosis.summary));
  page += fmt::format(
      "<p>Alert {}{} at {}; began {}.</p>\n", EscapeXml(context.alert.name),
      context.alert.service.empty() ? "" : fmt::format(" of {}", EscapeXml(context.alert.service)),
      FormatTime(context.alert.time_ns), FormatTime(context.during.from_ns));
  page += ToSvg(context, diagnosis);
  page +=
      "<h2>Ranking</h2>\n<table><tr><th></th><th>service</th><th>kind</th><th>confidence</th>"
      "<th>place</th><th>path</th><th>why not first</th></tr>\n";
  constexpr std::size_t kRows = 10;
  constexpr std::size_t kExplained = 3;
  for (std::size_t i = 0; i < std::min(kRows, diagnosis.ranking.size()); ++i)
    page += RankingRow(i + 1, diagnosis.ranking[i]);
  page += "</table>\n";
  for (std::size_t i = 0; i < std::min(kExplained, diagnosis.ranking.size()); ++i) {
    const Hypothesis& hypothesis = diagnosis.ranking[i];
    if (hypothesis.evidence.empty()) continue;
    page += fmt::format("<h2>{}</h2>\n<table><tr><th>evidence</th><th>nats</th><th></th></tr>\n",
                        EscapeXml(hypothesis.sentence));
    for (const Cited& cited : hypothesis.evidence)
      page += fmt::format("<tr><td>{}</td><td>{:+.2f}</td><td>{}</td></tr>\n", EscapeXml(cited.id),
                          cited.weight, EscapeXml(cited.sentence));
    page += "</table>\n";
  }
  for (const std::string& missing : context.missing)
    page += fmt::format("<p>Missing: {}</p>\n", EscapeXml(missing));
  return page + "</body></html>\n";
}

std::string FormatTime(std::int64_t time_ns) {
  using namespace std::chrono;
  const auto time = floor<seconds>(sys_time<nanoseconds>(nanoseconds(time_ns)));
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss clock(time - day);
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

std::string EscapeXml(std::string_view text) {
  std::string escaped;
  escaped.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '&':
        escaped += "&amp;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  }
  return escaped;
}

}  // namespace enclave::rca
