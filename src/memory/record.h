// What the memory keeps of an incident, and what was said of it afterwards. Values.
//
// Times are nanoseconds since 1970, UTC.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "memory/fingerprint.h"

namespace enclave::memory {

// As plain words, since the memory knows nothing of who concludes: kinds are those of
// rca::ToString.
struct Cause {
  std::string service{};
  std::string kind{};
  auto operator<=>(const Cause&) const = default;
};

// Who says so. A person and a measured recovery count whole; the agent's own opinion a quarter, so
// that it cannot talk itself into anything.
enum class Sayer : std::uint8_t { kHuman, kVerification, kAgent };

enum class About : std::uint8_t { kCause, kAction };

// One statement, made once; a later one of another opinion does not replace it.
struct Outcome {
  About about = About::kCause;
  Cause cause{};         // the cause that is confirmed or refuted, or that the action was for
  std::string action{};  // what was done; empty when it is about the cause
  bool good = false;     // confirmed, helped; else refuted, did not help
  Sayer sayer = Sayer::kHuman;
  std::string said_by{};  // "alice", "verifier"
  std::int64_t time_ns = 0;
  auto operator<=>(const Outcome&) const = default;
};

struct Incident {
  std::string id{};
  std::int64_t time_ns = 0;
  Fingerprint fingerprint{};
  std::string summary{};  // a JSON object for people, see SummaryOf; may be empty
  Cause cause{};          // as concluded at the time; may be empty
  double confidence = 0;  // of that conclusion
  std::vector<Outcome> outcomes{};
  bool operator==(const Incident&) const = default;
};

inline constexpr std::size_t kMostIdBytes = 200;
inline constexpr std::size_t kMostNameBytes = 300;  // a service, a kind, a name of who says so
inline constexpr std::size_t kMostActionBytes = 1000;
inline constexpr std::size_t kMostSummaryBytes = 8192;
inline constexpr std::size_t kMostOutcomes = 200;  // of one incident

// kInvalidArgument with the field that breaks a bound or is not one line of UTF-8, or holds a
// fingerprint that is empty, of another length than `dimensions`, not finite, or not of length 1.
base::Result<> Validate(const Incident& incident, std::size_t dimensions);
base::Result<> Validate(const Outcome& outcome);

std::string_view ToString(Sayer sayer);  // "human", "verification", "agent"
base::Result<Sayer> SayerFromString(std::string_view text);
std::string_view ToString(About about);  // "cause", "action"
base::Result<About> AboutFromString(std::string_view text);

double WeightOf(Sayer sayer);  // 1 or 0.25

// The cause that was confirmed last by whoever counts most, else the one concluded unless that was
// refuted; empty when nothing is left.
Cause EffectiveCause(const Incident& incident);

// {"service", "alert", "from", "to", "evidence": [sentences], "counts": {...}}, within
// kMostSummaryBytes.
std::string SummaryOf(const incident::Context& context);

}  // namespace enclave::memory
