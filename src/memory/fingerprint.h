// Fingerprints: what an incident looked like, as a point in space where incidents with the same
// fault are near and others far.
//
// Made from evidence alone: which signal of which service moved which way, which statements of the
// log came or went, which exception was thrown, what Kubernetes said, what had changed. Never from
// the name or the text of an alert. Nothing that belongs to one day is in it: no times, pods,
// trace ids, numbers in texts, and magnitudes only through a logarithm that saturates, so that the
// same fault on another day, under another load, in other pods, is near.
//
// How: evidence becomes features (a family, a key, a weight). A feature comes in two strengths: by
// name ("cpu of payment rose") and, weaker, by the service's place ("cpu of a service below the
// symptom rose"), so that the same kind of fault elsewhere is a little nearer than anything else.
// What a service shows while one that it calls shows more is a consequence, and counts less. Each
// family (series, logs, ...) is brought to a strength of its own, so that two hundred series do not
// drown one exception. The features that weigh most are kept; each is added to the vector at
// kPlaces places that its hash names, with signs that its hash names: two different features then
// overlap by nothing on average, with a standard deviation of 1/√dimensions.
//
// Values and pure functions; any thread. The same context gives the same fingerprint in every
// process and on every machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "incident/context.h"

namespace enclave::memory {

inline constexpr std::size_t kEvidenceDimensions = 128;
inline constexpr std::size_t kTextDimensions = 64;  // appended where text embeddings are configured
inline constexpr std::size_t kMostFeatures = 64;
inline constexpr std::size_t kMostKeyBytes = 120;
// Changes whenever the same evidence would give another vector: fingerprints of different versions
// cannot be compared.
inline constexpr int kFingerprintVersion = 1;

enum class Family : std::uint8_t {
  kSeries,
  kOperations,
  kEdges,
  kFlows,
  kLogs,
  kTraces,
  kFacts,
  kChanges,
};
inline constexpr std::size_t kFamilies = 8;

// "series", "operations", ... and back (kFamilies for what is none).
std::string_view ToString(Family family);
std::size_t FamilyFromString(std::string_view name);

// A set of families: bit 1 << family.
using Families = std::uint8_t;

struct Feature {
  Family family = Family::kSeries;
  std::string key{};  // readable: "payment cpu up"
  float weight = 0;   // positive
  bool operator==(const Feature&) const = default;
};

struct Fingerprint {
  // Of length 1, or all zero when there was no evidence; kEvidenceDimensions numbers, and
  // kTextDimensions more when a text was appended.
  std::vector<float> values{};
  std::vector<Feature> features{};  // heaviest first; what the values were made from
  bool empty() const { return features.empty(); }
  bool operator==(const Fingerprint&) const = default;
};

// What an engine made of one item of evidence: how much it speaks for a fault of `suspect`. Of a
// diagnosis: for each of the first few hypotheses and each item that it cites, its weight in nats
// times the hypothesis' confidence.
struct Weighed {
  incident::EvidenceId evidence{};
  std::string suspect{};
  double weight = 0;
};

// At most kMostFeatures. Without weights the strength of an item is how far it moved. With them it
// is what it says, which tells a fault's evidence from the many things that move by chance or in
// consequence; evidence is then also a feature of its suspect: "payment? latency up", wherever it
// was seen. How far things moved stays in with half that length, so that an incident of which the
// engine made something else, because a signal was missing, is still like itself.
std::vector<Feature> FeaturesOf(const incident::Context& context,
                                std::span<const Weighed> weighed = {});
Fingerprint FingerprintOf(std::vector<Feature> features);
Fingerprint FingerprintOf(const incident::Context& context, std::span<const Weighed> weighed = {});

// The families of evidence whose source is missing this time: no spans, no lines, no series.
Families UnseenOf(const incident::Context& context);

// Cosine of the features alone, without those of `unseen` families, on either side; and how much of
// the squared length of `remembered` is left then.
struct Likeness {
  double similarity = 0;
  double seen = 1;
};
Likeness LikenessWithout(const Fingerprint& now, const Fingerprint& remembered, Families unseen);

// `embedding` (of any length) is projected to kTextDimensions and appended with a fifth of the
// squared length; without one (empty) zeros are appended, so that fingerprints with and without a
// text can still be compared.
Fingerprint WithText(Fingerprint fingerprint, std::span<const float> embedding);

// The evidence in sentences, bounded, for an embedding model. No names of alerts.
std::string EvidenceText(const incident::Context& context);

// Cosine; 0 for fingerprints of different length or without evidence.
double Similarity(std::span<const float> a, std::span<const float> b);

// "family weight key" a line, and back: how features are stored. Errors name the line.
std::string FormatFeatures(std::span<const Feature> features);
base::Result<std::vector<Feature>> ParseFeatures(std::string_view text);

}  // namespace enclave::memory
