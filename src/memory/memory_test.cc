#include "memory/memory.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "memory/exact_index.h"
#include "memory/hnsw_index.h"
#include "memory/test_support.h"
#include "memory/trust.h"
#include "rca/diagnose.h"

namespace enclave::memory {
namespace {

using testing::Confirmed;
using ::testing::Contains;
using testing::ContextOf;
using ::testing::ElementsAre;
using testing::Fault;
using testing::FixedClock;
using ::testing::HasSubstr;
using testing::IncidentOf;
using ::testing::IsEmpty;
using testing::kDayNs;
using ::testing::Not;
using ::testing::SizeIs;
using testing::TempDir;

class MemoryTest : public ::testing::Test {
 protected:
  std::unique_ptr<Memory> Open(MemoryOptions options = {}) {
    options.directory = directory_.path() + "/memory";
    auto memory = Memory::Open(options, clock_);
    EXPECT_TRUE(memory) << memory.error().ToString();
    return std::move(*memory);
  }
  static std::vector<std::string> IdsOf(const std::vector<Recalled>& recalled) {
    std::vector<std::string> ids;
    for (const Recalled& item : recalled) ids.push_back(item.incident.id);
    return ids;
  }
  std::string IndexFile() const { return directory_.path() + "/memory/memory.hnsw"; }

  TempDir directory_;
  FixedClock clock_{100 * kDayNs};
};

TEST_F(MemoryTest, RecallsWhatLookedAlikeWithReasonsAndOutcomes) {
  const auto memory = Open();
  for (const std::uint64_t day : {10U, 20U, 30U})
    for (const Fault& fault : {Fault{"cart", "cpu"}, Fault{"cart", "code error"},
                               Fault{"payment", "cpu"}, Fault{"payment", "crash"}})
      ASSERT_TRUE(memory->Record(IncidentOf(fault, day)));
  ASSERT_TRUE(memory->Say("cart-cpu-20", Confirmed("cart", "cpu", 21 * kDayNs)));

  const auto recalled = memory->Recall(FingerprintOf(ContextOf({"cart", "cpu"}, 90)), {.k = 3});
  ASSERT_TRUE(recalled) << recalled.error().ToString();
  ASSERT_THAT(*recalled, SizeIs(3));
  for (const Recalled& item : *recalled) {
    EXPECT_EQ(item.cause, (Cause{"cart", "cpu"})) << item.incident.id;
    EXPECT_GT(item.similarity, 0.8);
    ASSERT_FALSE(item.reasons.empty());
    EXPECT_EQ(item.reasons.front().family, Family::kSeries);
    EXPECT_THAT(item.reasons.front().keys, Contains("cart cpu up"));
  }
  for (std::size_t i = 1; i < recalled->size(); ++i)
    EXPECT_GE((*recalled)[i - 1].similarity, (*recalled)[i].similarity);
  const auto said = std::ranges::find(*recalled, "cart-cpu-20",
                                      [](const Recalled& item) { return item.incident.id; });
  ASSERT_NE(said, recalled->end());
  EXPECT_THAT(said->incident.outcomes, ElementsAre(Confirmed("cart", "cpu", 21 * kDayNs)));
}

TEST_F(MemoryTest, AnIncidentDoesNotRecallItselfWhenAskedNotTo) {
  const auto memory = Open();
  const Incident incident = IncidentOf({"cart", "cpu"}, 10);
  ASSERT_TRUE(memory->Record(incident));
  EXPECT_THAT(IdsOf(*memory->Recall(incident.fingerprint)), ElementsAre(incident.id));
  EXPECT_THAT(IdsOf(*memory->Recall(incident.fingerprint, {.without = incident.id})), IsEmpty());
}

TEST_F(MemoryTest, WithoutEvidenceNothingIsRememberedOrRecalled) {
  const auto memory = Open();
  Incident incident = IncidentOf({"cart", "cpu"}, 10);
  incident.fingerprint = FingerprintOf(incident::Context{});
  EXPECT_EQ(memory->Record(incident).error().kind(), base::ErrorKind::kInvalidArgument);
  EXPECT_THAT(*memory->Recall(incident.fingerprint), IsEmpty());
}

TEST_F(MemoryTest, TheSameIdIsRefused) {
  const auto memory = Open();
  ASSERT_TRUE(memory->Record(IncidentOf({"cart", "cpu"}, 10)));
  EXPECT_EQ(memory->Record(IncidentOf({"cart", "cpu"}, 10)).error().kind(),
            base::ErrorKind::kAlreadyExists);
  EXPECT_EQ(memory->Say("nobody", Confirmed("a", "b")).error().kind(), base::ErrorKind::kNotFound);
}

TEST_F(MemoryTest, OutcomesAreAddedAndNeverReplaced) {
  const auto memory = Open();
  ASSERT_TRUE(memory->Record(IncidentOf({"cart", "cpu"}, 10)));
  const std::string id = "cart-cpu-10";
  Outcome refuted = Confirmed("cart", "cpu", 5);
  refuted.good = false;
  Outcome helped{.about = About::kAction,
                 .cause = {"cart", "memory"},
                 .action = "restart cart",
                 .good = true,
                 .sayer = Sayer::kVerification,
                 .said_by = "verifier",
                 .time_ns = 9};
  for (const Outcome& outcome : {refuted, Confirmed("cart", "memory", 7), helped, helped})
    ASSERT_TRUE(memory->Say(id, outcome));
  const auto incident = memory->ledger().Get(id);
  ASSERT_TRUE(incident);
  EXPECT_THAT(incident->outcomes, ElementsAre(refuted, Confirmed("cart", "memory", 7), helped));
  EXPECT_EQ(incident->cause, (Cause{"cart", "cpu"}));  // as concluded then
  EXPECT_EQ(EffectiveCause(*incident), (Cause{"cart", "memory"}));
}

TEST_F(MemoryTest, SurvivesARestartAndAnIndexThatIsGoneOrDamaged) {
  std::vector<std::string> before;
  const Fingerprint question = FingerprintOf(ContextOf({"payment", "crash"}, 77));
  {
    const auto memory = Open();
    for (std::uint64_t day = 1; day <= 30; ++day)
      for (const Fault& fault : {Fault{"cart", "cpu"}, Fault{"payment", "crash"}})
        ASSERT_TRUE(memory->Record(IncidentOf(fault, day)));
    before = IdsOf(*memory->Recall(question));
    ASSERT_THAT(before, SizeIs(10));
  }
  ASSERT_TRUE(std::filesystem::exists(IndexFile()));
  EXPECT_EQ(IdsOf(*Open()->Recall(question)), before);
  std::filesystem::remove(IndexFile());
  EXPECT_EQ(IdsOf(*Open()->Recall(question)), before);
  std::ofstream(IndexFile()) << "rubbish";
  EXPECT_EQ(IdsOf(*Open()->Recall(question)), before);
  // An older index than the database: what came and went since is followed.
  {
    ASSERT_TRUE(Open()->Save());
  }
  std::filesystem::copy_file(IndexFile(), IndexFile() + ".old");
  {
    const auto memory = Open();
    ASSERT_EQ(*memory->Forget({before[0]}), 1u);
    ASSERT_TRUE(memory->Record(IncidentOf({"payment", "crash"}, 77)));
  }
  std::filesystem::rename(IndexFile() + ".old", IndexFile());
  const auto after = IdsOf(*Open()->Recall(question));
  EXPECT_EQ(after.front(), "payment-crash-77");
  EXPECT_THAT(after, Not(Contains(before[0])));
}

TEST_F(MemoryTest, AnIndexOfAnotherDatabaseIsNotUsed) {
  {
    const auto memory = Open();
    ASSERT_TRUE(memory->Record(IncidentOf({"cart", "cpu"}, 1)));
  }
  std::filesystem::copy_file(IndexFile(), directory_.path() + "/other");
  std::filesystem::remove_all(directory_.path() + "/memory");
  {
    const auto memory = Open();
    ASSERT_TRUE(memory->Record(IncidentOf({"payment", "crash"}, 2)));
  }
  std::filesystem::rename(directory_.path() + "/other", IndexFile());
  const auto memory = Open();
  EXPECT_EQ(*memory->index().Count(), 1u);
  EXPECT_THAT(IdsOf(*memory->Recall(FingerprintOf(ContextOf({"payment", "crash"}, 9)))),
              ElementsAre("payment-crash-2"));
}

TEST_F(MemoryTest, FollowsWhatAnotherProcessWrites) {
  const auto memory = Open();
  ASSERT_TRUE(memory->Record(IncidentOf({"cart", "cpu"}, 1)));
  const Fingerprint question = FingerprintOf(ContextOf({"cart", "cpu"}, 50));
  ASSERT_THAT(*memory->Recall(question), SizeIs(1));
  const auto other = Ledger::Open({.directory = directory_.path() + "/memory"});
  ASSERT_TRUE(other);
  ASSERT_TRUE((*other)->Add(IncidentOf({"cart", "cpu"}, 2)));
  EXPECT_THAT(*memory->Recall(question), SizeIs(2));
  ASSERT_EQ(*(*other)->Forget({"cart-cpu-1"}), 1u);
  EXPECT_THAT(IdsOf(*memory->Recall(question)), ElementsAre("cart-cpu-2"));
}

TEST_F(MemoryTest, ForgetsByAgeAndCapacityTheLeastUsefulFirst) {
  const auto memory = Open({.capacity = 20});
  for (std::uint64_t day = 1; day <= 20; ++day)
    ASSERT_TRUE(memory->Record(IncidentOf({"cart", "cpu"}, day)));
  ASSERT_TRUE(memory->Say("cart-cpu-1", Confirmed("cart", "cpu")));
  ASSERT_TRUE(memory->Record(IncidentOf({"cart", "cpu"}, 21)));
  EXPECT_EQ(*memory->ledger().Size(), 20u);
  EXPECT_TRUE(memory->ledger().Get("cart-cpu-1")) << "of use: somebody said what it was";
  EXPECT_FALSE(memory->ledger().Get("cart-cpu-2")) << "the oldest of which nothing was said";
  EXPECT_EQ(*memory->ForgetOlderThan(15 * kDayNs), 13u);
  EXPECT_EQ(*memory->index().Count(), 7u);
  EXPECT_EQ(memory->ledger().Get("cart-cpu-14").error().kind(), base::ErrorKind::kNotFound);
}

TEST_F(MemoryTest, ExactLikesShareOneVectorAndDoNotCrowdOutOthers) {
  const auto memory = Open();
  Incident twin = IncidentOf({"cart", "cpu"}, 1);
  for (int i = 0; i < 40; ++i) {
    twin.id = fmt::format("twin-{}", i);
    twin.time_ns = i;
    ASSERT_TRUE(memory->Record(twin));
  }
  ASSERT_TRUE(memory->Record(IncidentOf({"cart", "cpu"}, 2)));
  EXPECT_EQ(*memory->index().Count(), 2u);
  const auto ids = IdsOf(*memory->Recall(twin.fingerprint));
  EXPECT_THAT(ids, ElementsAre("twin-39", "twin-38", "twin-37", "twin-36", "cart-cpu-2"));
  // The vector stays until the last that looks so is gone.
  ASSERT_EQ(*memory->Forget({"twin-39", "twin-38"}), 2u);
  EXPECT_EQ(*memory->index().Count(), 2u);
}

TEST_F(MemoryTest, OldMemoriesWeighLess) {
  const auto memory = Open({.half_life = std::chrono::hours(24 * 10)});
  ASSERT_TRUE(memory->Record(IncidentOf({"cart", "cpu"}, 100)));
  ASSERT_TRUE(memory->Record(IncidentOf({"cart", "cpu"}, 80)));
  const auto recalled = *memory->Recall(FingerprintOf(ContextOf({"cart", "cpu"}, 7)));
  ASSERT_THAT(recalled, SizeIs(2));
  for (const Recalled& item : recalled)
    EXPECT_NEAR(item.age_weight, item.incident.id == "cart-cpu-100" ? 1 : 0.25, 1e-9);
}

// What an engine does with priors: mixes them with what the evidence says, and takes the greatest.
std::string Winner(std::map<std::string, double> probabilities, const std::vector<Prior>& priors) {
  double shares = 0;
  double left = 0;
  for (auto& [service, probability] : probabilities) {
    for (const Prior& prior : priors)
      if (prior.service == service) probability *= 1 - prior.doubt;
    left += probability;
  }
  for (const Prior& prior : priors) shares += prior.share;
  for (auto& [service, probability] : probabilities) probability *= (1 - shares) / left;
  for (const Prior& prior : priors) probabilities[prior.service] += prior.share;
  return std::ranges::max_element(probabilities, {}, [](const auto& one) { return one.second; })
      ->first;
}

TEST_F(MemoryTest, MemoriesTipABalanceByTheirReliability) {
  const auto memory = Open();
  for (const std::uint64_t day : {95U, 97U, 99U}) {
    ASSERT_TRUE(memory->Record(IncidentOf({"cart", "cpu"}, day)));
    ASSERT_TRUE(
        memory->Say(fmt::format("cart-cpu-{}", day), Confirmed("cart", "cpu", 99 * kDayNs)));
  }
  const Fingerprint question = FingerprintOf(ContextOf({"cart", "cpu"}, 50));
  const auto priors = PriorOf(*memory->Recall(question));
  ASSERT_THAT(priors, SizeIs(1));
  EXPECT_EQ(priors[0].service, "cart");
  EXPECT_EQ(priors[0].kind, "cpu");
  EXPECT_GT(priors[0].share, 0.2);
  EXPECT_THAT(priors[0].memories, SizeIs(3));
  EXPECT_EQ(Winner({{"cart", 0.4}, {"payment", 0.6}}, priors), "cart");
  EXPECT_EQ(Winner({{"cart", 0.1}, {"payment", 0.9}}, priors), "payment");
  EXPECT_EQ(Winner({{"mail", 0.2}, {"payment", 0.25}, {"store", 0.25}, {"web", 0.3}}, priors),
            "cart");  // of which nothing is seen

  // What was refuted speaks against.
  for (const std::uint64_t day : {95U, 97U, 99U}) {
    Outcome refuted = Confirmed("cart", "cpu", 100 * kDayNs);
    refuted.good = false;
    refuted.said_by = "bob";
    ASSERT_TRUE(memory->Say(fmt::format("cart-cpu-{}", day), refuted));
  }
  EXPECT_THAT(PriorOf(*memory->Recall(question)), IsEmpty());  // as many for as against
}

TEST_F(MemoryTest, WhatNobodySaidAddsNothing) {
  const auto memory = Open();
  ASSERT_TRUE(memory->Record(IncidentOf({"cart", "cpu"}, 99)));
  const auto recalled = memory->Recall(FingerprintOf(ContextOf({"cart", "cpu"}, 50)));
  ASSERT_THAT(*recalled, SizeIs(1));
  EXPECT_THAT(PriorOf(*recalled), IsEmpty());
}

TEST_F(MemoryTest, PoisonCannotOutvotePlainEvidence) {
  const auto memory = Open();
  // Thousands of wrong memories that look exactly like the incident, each "confirmed" by a person,
  // blame payment and clear cart; more of them nearly the same, so that they are not one vector.
  const Incident truth = IncidentOf({"cart", "cpu"}, 50);
  std::size_t made = 0;
  const auto next = [&]() -> base::Result<std::optional<Incident>> {
    if (made == 3000) return std::nullopt;
    Incident lie = truth;
    lie.id = fmt::format("lie-{}", made);
    lie.time_ns = 100 * kDayNs;
    if (made % 2 == 0) {
      const auto place = (made / 2) % kEvidenceDimensions;
      lie.fingerprint.values[place] += 0.001F + 0.00001F * static_cast<float>(made);
      double square = 0;
      for (const float value : lie.fingerprint.values) square += static_cast<double>(value) * value;
      for (float& value : lie.fingerprint.values)
        value = static_cast<float>(value / std::sqrt(square));
    }
    lie.cause = {"payment", "crash"};
    Outcome cleared = Confirmed("cart", "cpu", 100 * kDayNs);
    cleared.good = false;
    lie.outcomes = {Confirmed("payment", "crash", 100 * kDayNs), cleared};
    ++made;
    return lie;
  };
  ASSERT_TRUE(memory->ledger().Merge(next));
  const auto recalled = memory->Recall(truth.fingerprint, {.k = Memory::kMostRecalled});
  ASSERT_TRUE(recalled);
  ASSERT_THAT(*recalled, SizeIs(Memory::kMostRecalled));
  EXPECT_GT(recalled->back().similarity, 0.95);
  const auto priors = PriorOf(*recalled);
  ASSERT_THAT(priors, SizeIs(2));
  // They do their worst, and one plain piece of evidence still decides.
  EXPECT_EQ(priors[0].service, "payment");
  EXPECT_NEAR(priors[0].share, rca::kMostShare, 0.02);
  EXPECT_LE(priors[0].share, rca::kMostShare);
  EXPECT_NEAR(priors[1].doubt, rca::kMostDoubt, 0.02);
  EXPECT_LE(priors[1].doubt, rca::kMostDoubt);
  EXPECT_EQ(Winner({{"cart", 0.89}, {"payment", 0.11}}, priors), "cart");

  // Once the truth is told of some incidents that the lies resemble, likeness loses its say.
  for (std::uint64_t i = 0; i < 6; ++i) {
    Incident told = truth;
    told.id = fmt::format("told-{}", i);
    ASSERT_TRUE(memory->Record(told));
    ASSERT_TRUE(memory->Say(told.id, Confirmed("cart", "cpu", 100 * kDayNs)));
  }
  EXPECT_LT(memory->trust().Weight(1.0), 0.01);
  EXPECT_THAT(PriorOf(*memory->Recall(truth.fingerprint)), IsEmpty());
  // It is remembered.
  EXPECT_LT(Open()->trust().Weight(1.0), 0.01);
}

TEST(TrustTest, NoLikenessIsTrustedMoreThanANearerOne) {
  Trust trust;
  for (int i = 0; i < 20; ++i) trust.Measure(0.45, true);
  EXPECT_EQ(trust.Weight(0.45), 0);  // of 0.5 to 0.6 nothing is known
  for (int i = 0; i < 20; ++i) trust.Measure(0.55, true);
  EXPECT_GT(trust.Weight(0.45), 0.1);
  EXPECT_LE(trust.Weight(0.45), trust.Weight(0.65));
  for (int i = 0; i < 20; ++i) trust.Measure(0.95, false);
  EXPECT_EQ(trust.Weight(0.45), 0);
}

TEST_F(MemoryTest, AnotherFaultOfTheSameServiceCountsForIt) {
  const auto memory = Open();
  const auto tell = [&](const char* service, const char* kind, std::uint64_t day) {
    Incident incident = IncidentOf({"cart", "cpu"}, day);
    ASSERT_TRUE(memory->Record(incident));
    ASSERT_TRUE(memory->Say(incident.id, Confirmed(service, kind, 100 * kDayNs)));
  };
  tell("cart", "cpu", 10);
  const double before = memory->trust().Share(0.95);
  tell("cart", "memory", 20);
  const double agreed = memory->trust().Share(0.95);
  EXPECT_GT(agreed, before);
  tell("payment", "cpu", 30);
  EXPECT_LT(memory->trust().Share(0.95), agreed);
}

// The same incident once more, and this time no lines came: it is still like itself, and what it is
// remembered by cannot all be seen.
TEST_F(MemoryTest, AMissingSignalMakesARepeatNoStranger) {
  const auto memory = Open();
  std::vector<Feature> features = FeaturesOf(ContextOf({"cart", "cpu"}, 10));
  std::erase_if(features, [](const Feature& feature) { return feature.family == Family::kLogs; });
  ASSERT_FALSE(features.empty());
  const Fingerprint bare = FingerprintOf(features);
  for (int i = 0; i < 8; ++i)
    features.push_back({Family::kLogs, fmt::format("cart more: words of line {}", i), 3.0F});
  Incident whole = IncidentOf({"cart", "cpu"}, 10);
  whole.fingerprint = FingerprintOf(features);
  ASSERT_TRUE(memory->Record(whole));
  ASSERT_TRUE(memory->Say(whole.id, Confirmed("cart", "cpu", 99 * kDayNs)));
  const auto as_if_seen = memory->Recall(bare, {.least_similarity = -1});
  ASSERT_THAT(*as_if_seen, SizeIs(1));
  EXPECT_LT(as_if_seen->front().similarity, 0.6);
  constexpr Families kNoLogs = 1U << static_cast<unsigned>(Family::kLogs);
  const auto recalled = memory->Recall(bare, {.unseen = kNoLogs});
  ASSERT_THAT(*recalled, SizeIs(1));
  EXPECT_GT(recalled->front().similarity, 0.99);
  EXPECT_LT(recalled->front().seen, 0.5);
  EXPECT_GT(PriorOf(*recalled).at(0).unseen, 0.5);
}

TEST_F(MemoryTest, TheAgentCannotTalkItselfIntoAnything) {
  const auto memory = Open();
  ASSERT_TRUE(memory->Record(IncidentOf({"cart", "cpu"}, 99)));
  Outcome opinion = Confirmed("cart", "cpu", 100 * kDayNs);
  opinion.sayer = Sayer::kAgent;
  ASSERT_TRUE(memory->Say("cart-cpu-99", opinion));
  const Fingerprint question = FingerprintOf(ContextOf({"cart", "cpu"}, 50));
  const double agent = PriorOf(*memory->Recall(question)).at(0).share;
  ASSERT_TRUE(memory->Say("cart-cpu-99", Confirmed("cart", "cpu", 100 * kDayNs)));
  const double person = PriorOf(*memory->Recall(question)).at(0).share;
  EXPECT_LT(agent, person / 2);
}

TEST_F(MemoryTest, AnotherIndexBehindThePortGivesTheSame) {
  const auto memory = Open();
  const auto other = Memory::Open({.directory = directory_.path() + "/other"}, clock_,
                                  std::make_unique<ExactIndex>());
  ASSERT_TRUE(other);
  for (std::uint64_t day = 1; day <= 20; ++day)
    for (const Fault& fault : {Fault{"cart", "cpu"}, Fault{"payment", "crash"}}) {
      ASSERT_TRUE(memory->Record(IncidentOf(fault, day)));
      ASSERT_TRUE((*other)->Record(IncidentOf(fault, day)));
    }
  const Fingerprint question = FingerprintOf(ContextOf({"cart", "cpu"}, 50));
  EXPECT_EQ(IdsOf(*memory->Recall(question)), IdsOf(*(*other)->Recall(question)));
}

TEST_F(MemoryTest, MemoriesOfAnotherLengthAreRefusedWithAReason) {
  {
    Open();
  }
  const auto other = Memory::Open({.directory = directory_.path() + "/memory",
                                   .dimensions = kEvidenceDimensions + kTextDimensions},
                                  clock_);
  ASSERT_FALSE(other);
  EXPECT_THAT(other.error().message(), HasSubstr("turn text embeddings off"));
  // 0: whatever it has.
  EXPECT_TRUE(Memory::Open({.directory = directory_.path() + "/memory", .dimensions = 0}, clock_));
}

TEST_F(MemoryTest, SomethingElsesDatabaseIsRefused) {
  std::filesystem::create_directories(directory_.path() + "/memory");
  std::ofstream(directory_.path() + "/memory/memory.db") << std::string(5000, 'x');
  const auto opened = Memory::Open({.directory = directory_.path() + "/memory"}, clock_);
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message(), HasSubstr("damaged or no database"));
  EXPECT_EQ(Memory::Open({.directory = directory_.path() + "/none", .create = false}, clock_)
                .error()
                .kind(),
            base::ErrorKind::kNotFound);
}

}  // namespace
}  // namespace enclave::memory
