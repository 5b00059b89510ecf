// What a query says beside its answer: warnings (the answer may be wrong) and infos (the question
// may be not what was meant). One of a kind is kept once, however many steps and series gave it.
//
// Not thread-safe: each worker of a query has its own, merged at the end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace enclave::observatory::promql {

// Buckets of a classic histogram that counted down where they must count up, and were mended.
struct MonotonicityFix {
  double first_bound = 0;
  double last_bound = 0;
  double greatest_difference = 0;
  std::int64_t first_ms = 0;  // of the steps it happened at
  std::int64_t last_ms = 0;
  std::size_t count = 0;
};

class Annotations {
 public:
  // `place` is "line:column" of the expression that is to blame.
  void Warn(std::string_view text, std::string_view place);
  void Inform(std::string_view text, std::string_view place);
  void MonotonicityFixed(std::string_view metric, std::string_view place,
                         const MonotonicityFix& fix);
  void Merge(Annotations other);

  // "PromQL warning: ... (1:5)", sorted.
  std::vector<std::string> Warnings() const;
  std::vector<std::string> Infos() const;

 private:
  std::set<std::string, std::less<>> warnings_;
  std::set<std::string, std::less<>> infos_;
  std::map<std::pair<std::string, std::string>, MonotonicityFix> fixes_;  // by metric and place
};

// "line:column" of a byte of a query, both from 1.
std::string PlaceOf(std::string_view query, std::size_t position);

}  // namespace enclave::observatory::promql
