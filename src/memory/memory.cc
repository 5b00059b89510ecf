#include "memory/memory.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <unordered_set>

#include <fmt/format.h>

#include "base/log.h"
#include "memory/hnsw_index.h"

namespace enclave::memory {
namespace {

// Rows that are read at once while an index is built: enough for its threads to be worth it.
constexpr std::size_t kRowsAtOnce = 20'000;
// By how much an index may be wrong about a similarity.
constexpr double kIndexRounds = 0.01;

}  // namespace

Memory::Memory(MemoryOptions options, const base::Clock& clock, std::unique_ptr<Ledger> ledger,
               std::unique_ptr<VectorIndex> index)
    : options_(std::move(options)),
      clock_(clock),
      ledger_(std::move(ledger)),
      index_(std::move(index)) {}

Memory::~Memory() {
  const std::lock_guard lock(refresh_mutex_);
  if (unsaved_ == 0) return;
  if (const auto saved = index_->Save(); !saved)
    base::LogWarning("memory", "the index was not saved", {{"why", saved.error().message()}});
}

base::Result<std::unique_ptr<Memory>> Memory::Open(const MemoryOptions& options,
                                                   const base::Clock& clock) {
  // The ledger first: it makes the directory, and says what is wrong with it.
  return Open(options, clock, nullptr);
}

base::Result<std::unique_ptr<Memory>> Memory::Open(const MemoryOptions& options,
                                                   const base::Clock& clock,
                                                   std::unique_ptr<VectorIndex> index) {
  ASSIGN_OR_RETURN(auto ledger, Ledger::Open({.directory = options.directory,
                                              .dimensions = options.dimensions,
                                              .create = options.create}));
  if (index == nullptr)
    index = HnswIndex::Open(
        {.path = (std::filesystem::path(options.directory) / "memory.hnsw").string(),
         .dimensions = ledger->dimensions(),
         .capacity = options.capacity});
  MemoryOptions complete = options;
  complete.dimensions = ledger->dimensions();
  std::unique_ptr<Memory> memory(
      new Memory(std::move(complete), clock, std::move(ledger), std::move(index)));
  RETURN_IF_ERROR(memory->LoadTrust());
  const auto refreshed = memory->Refresh();
  if (!refreshed && refreshed.error().kind() != base::ErrorKind::kUnavailable)
    return base::Fail(refreshed.error());
  if (!refreshed) {
    base::LogWarning("memory", "the index is not there; nothing is recalled until it is",
                     {{"why", refreshed.error().message()}});
    return memory;
  }
  // What the position does not tell: an index that lost something by itself.
  ASSIGN_OR_RETURN(const std::uint64_t codes, memory->ledger_->Codes());
  ASSIGN_OR_RETURN(const std::uint64_t held, memory->index_->Count());
  if (codes != held) {
    base::LogWarning("memory", "the index holds other fingerprints than the database",
                     {{"index", held}, {"database", codes}});
    const std::lock_guard lock(memory->refresh_mutex_);
    RETURN_IF_ERROR(memory->CompareAll());
  }
  return memory;
}

base::Result<> Memory::LoadTrust() {
  ASSIGN_OR_RETURN(const auto measured, ledger_->Measurements());
  Trust trust;
  for (const Ledger::Measured& one : measured) trust.Measure(one.similarity, one.agreed);
  const std::lock_guard lock(trust_mutex_);
  trust_ = trust;
  return {};
}

Trust Memory::trust() const {
  const std::lock_guard lock(trust_mutex_);
  return trust_;
}

base::Result<> Memory::Refresh() {
  const std::lock_guard lock(refresh_mutex_);
  ASSIGN_OR_RETURN(std::string version, ledger_->DataVersion());
  if (!behind_ && version == data_version_) return {};
  RETURN_IF_ERROR(KeepWithin());
  // Asked before reading: what is written from here on is followed the next time.
  ASSIGN_OR_RETURN(version, ledger_->DataVersion());
  RETURN_IF_ERROR(LoadTrust());
  RETURN_IF_ERROR(Follow());
  data_version_ = std::move(version);
  behind_ = false;
  return SaveWhenWorthIt();
}

base::Result<> Memory::KeepWithin() {
  ASSIGN_OR_RETURN(const std::uint64_t size, ledger_->Size());
  if (size <= options_.capacity) return {};
  // A hundredth at once, so that a full memory does not sort at each incident.
  ASSIGN_OR_RETURN(const std::uint64_t forgotten,
                   ledger_->ForgetDownTo(options_.capacity - options_.capacity / 100));
  base::LogInfo("memory", "the memory was full; the least useful incidents were forgotten",
                {{"forgotten", forgotten}, {"capacity", options_.capacity}});
  return {};
}

base::Result<> Memory::Follow() {
  ASSIGN_OR_RETURN(const Position target, ledger_->position());
  const std::optional<Position> at = index_->position();
  if (!at) return CompareAll();
  if (at->ledger != target.ledger || at->last_row > target.last_row ||
      at->last_loss > target.last_loss) {
    // Of another database, or of one that was replaced by an older copy.
    RETURN_IF_ERROR(index_->Clear());
    return CompareAll();
  }
  if (*at == target) return {};
  ASSIGN_OR_RETURN(const auto lost, ledger_->LostAfter(at->last_loss));
  if (!lost) return CompareAll();
  std::vector<std::uint64_t> codes;
  codes.reserve(lost->size());
  for (const Ledger::Lost& one : *lost) codes.push_back(one.code);
  if (!codes.empty()) RETURN_IF_ERROR(index_->Remove(codes));
  unsaved_ += codes.size();
  for (std::int64_t row = at->last_row;;) {
    ASSIGN_OR_RETURN(const auto added, ledger_->AddedAfter(row, kRowsAtOnce));
    if (added.empty()) break;
    std::vector<CodedVector> vectors;
    vectors.reserve(added.size());
    for (const Ledger::Added& one : added)
      vectors.push_back({.code = one.code, .values = one.values});
    RETURN_IF_ERROR(index_->Put(vectors));
    unsaved_ += added.size();
    row = added.back().row;
  }
  index_->set_position(target);
  return {};
}

base::Result<> Memory::CompareAll() {
  ASSIGN_OR_RETURN(const Position target, ledger_->position());
  ASSIGN_OR_RETURN(const auto codes, index_->Codes());
  std::unordered_set<std::uint64_t> strange(codes.begin(), codes.end());
  std::unordered_set<std::uint64_t> known;
  for (std::int64_t row = 0;;) {
    ASSIGN_OR_RETURN(const auto added, ledger_->AddedAfter(row, kRowsAtOnce));
    if (added.empty()) break;
    row = added.back().row;
    std::vector<CodedVector> missing;
    for (const Ledger::Added& one : added) {
      if (!known.insert(one.code).second) continue;
      if (strange.erase(one.code) == 0) missing.push_back({.code = one.code, .values = one.values});
    }
    if (!missing.empty()) RETURN_IF_ERROR(index_->Put(missing));
    unsaved_ += missing.size();
  }
  if (!strange.empty()) {
    const std::vector<std::uint64_t> gone(strange.begin(), strange.end());
    RETURN_IF_ERROR(index_->Remove(gone));
    unsaved_ += gone.size();
  }
  index_->set_position(target);
  return {};
}

base::Result<> Memory::SaveWhenWorthIt() {
  // What was not saved is read from the database when opened: a millisecond each.
  constexpr std::uint64_t kLeast = 1000;
  if (unsaved_ < kLeast) return {};
  ASSIGN_OR_RETURN(const std::uint64_t count, index_->Count());
  if (unsaved_ < count / 20) return {};
  RETURN_IF_ERROR(index_->Save());
  unsaved_ = 0;
  return {};
}

base::Result<> Memory::Save() {
  RETURN_IF_ERROR(Refresh());
  const std::lock_guard lock(refresh_mutex_);
  if (unsaved_ == 0) return {};
  RETURN_IF_ERROR(index_->Save());
  unsaved_ = 0;
  return {};
}

void Memory::RefreshOrLog() {
  {
    const std::lock_guard lock(refresh_mutex_);
    behind_ = true;
  }
  // The truth is kept; the index catches up when it is asked.
  if (const auto refreshed = Refresh(); !refreshed)
    base::LogWarning("memory", "the index could not follow; it will at the next recall",
                     {{"why", refreshed.error().message()}});
}

base::Result<> Memory::Record(const Incident& incident) {
  RETURN_IF_ERROR(ledger_->Add(incident));
  RefreshOrLog();
  return {};
}

base::Result<> Memory::Say(const std::string& id, const Outcome& outcome) {
  ASSIGN_OR_RETURN(const bool is_new, ledger_->Say(id, outcome));
  const bool counts =
      is_new && outcome.about == About::kCause && outcome.good && outcome.sayer != Sayer::kAgent;
  if (!counts) return {};
  // What was said is kept already; a measurement that fails is one fewer.
  if (const auto measured = MeasureAgainstTwins(id, outcome.cause); !measured)
    base::LogWarning("memory", "a confirmed cause was not compared with its likes",
                     {{"incident", id}, {"why", measured.error().message()}});
  return {};
}

base::Result<> Memory::MeasureAgainstTwins(const std::string& id, const Cause& cause) {
  constexpr std::size_t kTwins = 3;
  ASSIGN_OR_RETURN(const Incident incident, ledger_->Get(id));
  ASSIGN_OR_RETURN(const auto twins, Recall(incident.fingerprint,
                                            {.k = kTwins, .without = id, .least_similarity = 0.3}));
  for (const Recalled& twin : twins) {
    const bool confirmed = std::ranges::any_of(twin.incident.outcomes, [&](const Outcome& outcome) {
      return outcome.about == About::kCause && outcome.good && outcome.cause == twin.cause;
    });
    if (!confirmed) continue;
    // Who is to blame is what a memory is asked; one service fails in more ways than one.
    const bool agreed = twin.cause.service == cause.service;
    RETURN_IF_ERROR(ledger_->Measure(id, twin.incident.id, twin.likeness, agreed));
    const std::lock_guard lock(trust_mutex_);
    trust_.Measure(twin.likeness, agreed);
  }
  return {};
}

base::Result<std::vector<Recalled>> Memory::Recall(const Fingerprint& fingerprint,
                                                   const RecallOptions& options) {
  // Incidents that look exactly alike say the same thing: the newest few are enough, and many of
  // one sort do not crowd out all others.
  constexpr std::size_t kMostOfOneCode = 4;
  if (fingerprint.values.size() != options_.dimensions)
    return base::Fail(base::ErrorKind::kInvalidArgument,
                      fmt::format("a fingerprint of {} numbers for a memory of {}",
                                  fingerprint.values.size(), options_.dimensions));
  const std::size_t k = std::min(options.k, kMostRecalled);
  std::vector<Recalled> recalled;
  if (k == 0 || std::ranges::all_of(fingerprint.values, [](float value) { return value == 0; }))
    return recalled;
  RETURN_IF_ERROR(Refresh());
  // A few more than asked for: the index rounds, and one may be the incident itself.
  // Vectors hold all families: those that are alike but for what is unseen may be farther down.
  const std::size_t among = options.unseen == 0 ? k + 4 : 4 * k;
  ASSIGN_OR_RETURN(const auto neighbours, index_->Search(fingerprint.values, among));
  const Trust trust = this->trust();
  const std::int64_t now_ns = clock_.WallNow().time_since_epoch().count();
  const double half_life_ns =
      static_cast<double>(std::chrono::nanoseconds(options_.half_life).count());
  for (const Neighbour& neighbour : neighbours) {
    // Each is a few pages of the database: no more are read than can be among the nearest.
    const double least = recalled.size() < k
                             ? options.least_similarity
                             : std::ranges::min(recalled, {}, &Recalled::similarity).similarity;
    if (options.unseen == 0 && neighbour.similarity < least - kIndexRounds) break;
    ASSIGN_OR_RETURN(auto incidents, ledger_->WithCode(neighbour.code, kMostOfOneCode));
    for (Incident& incident : incidents) {
      if (incident.id == options.without) continue;
      Recalled item{.incident = std::move(incident)};
      item.similarity = Similarity(fingerprint.values, item.incident.fingerprint.values);
      if (options.unseen != 0) {
        const Likeness likeness =
            LikenessWithout(fingerprint, item.incident.fingerprint, options.unseen);
        item.similarity = likeness.similarity;
        item.seen = likeness.seen;
      }
      if (item.similarity < options.least_similarity) continue;
      const double age_ns =
          std::max(0.0, static_cast<double>(now_ns) - static_cast<double>(item.incident.time_ns));
      item.age_weight = half_life_ns > 0 ? std::exp2(-age_ns / half_life_ns) : 1;
      recalled.push_back(std::move(item));
    }
  }
  std::ranges::sort(recalled, [](const Recalled& a, const Recalled& b) {
    if (a.similarity != b.similarity) return a.similarity > b.similarity;
    if (a.incident.time_ns != b.incident.time_ns) return a.incident.time_ns > b.incident.time_ns;
    return a.incident.id < b.incident.id;
  });
  for (Recalled& item : recalled) item.cause = EffectiveCause(item.incident);
  Contrast(recalled);
  if (recalled.size() > k) recalled.resize(k);
  for (Recalled& item : recalled) {
    item.trust = trust.Weight(item.likeness);
    item.reasons = ReasonsFor(fingerprint, item.incident.fingerprint);
  }
  return recalled;
}

base::Result<std::uint64_t> Memory::Forget(const std::vector<std::string>& ids) {
  ASSIGN_OR_RETURN(const std::uint64_t count, ledger_->Forget(ids));
  RefreshOrLog();
  return count;
}

base::Result<std::uint64_t> Memory::ForgetOlderThan(std::int64_t time_ns) {
  ASSIGN_OR_RETURN(const std::uint64_t count, ledger_->ForgetOlderThan(time_ns));
  RefreshOrLog();
  return count;
}

}  // namespace enclave::memory
