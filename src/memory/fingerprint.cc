#include "memory/fingerprint.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include <fmt/format.h>
#include <xxhash.h>

#include "base/check.h"

namespace enclave::memory {
namespace {

using base::ErrorKind;
using base::Fail;

constexpr std::array<std::string_view, kFamilies> kFamilyNames = {
    "series", "operations", "edges", "flows", "logs", "traces", "facts", "changes"};

// Places of the vector that one feature touches. More than one, so that two features which meet at
// one place still differ at the others.
constexpr int kPlaces = 8;
constexpr double kTextShare = 0.2;  // of the squared length

// SplitMix64: a stream of independent bits from one hash.
std::uint64_t NextBits(std::uint64_t* state) {
  std::uint64_t z = (*state += 0x9e3779b97f4a7c15ULL);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

// To length 1; zero stays zero.
void Normalise(std::span<float> values, double length = 1) {
  double sum = 0;
  for (const float value : values) sum += static_cast<double>(value) * value;
  if (sum <= 0) return;
  const double factor = length / std::sqrt(sum);
  for (float& value : values) value = static_cast<float>(value * factor);
}

void Scale(std::span<float> values, double factor) {
  for (float& value : values) value = static_cast<float>(value * factor);
}

}  // namespace

std::string_view ToString(Family family) {
  return kFamilyNames[static_cast<std::size_t>(family)];
}

std::size_t FamilyFromString(std::string_view name) {
  return static_cast<std::size_t>(std::ranges::find(kFamilyNames, name) - kFamilyNames.begin());
}

Fingerprint FingerprintOf(std::vector<Feature> features) {
  Fingerprint fingerprint;
  fingerprint.values.assign(kEvidenceDimensions, 0.0F);
  std::array<double, kEvidenceDimensions> sums{};
  for (const Feature& feature : features) {
    std::uint64_t state = XXH3_64bits_withSeed(feature.key.data(), feature.key.size(),
                                               static_cast<std::uint64_t>(feature.family) + 1);
    for (int place = 0; place < kPlaces; ++place) {
      const std::uint64_t bits = NextBits(&state);
      sums[bits % kEvidenceDimensions] += (bits >> 63) != 0 ? static_cast<double>(feature.weight)
                                                            : -static_cast<double>(feature.weight);
    }
  }
  for (std::size_t i = 0; i < sums.size(); ++i) fingerprint.values[i] = static_cast<float>(sums[i]);
  Normalise(fingerprint.values);
  fingerprint.features = std::move(features);
  return fingerprint;
}

Fingerprint FingerprintOf(const incident::Context& context, std::span<const Weighed> weighed) {
  return FingerprintOf(FeaturesOf(context, weighed));
}

Fingerprint WithText(Fingerprint fingerprint, std::span<const float> embedding) {
  CHECK(fingerprint.values.size() == kEvidenceDimensions, "a text is appended once");
  std::array<float, kTextDimensions> text{};
  std::array<double, kTextDimensions> sums{};
  // A projection by random signs keeps angles (Johnson and Lindenstrauss): one stream of signs per
  // number of the embedding.
  for (std::size_t i = 0; i < embedding.size(); ++i) {
    std::uint64_t state = i * 0x2545f4914f6cdd1dULL + 1;
    const std::uint64_t signs = NextBits(&state);
    const double value = std::isfinite(embedding[i]) ? static_cast<double>(embedding[i]) : 0.0;
    for (std::size_t j = 0; j < kTextDimensions; ++j)
      sums[j] += ((signs >> j) & 1U) != 0 ? value : -value;
  }
  for (std::size_t j = 0; j < kTextDimensions; ++j) text[j] = static_cast<float>(sums[j]);
  Normalise(text, std::sqrt(kTextShare));
  const bool any = std::ranges::any_of(text, [](float value) { return value != 0; });
  if (any) Scale(fingerprint.values, std::sqrt(1 - kTextShare));
  fingerprint.values.insert(fingerprint.values.end(), text.begin(), text.end());
  return fingerprint;
}

double Similarity(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size()) return 0;
  double dot = 0;
  double aa = 0;
  double bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    dot += static_cast<double>(a[i]) * b[i];
    aa += static_cast<double>(a[i]) * a[i];
    bb += static_cast<double>(b[i]) * b[i];
  }
  return aa > 0 && bb > 0 ? std::clamp(dot / std::sqrt(aa * bb), -1.0, 1.0) : 0;
}

Families UnseenOf(const incident::Context& context) {
  const auto bit = [](Family family) {
    return static_cast<Families>(1U << static_cast<unsigned>(family));
  };
  const auto misses = [&](std::string_view source) {
    return std::ranges::any_of(
        context.missing, [&](const std::string& missing) { return missing.starts_with(source); });
  };
  Families unseen = 0;
  if (misses("metrics: ")) unseen |= bit(Family::kSeries);
  // What lines tell of spans that nobody sent has other names.
  if (misses("traces: "))
    unseen |= static_cast<Families>(bit(Family::kOperations) | bit(Family::kEdges) |
                                    bit(Family::kFlows) | bit(Family::kTraces));
  if (misses("logs: ")) unseen |= bit(Family::kLogs);
  return unseen;
}

Likeness LikenessWithout(const Fingerprint& now, const Fingerprint& remembered, Families unseen) {
  const auto sees = [&](const Feature& feature) {
    return (unseen & (1U << static_cast<unsigned>(feature.family))) == 0;
  };
  const auto square = [](const Feature& feature) {
    return static_cast<double>(feature.weight) * feature.weight;
  };
  double dot = 0;
  double own = 0;
  double others = 0;
  double all = 0;
  for (const Feature& feature : now.features)
    if (sees(feature)) own += square(feature);
  for (const Feature& feature : remembered.features) {
    all += square(feature);
    if (!sees(feature)) continue;
    others += square(feature);
    const auto same = std::ranges::find_if(now.features, [&](const Feature& mine) {
      return mine.family == feature.family && mine.key == feature.key;
    });
    if (same != now.features.end()) dot += static_cast<double>(feature.weight) * same->weight;
  }
  if (own <= 0 || others <= 0) return {.similarity = 0, .seen = 0};
  return {.similarity = dot / std::sqrt(own * others), .seen = others / all};
}

std::string FormatFeatures(std::span<const Feature> features) {
  std::string text;
  for (const Feature& feature : features)
    fmt::format_to(std::back_inserter(text), "{} {} {}\n", ToString(feature.family), feature.weight,
                   feature.key);
  return text;
}

base::Result<std::vector<Feature>> ParseFeatures(std::string_view text) {
  std::vector<Feature> features;
  for (int line_number = 1; !text.empty(); ++line_number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const auto wrong = [&](std::string_view what) {
      return Fail(ErrorKind::kInvalidArgument, fmt::format("feature {}: {}", line_number, what));
    };
    if (features.size() == kMostFeatures)
      return wrong(fmt::format("at most {} are kept", kMostFeatures));
    const std::size_t first = line.find(' ');
    const std::size_t second = first == line.npos ? first : line.find(' ', first + 1);
    if (second == line.npos) return wrong("must be `family weight key`");
    Feature feature;
    const std::size_t family = FamilyFromString(line.substr(0, first));
    if (family == kFamilies) return wrong("no such family of evidence");
    feature.family = static_cast<Family>(family);
    const char* last = line.data() + second;
    const auto parsed = std::from_chars(line.data() + first + 1, last, feature.weight);
    if (parsed.ec != std::errc() || parsed.ptr != last || !(feature.weight > 0) ||
        !(feature.weight <= 1e6F))
      return wrong("the weight must be a positive number");
    feature.key = line.substr(second + 1);
    if (feature.key.empty() || feature.key.size() > kMostKeyBytes)
      return wrong(fmt::format("the key must have 1 to {} bytes", kMostKeyBytes));
    features.push_back(std::move(feature));
  }
  return features;
}

}  // namespace enclave::memory
