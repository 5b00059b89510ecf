#include "memory/evaluate.h"

#include <algorithm>
#include <map>

namespace enclave::memory {
namespace {

double ShareOf(std::size_t part, std::size_t whole) {
  return whole == 0 ? 1.0 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

double LeaveOneOut::share_first() const {
  return ShareOf(first, with_twin);
}

double LeaveOneOut::share_among() const {
  return ShareOf(among, with_twin);
}

LeaveOneOut EvaluateLeaveOneOut(const std::vector<std::pair<Fingerprint, std::string>>& labelled,
                                std::size_t nearest) {
  std::map<std::string, std::size_t> count;
  for (const auto& [fingerprint, label] : labelled) ++count[label];
  LeaveOneOut result;
  for (std::size_t i = 0; i < labelled.size(); ++i) {
    const auto& [fingerprint, label] = labelled[i];
    if (count[label] < 2) continue;
    ++result.with_twin;
    struct Other {
      double similarity;
      std::size_t place;
    };
    std::vector<Other> others;
    others.reserve(labelled.size() - 1);
    for (std::size_t j = 0; j < labelled.size(); ++j)
      if (j != i) others.push_back({Similarity(fingerprint.values, labelled[j].first.values), j});
    const std::size_t wanted = std::min(nearest, others.size());
    std::ranges::partial_sort(others, others.begin() + static_cast<std::ptrdiff_t>(wanted),
                              [](const Other& a, const Other& b) {
                                if (a.similarity != b.similarity)
                                  return a.similarity > b.similarity;
                                return a.place < b.place;
                              });
    const auto same = [&](const Other& other) { return labelled[other.place].second == label; };
    others.resize(wanted);
    if (!others.empty() && same(others.front())) ++result.first;
    if (std::ranges::any_of(others, same))
      ++result.among;
    else
      result.missed.push_back(i);
  }
  return result;
}

}  // namespace enclave::memory
