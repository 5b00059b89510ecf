#include "observatory/store/series_table.h"

#include <algorithm>
#include <set>

#include "base/check.h"

namespace enclave::observatory::store {
namespace {

using telemetry::Matcher;
using telemetry::MatchOp;

void InsertRef(Postings& refs, SeriesRef ref) {
  if (refs.empty() || refs.back() < ref)
    refs.push_back(ref);
  else
    refs.insert(std::ranges::lower_bound(refs, ref), ref);
}

// The common members, by galloping through the longer list.
Postings Intersect(const Postings& shorter, const Postings& longer) {
  Postings common;
  common.reserve(shorter.size());
  auto at = longer.begin();
  for (const SeriesRef ref : shorter) {
    std::ptrdiff_t step = 1;
    while (longer.end() - at > step && at[step] < ref) step *= 2;
    at = std::lower_bound(at, longer.end() - at > step ? at + step + 1 : longer.end(), ref);
    if (at == longer.end()) break;
    if (*at == ref) common.push_back(ref);
  }
  return common;
}

// One sorted list of many.
Postings Union(const std::vector<const Postings*>& lists) {
  if (lists.size() == 1) return *lists[0];
  Postings all;
  std::size_t size = 0;
  for (const Postings* list : lists) size += list->size();
  all.reserve(size);
  for (const Postings* list : lists) all.insert(all.end(), list->begin(), list->end());
  std::ranges::sort(all);
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

}  // namespace

void SeriesTable::Create(SeriesRef ref, std::span<const telemetry::LabelView> labels) {
  while (blocks_.size() <= ref / kBlock) blocks_.push_back(std::make_unique<Series[]>(kBlock));
  end_ = std::max(end_, ref + 1);
  Series& series = At(ref);
  CHECK(!series.alive, "a ref is given to one series at a time");
  series = Series();
  series.alive = true;
  series.labels = std::make_unique_for_overwrite<LabelPair[]>(labels.size());
  series.label_count = static_cast<std::uint16_t>(labels.size());
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const LabelPair pair = {symbols_.Hold(labels[i].name), symbols_.Hold(labels[i].value)};
    series.labels[i] = pair;
    InsertRef(names_[pair.name][pair.value], ref);
  }
  InsertRef(all_, ref);
}

void SeriesTable::Forget(std::span<const SeriesRef> refs) {
  std::set<std::pair<Symbol, Symbol>> touched;
  for (const SeriesRef ref : refs) {
    Series& series = At(ref);
    CHECK(series.alive, "only a known series is forgotten");
    series.alive = false;
    for (const LabelPair& pair : std::span(series.labels.get(), series.label_count))
      touched.emplace(pair.name, pair.value);
  }
  const auto gone = [&](SeriesRef ref) { return !At(ref).alive; };
  for (const auto& [name, value] : touched) {
    const auto values = names_.find(name);
    const auto at = values->second.find(value);
    std::erase_if(at->second, gone);
    if (at->second.empty()) values->second.erase(at);
    if (values->second.empty()) names_.erase(values);
  }
  std::erase_if(all_, gone);
  for (const SeriesRef ref : refs) {
    Series& series = At(ref);
    for (const LabelPair& pair : std::span(series.labels.get(), series.label_count)) {
      symbols_.Release(pair.name);
      symbols_.Release(pair.value);
    }
    series = Series();
  }
}

telemetry::Labels SeriesTable::LabelsOf(SeriesRef ref) const {
  const Series& series = At(ref);
  std::vector<telemetry::Label> labels;
  labels.reserve(series.label_count);
  for (const LabelPair& pair : std::span(series.labels.get(), series.label_count))
    labels.push_back(
        {std::string(symbols_.Text(pair.name)), std::string(symbols_.Text(pair.value))});
  return telemetry::Labels::From(std::move(labels));
}

void SeriesTable::LabelsOf(
    SeriesRef ref,
    const std::function<void(std::string_view name, std::string_view value)>& visit) const {
  const Series& series = At(ref);
  for (const LabelPair& pair : std::span(series.labels.get(), series.label_count))
    visit(symbols_.Text(pair.name), symbols_.Text(pair.value));
}

std::string_view SeriesTable::ValueOf(SeriesRef ref, std::string_view name) const {
  const Symbol symbol = symbols_.Find(name);
  const Series& series = At(ref);
  for (const LabelPair& pair : std::span(series.labels.get(), series.label_count))
    if (pair.name == symbol) return symbols_.Text(pair.value);
  return {};
}

const SeriesTable::ByValue* SeriesTable::Find(std::string_view name) const {
  const auto at = names_.find(symbols_.Find(name));
  return at == names_.end() ? nullptr : &at->second;
}

Postings SeriesTable::Having(const ByValue& values, const Matcher& matcher, bool inverted) const {
  std::vector<const Postings*> lists;
  const auto add = [&](std::string_view value) {
    if (const auto at = values.find(symbols_.Find(value)); at != values.end())
      lists.push_back(&at->second);
  };
  const bool negative = matcher.op() == MatchOp::kNotEqual || matcher.op() == MatchOp::kNotRegex;
  const bool exact = matcher.op() == MatchOp::kEqual || matcher.op() == MatchOp::kNotEqual;
  if (negative == inverted && (exact || !matcher.literals().empty())) {
    if (exact) {
      add(matcher.value());
    } else {
      std::set<std::string_view> literals(matcher.literals().begin(), matcher.literals().end());
      for (const std::string_view literal : literals) add(literal);
    }
  } else {
    for (const auto& [value, refs] : values)
      if (matcher.Matches(symbols_.Text(value)) != inverted) lists.push_back(&refs);
  }
  return lists.empty() ? Postings() : Union(lists);
}

void SeriesTable::Filter(Postings& refs, const Matcher& matcher) const {
  const Symbol name = symbols_.Find(matcher.name());
  const bool empty_matches = matcher.MatchesEmpty();
  std::unordered_map<Symbol, bool> known;
  std::erase_if(refs, [&](SeriesRef ref) {
    const Series& series = At(ref);
    for (const LabelPair& pair : std::span(series.labels.get(), series.label_count)) {
      if (pair.name != name) continue;
      const auto [at, unknown] = known.try_emplace(pair.value, false);
      if (unknown) at->second = matcher.Matches(symbols_.Text(pair.value));
      return !at->second;
    }
    return !empty_matches;
  });
}

Postings SeriesTable::Select(const telemetry::Matchers& matchers) const {
  // First the matchers that name values, the rarest first; then the rest, each over what is left.
  std::vector<const Postings*> exact;
  std::vector<Postings> unions;
  std::vector<const Matcher*> rest;
  unions.reserve(matchers.size());
  for (const Matcher& matcher : matchers) {
    const bool literal = matcher.op() == MatchOp::kEqual ||
                         (matcher.op() == MatchOp::kRegex && !matcher.literals().empty());
    if (!literal || matcher.MatchesEmpty()) {
      rest.push_back(&matcher);
      continue;
    }
    const ByValue* const values = Find(matcher.name());
    if (values == nullptr) return {};
    if (matcher.op() == MatchOp::kEqual) {
      const auto at = values->find(symbols_.Find(matcher.value()));
      if (at == values->end()) return {};
      exact.push_back(&at->second);
    } else {
      unions.push_back(Having(*values, matcher, false));
      exact.push_back(&unions.back());
    }
  }
  Postings refs;
  bool chosen = !exact.empty();
  if (chosen) {
    std::ranges::sort(exact, {}, [](const Postings* list) { return list->size(); });
    refs = *exact[0];
    for (std::size_t i = 1; i < exact.size() && !refs.empty(); ++i)
      refs = Intersect(refs, *exact[i]);
  }
  for (const Matcher* const matcher : rest) {
    if (chosen) {
      Filter(refs, *matcher);
      continue;
    }
    chosen = true;
    const ByValue* const values = Find(matcher->name());
    if (matcher->MatchesEmpty()) {
      refs = all_;
      if (values == nullptr) continue;
      const Postings out = Having(*values, *matcher, true);
      Postings left;
      std::ranges::set_difference(refs, out, std::back_inserter(left));
      refs = std::move(left);
    } else if (values == nullptr) {
      return {};
    } else {
      refs = Having(*values, *matcher, false);
    }
  }
  return chosen ? refs : all_;
}

Postings SeriesTable::SelectAny(const std::vector<telemetry::Matchers>& any_of) const {
  if (any_of.empty()) return all_;
  if (any_of.size() == 1) return Select(any_of[0]);
  std::vector<Postings> lists;
  std::vector<const Postings*> pointers;
  lists.reserve(any_of.size());
  for (const telemetry::Matchers& matchers : any_of) {
    lists.push_back(Select(matchers));
    pointers.push_back(&lists.back());
  }
  return Union(pointers);
}

void SeriesTable::Values(std::string_view name, const ValueVisitor& visit) const {
  const ByValue* const values = Find(name);
  if (values == nullptr) return;
  for (const auto& [value, refs] : *values)
    if (!visit(symbols_.Text(value), refs)) return;
}

void SeriesTable::Names(const std::function<void(std::string_view name)>& visit) const {
  for (const auto& [name, values] : names_) visit(symbols_.Text(name));
}

}  // namespace enclave::observatory::store
