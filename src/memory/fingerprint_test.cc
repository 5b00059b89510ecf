#include "memory/fingerprint.h"

#include <algorithm>
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "memory/evaluate.h"
#include "memory/evidence_words.h"
#include "memory/test_support.h"

namespace enclave::memory {
namespace {

using ::testing::Contains;
using testing::ContextOf;
using ::testing::Each;
using ::testing::ElementsAre;
using testing::Fault;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<Fault> AllFaults() {
  std::vector<Fault> faults;
  for (const char* service : {"cart", "payment", "shipping", "catalogue"})
    for (const char* kind : {"cpu", "code error", "network delay", "crash"})
      faults.push_back({service, kind});
  return faults;
}

double Near(const incident::Context& a, const incident::Context& b) {
  return Similarity(FingerprintOf(a).values, FingerprintOf(b).values);
}

TEST(FingerprintTest, TheSameFaultOnAnotherDayIsNearAndOthersAreFar) {
  for (const Fault& fault : AllFaults()) {
    SCOPED_TRACE(fault.service + " " + fault.kind);
    const auto today = ContextOf(fault, 3);
    EXPECT_GT(Near(today, ContextOf(fault, 41)), 0.8);
    for (const Fault& other : AllFaults())
      if (other.service != fault.service || other.kind != fault.kind) {
        EXPECT_LT(Near(today, ContextOf(other, 41)), 0.7) << other.service << " " << other.kind;
      }
  }
}

TEST(FingerprintTest, WhatHasNoSourceIsUnseenWhateverStandsInForIt) {
  auto context = ContextOf({"cart", "code error"}, 3);
  EXPECT_EQ(UnseenOf(context), 0);
  const auto bit = [](Family family) { return 1U << static_cast<unsigned>(family); };
  context.missing = {"logs: no line in the window"};
  EXPECT_EQ(UnseenOf(context), bit(Family::kLogs));
  // Operations that lines told of are still there.
  context.operations.push_back({.service = "cart", .operation = "CartService.java#12"});
  context.missing = {"metrics: no source", "traces: no span in the window"};
  EXPECT_EQ(UnseenOf(context), bit(Family::kSeries) | bit(Family::kOperations) |
                                   bit(Family::kEdges) | bit(Family::kFlows) |
                                   bit(Family::kTraces));
}

TEST(FingerprintTest, TwinsAreFoundWhenOneIsLeftOut) {
  std::vector<std::pair<Fingerprint, std::string>> labelled;
  for (const Fault& fault : AllFaults())
    for (const std::uint64_t day : {1U, 2U, 3U})
      labelled.emplace_back(FingerprintOf(ContextOf(fault, day * 17)),
                            fault.service + "/" + fault.kind);
  labelled.emplace_back(FingerprintOf(ContextOf({"ads", "cpu"}, 5)), "ads/cpu");
  const LeaveOneOut result = EvaluateLeaveOneOut(labelled);
  EXPECT_EQ(result.with_twin, labelled.size() - 1);  // the last has none
  EXPECT_EQ(result.share_among(), 1.0);
  EXPECT_GE(result.share_first(), 0.95);
  EXPECT_TRUE(result.missed.empty());
}

TEST(FingerprintTest, LeaveOneOutCountsWhatItMisses) {
  const auto one = [](float x, float y) {
    Fingerprint fingerprint;
    fingerprint.values = {x, y};
    return fingerprint;
  };
  const LeaveOneOut result = EvaluateLeaveOneOut(
      {{one(1, 0), "a"}, {one(1, 0.1F), "b"}, {one(0, 1), "a"}, {one(-1, 0), "c"}}, 1);
  EXPECT_EQ(result.with_twin, 2u);
  EXPECT_EQ(result.first, 0u);
  EXPECT_THAT(result.missed, ElementsAre(0, 2));
  EXPECT_EQ(EvaluateLeaveOneOut({}).share_among(), 1.0);
}

TEST(FingerprintTest, NamesOfAlertsPodsTimesAndIdsDoNotMatter) {
  auto a = ContextOf({"cart", "code error"}, 9);
  auto b = a;
  b.id = "another";
  b.alert.name = "SomethingElse";
  b.alert.summary = "quite another text";
  b.alert.time_ns += 12345678901;
  for (auto& shift : b.series) {
    shift.instance = "pod-x";
    shift.onset_ns += 7;
    shift.id = "m99";
    shift.series = "name{pod=\"pod-x\"}";
  }
  for (auto& shift : b.logs) shift.text = "could not serve order 77 of user <*>: null reference";
  for (auto& fact : b.facts) fact.object = "shop/other";
  EXPECT_EQ(FingerprintOf(a), FingerprintOf(b));
}

TEST(FingerprintTest, TheOrderOfEvidenceDoesNotMatter) {
  const auto a = ContextOf({"payment", "crash"}, 4);
  auto b = a;
  std::ranges::reverse(b.series);
  std::ranges::reverse(b.topology);
  EXPECT_EQ(FingerprintOf(a), FingerprintOf(b));
}

TEST(FingerprintTest, MagnitudesMatterLittle) {
  auto a = ContextOf({"payment", "cpu"}, 4);
  auto b = a;
  for (auto& shift : b.series) shift.score *= 3;
  EXPECT_GT(Near(a, b), 0.95);
}

TEST(FingerprintTest, ManyPodsAreOneService) {
  auto a = ContextOf({"payment", "cpu"}, 4);
  auto b = a;
  for (int i = 0; i < 50; ++i) {
    b.series.push_back(a.series.back());
    b.series.back().instance = fmt::format("payment-{}", i);
  }
  EXPECT_EQ(FingerprintOf(a), FingerprintOf(b));
}

TEST(FingerprintTest, WhatACalleeShowsMoreLoudlyIsAConsequence) {
  incident::Context context;
  context.alert.service = "frontend";
  context.topology = {{"frontend", "cart"}};
  for (const char* service : {"frontend", "cart"}) {
    incident::OperationShift shift{.service = service, .operation = "Get", .score = 20};
    shift.self_during.median = 1;
    context.operations.push_back(shift);
  }
  float symptom = 0;
  float cause = 0;
  for (const Feature& feature : FeaturesOf(context)) {
    if (feature.key == "frontend slow") symptom = feature.weight;
    if (feature.key == "cart slow") cause = feature.weight;
  }
  EXPECT_GT(cause, 2 * symptom);
  EXPECT_GT(symptom, 0);
}

TEST(FingerprintTest, WhatAnEngineMadeOfTheEvidenceCountsMoreThanHowFarItMoved) {
  // The same quiet fault among loud bystanders that differ from day to day.
  const auto day = [](int number) {
    incident::Context context;
    for (int i = 0; i < 30; ++i)
      context.series.push_back({.id = fmt::format("m{}", i),
                                .service = fmt::format("bystander-{}", number * 30 + i),
                                .signal = incident::Signal::kLatency,
                                .score = 50});
    context.logs.push_back({.id = "l1",
                            .service = "cart",
                            .change = number % 2 == 0 ? incident::LogChange::kVanished
                                                      : incident::LogChange::kDwindling,
                            .location = "Cart.java:7",
                            .score = -3});
    return context;
  };
  const std::vector<Weighed> weighed = {{.evidence = "l1", .suspect = "cart", .weight = 6}};
  const auto near = [&](std::span<const Weighed> weights) {
    return Similarity(FingerprintOf(day(1), weights).values, FingerprintOf(day(2), weights).values);
  };
  EXPECT_LT(near({}), 0.4);
  EXPECT_GT(near(weighed), 0.5);
  EXPECT_EQ(FeaturesOf(day(1), weighed).front().key, "cart? less line");
  // Weights that make no sense are passed over.
  const std::vector<Weighed> senseless = {{.evidence = "l1", .suspect = "cart", .weight = -1},
                                          {.evidence = "none", .suspect = "x", .weight = 4},
                                          {.evidence = "l1", .suspect = "y", .weight = NAN}};
  for (const Feature& feature : FeaturesOf(day(1), senseless))
    EXPECT_THAT(feature.key, Not(HasSubstr("?")));
}

TEST(FingerprintTest, GoldenSignalsSayWhatUsersMiss) {
  incident::Context context;
  context.golden.push_back({.id = "g1",
                            .service = "cart",
                            .latency_ms = {{0, 11}, {1, 9}},
                            .error_share = {{0, 0.4}, {1, 0.2}},
                            .latency_before_ms = 10,
                            .latency_spread_ms = 1,
                            .error_spread = 0.01});
  context.golden.push_back({.id = "g2",
                            .service = "payment",
                            .latency_ms = {{0, 110}, {1, 90}},
                            .latency_before_ms = 10,
                            .latency_spread_ms = 1});
  context.golden.push_back({.id = "g3", .service = "idle", .latency_before_ms = 10});
  std::vector<std::string> keys;
  for (const Feature& feature : FeaturesOf(context)) keys.push_back(feature.key);
  EXPECT_THAT(keys, Contains("cart errors up"));
  EXPECT_THAT(keys, Contains("payment latency up"));
  EXPECT_THAT(keys, Not(Contains(HasSubstr("idle"))));
}

TEST(FingerprintTest, IsOfLengthOneOrEmpty) {
  const Fingerprint fingerprint = FingerprintOf(ContextOf({"cart", "cpu"}, 1));
  ASSERT_EQ(fingerprint.values.size(), kEvidenceDimensions);
  double square = 0;
  for (const float value : fingerprint.values) square += static_cast<double>(value) * value;
  EXPECT_NEAR(square, 1, 1e-6);
  EXPECT_LE(fingerprint.features.size(), kMostFeatures);

  const Fingerprint nothing = FingerprintOf(incident::Context{});
  EXPECT_TRUE(nothing.empty());
  EXPECT_THAT(nothing.values, Each(0.0F));
  EXPECT_EQ(Similarity(nothing.values, fingerprint.values), 0);
}

TEST(FingerprintTest, FeaturesStayWithinTheirBounds) {
  incident::Context context;
  for (int i = 0; i < 500; ++i)
    context.series.push_back({.service = std::string(400, static_cast<char>('a' + i % 26)),
                              .metric = fmt::format("metric_{}\xff\n{}", i, i),
                              .score = i % 2 == 0 ? INFINITY : NAN});
  const auto features = FeaturesOf(context);
  EXPECT_LE(features.size(), kMostFeatures);
  EXPECT_FALSE(features.empty());
  for (const Feature& feature : features) {
    EXPECT_LE(feature.key.size(), kMostKeyBytes);
    EXPECT_EQ(feature.key, OneLine(feature.key, kMostKeyBytes));
    EXPECT_TRUE(std::isfinite(feature.weight) && feature.weight > 0);
  }
}

TEST(FingerprintTest, FeaturesSurviveTheirText) {
  const auto features = FeaturesOf(ContextOf({"cart", "code error"}, 1));
  const auto parsed = ParseFeatures(FormatFeatures(features));
  ASSERT_TRUE(parsed) << parsed.error().message();
  EXPECT_EQ(*parsed, features);
  EXPECT_EQ(FingerprintOf(*parsed), FingerprintOf(features));
  for (const char* wrong : {"series", "series 1", "series x key", "none 1 key", "series -1 key",
                            "series nan key", "series 1 ", "series 1e9 key"})
    EXPECT_FALSE(ParseFeatures(wrong)) << wrong;
}

TEST(FingerprintTest, TextsAddToWhatEvidenceSays) {
  const Fingerprint a = FingerprintOf(ContextOf({"cart", "cpu"}, 1));
  const Fingerprint b = FingerprintOf(ContextOf({"cart", "cpu"}, 2));
  std::vector<float> text(300);
  std::vector<float> other(300);
  base::SeededRandom random(5);
  for (auto& value : text) value = static_cast<float>(random.Unit() - 0.5);
  for (auto& value : other) value = static_cast<float>(random.Unit() - 0.5);
  const auto with = [](const Fingerprint& fingerprint, const std::vector<float>& embedding) {
    return WithText(fingerprint, embedding).values;
  };
  ASSERT_EQ(with(a, text).size(), kEvidenceDimensions + kTextDimensions);
  EXPECT_NEAR(Similarity(with(a, text), with(a, text)), 1, 1e-6);
  EXPECT_GT(Similarity(with(a, text), with(b, text)), Similarity(with(a, text), with(b, other)));
  // Without a model they can still be compared.
  EXPECT_NEAR(Similarity(with(a, {}), with(a, text)), std::sqrt(0.8), 1e-3);
  EXPECT_NEAR(Similarity(with(a, {}), with(b, {})), Similarity(a.values, b.values), 1e-5);
}

TEST(FingerprintTest, TheTextForAModelNamesNoAlert) {
  auto context = ContextOf({"cart", "code error"}, 1);
  context.alert.name = "VeryTellingName";
  const std::string text = EvidenceText(context);
  EXPECT_THAT(text, HasSubstr("NullReferenceException"));
  EXPECT_THAT(text, Not(HasSubstr("VeryTellingName")));
  EXPECT_LE(text.size(), 4000u);
}

TEST(EvidenceWordsTest, KeepWordsAndDropWhatChanges) {
  EXPECT_THAT(EvidenceWords("Order 8f3ab2 of user <*> (10.0.0.7:8080) failed: NullPointer", 10),
              ElementsAre("order", "user", "failed", "nullpointer"));
  EXPECT_THAT(EvidenceWords("a_b snake_case_name 2024-01-02T03:04:05Z", 10),
              ElementsAre("snake", "case", "name"));
  EXPECT_EQ(EvidenceWords("one two three four five", 2).size(), 2u);
}

TEST(EvidenceWordsTest, LinesAreUtf8AndCutBetweenCharacters) {
  EXPECT_EQ(OneLine("a\nb\tc", 10), "a b c");
  EXPECT_EQ(OneLine("\xc3\xa4\xc3\xa4", 3), "\xc3\xa4");
  EXPECT_EQ(OneLine("x\xff\xc3", 10), "x??");
  EXPECT_EQ(OneLine("\xed\xa0\x80", 10), "???");  // a surrogate
}

}  // namespace
}  // namespace enclave::memory
