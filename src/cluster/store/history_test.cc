#include "cluster/store/history.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace enclave::cluster {
namespace {

using kube::Revision;

Change Make(std::uint64_t revision, const std::string& text = "{}") {
  return {kube::EventType::kAdded, std::make_shared<const kube::Object>(kube::Json(), text),
          nullptr, Revision{revision}};
}

TEST(History, SlicesOneResourceInOrder) {
  History history({}, Revision{10});
  std::vector<Change> evicted;
  for (std::uint64_t r = 11; r <= 30; ++r) {
    history.Add(r % 2 == 0 ? "even" : "odd", Make(r), evicted);
  }
  EXPECT_TRUE(evicted.empty());
  EXPECT_TRUE(history.Reaches(Revision{10}));
  EXPECT_FALSE(history.Reaches(Revision{9}));

  std::vector<std::uint64_t> seen;
  Revision from{13};
  int slices = 0;
  for (bool more = true; more; ++slices) {
    History::Slice slice = history.After("even", from, 4);
    EXPECT_LE(slice.changes.size(), 4U);
    for (const Change& change : slice.changes) seen.push_back(std::to_underlying(change.revision));
    from = slice.scanned_to;
    more = slice.more;
  }
  EXPECT_EQ(seen, (std::vector<std::uint64_t>{14, 16, 18, 20, 22, 24, 26, 28, 30}));
  EXPECT_EQ(slices, 3);
  EXPECT_EQ(from, Revision{30});
}

TEST(History, DropsTheOldestAndSaysSo) {
  History history({.changes = 3}, Revision::kNone);
  std::vector<Change> evicted;
  for (std::uint64_t r = 1; r <= 5; ++r) history.Add("pods", Make(r), evicted);
  EXPECT_EQ(evicted.size(), 2U);
  EXPECT_EQ(history.floor(), Revision{2});
  EXPECT_FALSE(history.Reaches(Revision{1}));
  EXPECT_TRUE(history.Reaches(Revision{2}));
  EXPECT_EQ(history.After("pods", Revision{2}, 10).changes.size(), 3U);
}

TEST(History, AChangeLargerThanTheBoundLeavesItEmpty) {
  History history({.changes = 3, .bytes = 1000}, Revision::kNone);
  std::vector<Change> evicted;
  history.Add("pods", Make(1), evicted);
  history.Add("pods", Make(2, std::string(2000, 'x')), evicted);
  EXPECT_EQ(history.size(), 0U);
  EXPECT_EQ(history.bytes(), 0U);
  EXPECT_EQ(evicted.size(), 2U);
  EXPECT_TRUE(history.Reaches(Revision{2}));
  EXPECT_FALSE(history.Reaches(Revision{1}));
  EXPECT_TRUE(history.After("pods", Revision{2}, 10).changes.empty());
}

}  // namespace
}  // namespace enclave::cluster
