#include "incident/log_evidence.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

namespace enclave::incident {
namespace {

using telemetry::templates::Level;

// How many lines ahead the table of spans is told of.
constexpr std::size_t kLinesAhead = 8;
// What a program says when it starts, it is not expected to say again: a statement that no
// operation makes is missed only when it was heard at so many times before.
constexpr std::uint64_t kRecurs = 3;

std::string_view LevelText(Level level) {
  switch (level) {
    case Level::kUnknown:
      return "";
    case Level::kDebug:
      return "DEBUG";
    case Level::kInfo:
      return "INFO";
    case Level::kWarn:
      return "WARN";
    case Level::kError:
      return "ERROR";
  }
  return "";
}

}  // namespace

LogEvidence::LogEvidence(const LogLines& lines, const SpanTable& table, Interner& services,
                         const Timeline& timeline)
    : lines_(lines), table_(table), services_(services), timeline_(timeline) {
  for (std::uint32_t service = 0; service < lines.services().size(); ++service)
    service_numbers_.push_back(services_.Intern(lines.services().Name(service)));
}

void LogEvidence::TakeLines() {
  const std::vector<LogLines::Line>& all = lines_.lines();
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (i + 2 * kLinesAhead < all.size()) table_.WillList(all[i + 2 * kLinesAhead].span);
    if (i + kLinesAhead < all.size()) table_.WillFind(all[i + kLinesAhead].span);
    Take(all[i]);
  }
}

LogEvidence::Run LogEvidence::RunOf(const LogLines::Line& line) {
  const auto [number, is_new] = run_numbers_.Take(line.span, 0);
  if (is_new) {
    const Voice& voice = lines_.voices()[line.voice];
    const auto [context, is_first] = first_texts_.Take(voice.service, voice.text);
    if (is_first) runs_of_.resize(runs_of_.size() + timeline_.bins());
    runs_.push_back({context, line.bin});
    runs_of_[std::size_t{context} * timeline_.bins() + line.bin]++;
  }
  return runs_[number];
}

void LogEvidence::Take(const LogLines::Line& line) {
  Run run{.context = kNone, .bin = line.bin};
  std::uint32_t operation = kNone;
  std::uint64_t span = 0;
  if (line.trace_id && line.span != 0) {
    const std::uint32_t row = table_.Find(*line.trace_id, line.span);
    if (row != SpanTable::kNone) {
      run = {table_.rows()[row].context, table_.rows()[row].bin};
      operation = table_.rows()[row].operation;
      span = line.span;
    }
  }
  const bool is_known_by_first = span == 0 && line.span != 0;
  if (is_known_by_first) {
    span = line.span;
    run = RunOf(line);
  }
  if (statements_.size() >= kMostStatements) {
    ++dropped_;
    return;
  }
  const auto [number, is_new] =
      numbers_.Take(PairIndex::Join(line.voice, run.context), is_known_by_first);
  if (is_new)
    statements_.push_back({.voice = line.voice,
                           .context = run.context,
                           .is_known_by_first = is_known_by_first,
                           .operation = operation,
                           .taken = std::vector<Tally>(timeline_.bins())});
  Statement& statement = statements_[number];
  if (span != 0 && statement.last_span == span) return;
  statement.last_span = span;
  statement.taken[run.bin].taken++;
}

std::string LogEvidence::WithoutServices(const std::string& text,
                                         std::vector<std::string>* names) const {
  const auto is_part = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  };
  std::string masked;
  std::size_t at = 0;
  while (at < text.size()) {
    std::size_t end = at;
    while (end < text.size() && is_part(text[end])) ++end;
    const std::string_view word = std::string_view(text).substr(at, end - at);
    if (!word.empty() && services_.Has(word)) {
      masked += '*';
      if (names != nullptr && std::ranges::find(*names, word) == names->end())
        names->emplace_back(word);
    } else {
      masked += word;
    }
    if (end < text.size()) masked += text[end++];
    at = end;
  }
  return masked;
}

// The context whose runs a statement is measured against: its own. What a span writes first, where
// lines alone tell of spans, it always writes: there the runs of its caller tell whether it spoke.
std::uint32_t LogEvidence::MeasuredBy(const Statement& statement) const {
  const std::uint32_t own = statement.context;
  if (!table_.inferred() || own == kNone) return own;
  if (table_.OperationName(statement.operation) !=
      lines_.Text(lines_.voices()[statement.voice].text))
    return own;
  const std::uint32_t call = table_.Above(own);
  const std::uint32_t caller = call == kNone ? kNone : table_.Above(call);
  return caller == kNone ? own : caller;
}

void LogEvidence::Finish(const SpanEvidence& spans) {
  for (Statement& statement : statements_) {
    const std::uint32_t measure =
        statement.is_known_by_first ? statement.context : MeasuredBy(statement);
    for (std::uint32_t bin = 0; bin < timeline_.bins(); ++bin) {
      Tally& tally = statement.taken[bin];
      if (statement.is_known_by_first)
        tally.chances = runs_of_[std::size_t{statement.context} * timeline_.bins() + bin];
      else if (measure != kNone)
        tally.chances = spans.Runs(measure)[bin];
      else
        tally.chances = lines_.Count(lines_.voices()[statement.voice].service, bin);
      tally.taken = std::min(tally.taken, tally.chances);
    }
  }
}

void LogEvidence::Vote(OnsetVote& votes) const {
  for (const Statement& statement : statements_)
    votes.Add(statement.taken, lines_.voices()[statement.voice].Complains()
                                   ? OnsetVote::Direction::kRise
                                   : OnsetVote::Direction::kFall);
}

void LogEvidence::Fill(Context& context, const Onsets& onsets, const Bounds& bounds) const {
  using Key = std::pair<std::uint32_t, std::uint32_t>;  // voice, operation
  struct Sum {
    explicit Sum(const Onsets& onsets) : shares(onsets) {}
    SharedOnset shares;
    bool knows_runs = false;
    std::uint32_t first = kNone;  // bin that holds one
    std::uint64_t times = 0;      // it was heard before anything can have begun
  };
  std::map<Key, Sum> sums;
  // Complaints of the time before, of any service and about any.
  std::set<std::string> usual;
  for (const Statement& statement : statements_) {
    const Voice& voice = lines_.voices()[statement.voice];
    if (voice.Complains())
      for (std::uint32_t bin = 0; bin < timeline_.first_onset(); ++bin)
        if (statement.taken[bin].taken > 0) {
          usual.insert(WithoutServices(lines_.Text(voice.text), nullptr));
          break;
        }
    Sum& sum = sums.try_emplace({statement.voice, statement.operation}, onsets).first->second;
    sum.shares.Add(statement.taken);
    sum.knows_runs |= statement.context != kNone;
    for (std::uint32_t bin = 0; bin < timeline_.first_onset(); ++bin)
      sum.times += bin == 0 ? statement.taken[bin].taken : std::min(1U, statement.taken[bin].taken);
    for (std::uint32_t bin = 1; bin < timeline_.bins() && bin < sum.first; ++bin)
      if (statement.taken[bin].taken > 0) sum.first = bin;
  }
  for (const auto& [key, sum] : sums) {
    const Voice& voice = lines_.voices()[key.first];
    const std::uint32_t operation = key.second;
    std::uint32_t onset = 0;
    const Share share = sum.shares.Best(onset);
    if (std::abs(share.score) < kLeastScore) continue;
    const bool rises = share.score > 0;
    if (!rises && !sum.knows_runs && sum.times < kRecurs) continue;
    LogShift shift{.service = services_.Name(service_numbers_[voice.service]),
                   .level = std::string(LevelText(voice.level)),
                   .example = voice.example,
                   .count_before = share.before.taken,
                   .count_during = share.during.taken,
                   .runs_before = share.before.chances,
                   .runs_during = share.during.chances,
                   .score = share.score,
                   .onset_ns = timeline_.StartOf(
                       rises && sum.first != kNone ? std::max(sum.first, onset) : onset),
                   .example_trace = voice.example_trace};
    (voice.is_place ? shift.location : shift.text) = lines_.Text(voice.text);
    if (voice.Complains() && rises) {
      // A place is one statement; only free text is shared by programs.
      shift.usual =
          !voice.is_place && usual.contains(WithoutServices(lines_.Text(voice.text), nullptr));
      WithoutServices(voice.example, &shift.names);
      std::erase(shift.names, shift.service);
    }
    if (operation != kNone) shift.operation = table_.OperationName(operation);
    shift.knows_runs = sum.knows_runs;
    if (rises)
      shift.change = share.before.taken == 0 ? LogChange::kNew : LogChange::kBursting;
    else
      shift.change = share.during.taken == 0 ? LogChange::kVanished : LogChange::kDwindling;
    context.logs.push_back(std::move(shift));
  }
  std::ranges::sort(context.logs, [](const LogShift& a, const LogShift& b) {
    const auto key = [](const LogShift& shift) {
      return std::tuple(-std::abs(shift.score), std::string_view(shift.service),
                        std::string_view(shift.location), std::string_view(shift.text),
                        std::string_view(shift.operation), std::string_view(shift.level));
    };
    return key(a) < key(b);
  });
  const std::size_t most = bounds.items * 2;
  const std::size_t over = context.logs.size() > most ? context.logs.size() - most : 0;
  context.logs.resize(context.logs.size() - over);
  context.left_out["logs"] = over + dropped_ + lines_.dropped();
  for (std::uint32_t service = 0; service < lines_.services().size(); ++service) {
    const std::string& name = lines_.services().Name(service);
    const auto facts = std::ranges::lower_bound(context.services, name, {}, &ServiceFacts::name);
    if (facts == context.services.end() || facts->name != name) continue;
    for (std::uint32_t bin = 0; bin < timeline_.bins(); ++bin)
      (bin < onsets.agreed ? facts->lines_before : facts->lines_during) +=
          lines_.Count(service, bin);
  }
}

}  // namespace enclave::incident
