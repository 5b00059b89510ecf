#include "incident/log_evidence.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

namespace enclave::incident {
namespace {

using telemetry::templates::Level;
using telemetry::templates::LevelOf;
using telemetry::templates::LineHead;
using telemetry::templates::SplitHead;

constexpr std::size_t kLongestExample = 500;
constexpr std::size_t kMostWords = 40;

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

// The words of a message that hold no digit, the others as *: a coarse template, good enough to
// tell statements of one program apart.
std::string Mask(std::string_view message) {
  std::string masked;
  std::size_t words = 0;
  std::size_t at = 0;
  while (at < message.size() && words < kMostWords) {
    while (at < message.size() && message[at] == ' ') ++at;
    std::size_t end = at;
    bool has_digit = false;
    while (end < message.size() && message[end] != ' ') has_digit |= IsDigit(message[end++]);
    if (end == at) break;
    if (!masked.empty()) masked += ' ';
    if (has_digit)
      masked += '*';
    else
      masked += message.substr(at, end - at);
    at = end;
    ++words;
  }
  return masked;
}

// A place has a line number; a logger's name alone is none.
bool IsPlace(std::string_view location) {
  const std::size_t at = location.find_last_of("#:");
  return at != std::string_view::npos && at + 1 < location.size() && IsDigit(location[at + 1]);
}

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

LogEvidence::LogEvidence(const SpanTable& table, Interner& services, const Timeline& timeline)
    : table_(table), services_(services), timeline_(timeline) {}

void LogEvidence::Add(std::uint32_t service, const telemetry::LogRecord& record,
                      std::uint32_t bin) {
  if (lines_.size() <= service)
    lines_.resize(service + 1, std::vector<std::uint32_t>(timeline_.bins()));
  lines_[service][bin]++;
  std::uint32_t context = kNone;
  std::uint32_t operation = kNone;
  std::uint64_t span = 0;
  if (record.trace_id && record.span_id) {
    const std::uint32_t row = table_.Find(*record.trace_id, *record.span_id);
    if (row != SpanTable::kNone) {
      context = table_.rows()[row].context;
      operation = table_.rows()[row].operation;
      bin = table_.rows()[row].bin;
      span = record.span_id->value();
    }
  }
  const LineHead head = SplitHead(record.line);
  const bool is_place = IsPlace(head.location);
  const std::uint32_t text =
      is_place ? texts_.Intern(head.location)
               : texts_.Intern(std::string(head.location) + ' ' + Mask(head.message));
  const bool is_known_by_first = span == 0 && record.span_id.has_value();
  if (is_known_by_first) {
    span = record.span_id->value();
    const auto [run, is_new] = runs_.try_emplace(span);
    if (is_new) {
      const auto [first, is_first] =
          first_texts_.try_emplace(static_cast<std::uint64_t>(service) << 32 | text,
                                   static_cast<std::uint32_t>(runs_of_.size()));
      if (is_first) runs_of_.emplace_back(timeline_.bins());
      run->second = {first->second, bin};
      runs_of_[first->second][bin]++;
    }
    context = run->second.context;
    bin = run->second.bin;
  }
  Level level = LevelOf(head.level);
  if (level == Level::kUnknown) level = LevelOf(record.metadata.Get("level"));
  const std::uint64_t hash = ((static_cast<std::uint64_t>(service) << 40) ^
                              (static_cast<std::uint64_t>(context) << 20) ^ text) *
                                 0x9e3779b97f4a7c15ULL +
                             static_cast<std::uint64_t>(level);
  std::vector<std::uint32_t>& same = numbers_[hash];
  std::uint32_t number = kNone;
  for (const std::uint32_t candidate : same) {
    const Statement& statement = statements_[candidate];
    if (statement.service == service && statement.context == context && statement.text == text &&
        statement.is_known_by_first == is_known_by_first && statement.level == level)
      number = candidate;
  }
  if (number == kNone) {
    if (statements_.size() >= kMostStatements) {
      ++dropped_;
      return;
    }
    number = static_cast<std::uint32_t>(statements_.size());
    same.push_back(number);
    statements_.push_back({.service = service,
                           .context = context,
                           .is_known_by_first = is_known_by_first,
                           .operation = operation,
                           .text = text,
                           .level = level,
                           .is_place = is_place,
                           .taken = std::vector<Tally>(timeline_.bins())});
  }
  Statement& statement = statements_[number];
  if (span != 0 && statement.last_span == span) return;
  statement.last_span = span;
  statement.taken[bin].taken++;
  if (statement.example.empty() || bin >= timeline_.first_onset()) {
    if (statement.example.empty() || !statement.example_trace) {
      statement.example = std::string(std::string_view(record.line).substr(0, kLongestExample));
      statement.example_trace = record.trace_id;
    }
  }
}

std::string LogEvidence::WithoutServices(const std::string& text,
                                         std::vector<std::string>* names) const {
  const auto is_part = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || IsDigit(c) || c == '-' || c == '_';
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

void LogEvidence::Finish(const SpanEvidence& spans) {
  for (Statement& statement : statements_)
    for (std::uint32_t bin = 0; bin < timeline_.bins(); ++bin) {
      Tally& tally = statement.taken[bin];
      if (statement.is_known_by_first)
        tally.chances = runs_of_[statement.context][bin];
      else if (statement.context != kNone)
        tally.chances = spans.Runs(statement.context)[bin];
      else
        tally.chances = lines_[statement.service][bin];
      tally.taken = std::min(tally.taken, tally.chances);
    }
}

void LogEvidence::Vote(OnsetVote& votes) const {
  for (const Statement& statement : statements_) {
    const bool complains = statement.level == Level::kError || statement.level == Level::kWarn;
    votes.Add(statement.taken,
              complains ? OnsetVote::Direction::kRise : OnsetVote::Direction::kFall);
  }
}

void LogEvidence::Fill(Context& context, const Onsets& onsets, const Bounds& bounds) const {
  using Key = std::tuple<std::uint32_t, std::uint32_t, std::uint32_t, Level, bool>;
  struct Sum {
    explicit Sum(const Onsets& onsets) : shares(onsets) {}
    SharedOnset shares;
    const Statement* example = nullptr;
    std::uint32_t first = kNone;  // bin that holds one
  };
  std::map<Key, Sum> sums;
  // Complaints of the time before, of any service and about any.
  std::set<std::string> usual;
  for (const Statement& statement : statements_) {
    if (statement.level == Level::kError || statement.level == Level::kWarn)
      for (std::uint32_t bin = 0; bin < timeline_.first_onset(); ++bin)
        if (statement.taken[bin].taken > 0) {
          usual.insert(WithoutServices(texts_.Name(statement.text), nullptr));
          break;
        }
    Sum& sum = sums.try_emplace({statement.service, statement.operation, statement.text,
                                 statement.level, statement.is_place},
                                onsets)
                   .first->second;
    sum.shares.Add(statement.taken);
    if (sum.example == nullptr || !sum.example->example_trace) sum.example = &statement;
    for (std::uint32_t bin = 1; bin < timeline_.bins() && bin < sum.first; ++bin)
      if (statement.taken[bin].taken > 0) sum.first = bin;
  }
  for (const auto& [key, sum] : sums) {
    const auto& [service, operation, text, level, is_place] = key;
    std::uint32_t onset = 0;
    const Share share = sum.shares.Best(onset);
    if (std::abs(share.score) < kLeastScore) continue;
    const bool rises = share.score > 0;
    LogShift shift{.service = services_.Name(service),
                   .level = std::string(LevelText(level)),
                   .example = sum.example->example,
                   .count_before = share.before.taken,
                   .count_during = share.during.taken,
                   .runs_before = share.before.chances,
                   .runs_during = share.during.chances,
                   .score = share.score,
                   .onset_ns = timeline_.StartOf(
                       rises && sum.first != kNone ? std::max(sum.first, onset) : onset),
                   .example_trace = sum.example->example_trace};
    (is_place ? shift.location : shift.text) = texts_.Name(text);
    const bool complains = level == Level::kError || level == Level::kWarn;
    if (complains && rises) {
      // A place is one statement; only free text is shared by programs.
      shift.usual = !is_place && usual.contains(WithoutServices(texts_.Name(text), nullptr));
      WithoutServices(sum.example->example, &shift.names);
      std::erase(shift.names, shift.service);
    }
    if (operation != kNone) shift.operation = table_.OperationName(operation);
    shift.knows_runs = sum.example->context != kNone;
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
  context.left_out["logs"] = over + dropped_;
  for (ServiceFacts& facts : context.services)
    for (std::uint32_t service = 0; service < lines_.size(); ++service)
      if (services_.Name(service) == facts.name)
        for (std::uint32_t bin = 0; bin < timeline_.bins(); ++bin)
          (bin < onsets.agreed ? facts.lines_before : facts.lines_during) += lines_[service][bin];
}

}  // namespace enclave::incident
