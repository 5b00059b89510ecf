#include "memory/hnsw_index.h"

#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "memory/exact_index.h"
#include "memory/test_support.h"

namespace enclave::memory {
namespace {

using testing::ClusteredVectors;
using testing::TempDir;

constexpr std::size_t kDimensions = 32;

struct Coded {
  std::vector<std::vector<float>> vectors;
  std::vector<CodedVector> coded;
};

Coded Make(std::size_t count, std::uint64_t seed, std::uint64_t first_code = 1) {
  Coded made{.vectors = ClusteredVectors(count, 20, 0.7, seed, kDimensions)};
  for (std::size_t i = 0; i < count; ++i)
    made.coded.push_back({.code = first_code + i, .values = made.vectors[i]});
  return made;
}

HnswOptions Options(const std::string& path = "") {
  return {.path = path,
          .dimensions = kDimensions,
          .capacity = 10'000,
          .build_candidates = 48,
          .search_candidates = 96};
}

// The share of the truly nearest ten that the index finds.
double RecallOf(VectorIndex& index, VectorIndex& exact, const Coded& queries) {
  std::size_t found = 0;
  std::size_t all = 0;
  for (const auto& query : queries.vectors) {
    const auto wanted = exact.Search(query, 10);
    const auto got = index.Search(query, 10);
    std::set<std::uint64_t> codes;
    for (const Neighbour& neighbour : *got) codes.insert(neighbour.code);
    for (const Neighbour& neighbour : *wanted) found += codes.contains(neighbour.code) ? 1 : 0;
    all += wanted->size();
  }
  return static_cast<double>(found) / static_cast<double>(all);
}

TEST(HnswIndexTest, FindsWhatComparingAllFinds) {
  const Coded data = Make(1200, 1);
  const auto index = HnswIndex::Open(Options());
  ExactIndex exact;
  ASSERT_TRUE(index->Put(data.coded));
  ASSERT_TRUE(exact.Put(data.coded));
  EXPECT_GE(RecallOf(*index, exact, Make(50, 2)), 0.97);
  const auto self = index->Search(data.vectors[7], 1);
  ASSERT_TRUE(self);
  EXPECT_EQ(self->front().code, 8u);
  EXPECT_NEAR(self->front().similarity, 1, 1e-3);
}

TEST(HnswIndexTest, RemovedVectorsAreNotFoundAndTheirPlacesUsedAgain) {
  const Coded data = Make(900, 1);
  const auto index = HnswIndex::Open(Options());
  ExactIndex exact;
  ASSERT_TRUE(index->Put(data.coded));
  ASSERT_TRUE(exact.Put(data.coded));
  std::vector<std::uint64_t> gone;
  for (std::uint64_t code = 1; code <= 900; code += 3) gone.push_back(code);
  ASSERT_TRUE(index->Remove(gone));
  ASSERT_TRUE(exact.Remove(gone));
  EXPECT_EQ(*index->Count(), 900 - gone.size());
  const std::size_t bytes = index->MemoryBytes();
  const Coded more = Make(290, 3, 5000);
  ASSERT_TRUE(index->Put(more.coded));
  ASSERT_TRUE(exact.Put(more.coded));
  EXPECT_EQ(index->MemoryBytes(), bytes);
  EXPECT_EQ(*index->Count(), *exact.Count());
  EXPECT_GE(RecallOf(*index, exact, Make(50, 2)), 0.95);
  const auto codes = *index->Codes();
  EXPECT_EQ(std::set(codes.begin(), codes.end()).size(), codes.size());
  // What comes back is found again.
  ASSERT_TRUE(index->Put(std::span(data.coded).first(1)));
  EXPECT_EQ(index->Search(data.vectors[0], 1)->front().code, 1u);
}

TEST(HnswIndexTest, ABulkyGraphOfRemovedVectorsIsBuiltAnew) {
  const Coded data = Make(1300, 1);
  const auto index = HnswIndex::Open(Options());
  ASSERT_TRUE(index->Put(data.coded));
  const std::size_t bytes = index->MemoryBytes();
  std::vector<std::uint64_t> gone;
  for (std::uint64_t code = 1; code <= 1100; ++code) gone.push_back(code);
  ASSERT_TRUE(index->Remove(gone));
  EXPECT_LT(index->MemoryBytes(), bytes);
  EXPECT_EQ(*index->Count(), 200u);
  EXPECT_EQ(index->Search(data.vectors[1299], 1)->front().code, 1300u);
}

TEST(HnswIndexTest, AllRemovedIsEmpty) {
  const Coded data = Make(5, 1);
  const auto index = HnswIndex::Open(Options());
  EXPECT_TRUE(index->Search(data.vectors[0], 3)->empty());
  ASSERT_TRUE(index->Put(data.coded));
  ASSERT_TRUE(index->Put(data.coded));  // once more changes nothing
  EXPECT_EQ(*index->Count(), 5u);
  ASSERT_TRUE(index->Remove(std::vector<std::uint64_t>{1, 2, 3, 4, 5, 77}));
  EXPECT_EQ(*index->Count(), 0u);
  EXPECT_TRUE(index->Search(data.vectors[0], 3)->empty());
  ASSERT_TRUE(index->Put(data.coded));
  EXPECT_EQ(index->Search(data.vectors[0], 10)->size(), 5u);
}

TEST(HnswIndexTest, SurvivesInItsFile) {
  const TempDir directory;
  const std::string path = directory.path() + "/index";
  const Coded data = Make(800, 1);
  const Position position{.ledger = 7, .last_row = 800, .last_loss = 2};
  ExactIndex exact;
  ASSERT_TRUE(exact.Put(data.coded));
  {
    const auto index = HnswIndex::Open(Options(path));
    EXPECT_FALSE(index->position());
    ASSERT_TRUE(index->Put(data.coded));
    ASSERT_TRUE(index->Remove(std::vector<std::uint64_t>{9}));
    index->set_position(position);
    ASSERT_TRUE(index->Save());
  }
  ASSERT_TRUE(exact.Remove(std::vector<std::uint64_t>{9}));
  const auto index = HnswIndex::Open(Options(path));
  EXPECT_EQ(index->position(), position);
  EXPECT_EQ(*index->Count(), 799u);
  EXPECT_GE(RecallOf(*index, exact, Make(50, 2)), 0.97);
  // It can be added to, and saved over.
  const Coded more = Make(100, 9, 9000);
  ASSERT_TRUE(index->Put(more.coded));
  ASSERT_TRUE(index->Save());
  EXPECT_EQ(*HnswIndex::Open(Options(path))->Count(), 899u);
}

TEST(HnswIndexTest, ADamagedFileCountsAsNone) {
  const TempDir directory;
  const std::string path = directory.path() + "/index";
  {
    const auto index = HnswIndex::Open(Options(path));
    ASSERT_TRUE(index->Put(Make(300, 1).coded));
    index->set_position({.ledger = 1});
    ASSERT_TRUE(index->Save());
  }
  std::ifstream file(path, std::ios::binary);
  const std::string whole((std::istreambuf_iterator<char>(file)), {});
  const auto opened = [&](const std::string& bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
    return HnswIndex::Open(Options(path));
  };
  EXPECT_TRUE(opened(whole)->position());
  for (std::size_t at = 0; at < whole.size(); at += 4999) {
    std::string flipped = whole;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x10);
    const auto index = opened(flipped);
    // A bit of the generation is covered by the sum, too.
    EXPECT_FALSE(index->position()) << at;
    EXPECT_EQ(*index->Count(), 0u) << at;
    EXPECT_FALSE(opened(whole.substr(0, at))->position()) << at;
  }
  auto other = Options(path);
  other.links = 8;
  opened(whole);
  EXPECT_FALSE(HnswIndex::Open(other)->position());
}

TEST(HnswIndexTest, IsBounded) {
  auto options = Options();
  options.capacity = 100;
  const auto index = HnswIndex::Open(options);
  const Coded data = Make(101, 1);
  EXPECT_EQ(index->Put(data.coded).error().kind(), base::ErrorKind::kResourceExhausted);
  EXPECT_TRUE(index->Put(std::span(data.coded).first(100)));
  const std::vector<float> shorter(kDimensions - 1, 0.5F);
  EXPECT_FALSE(index->Search(shorter, 1));
  EXPECT_FALSE(index->Put(std::vector<CodedVector>{{.code = 1, .values = shorter}}));
}

TEST(HnswIndexTest, SearchesRunWhileItChanges) {
  const Coded data = Make(500, 1);
  const auto index = HnswIndex::Open(Options());
  ASSERT_TRUE(index->Put(std::span(data.coded).first(200)));
  std::thread changes([&] {
    for (std::size_t i = 200; i < 500; ++i) {
      ASSERT_TRUE(index->Put(std::span(data.coded).subspan(i, 1)));
      ASSERT_TRUE(index->Remove(std::vector<std::uint64_t>{i - 199}));
    }
  });
  for (int i = 0; i < 300; ++i) {
    const auto found = index->Search(data.vectors[static_cast<std::size_t>(i)], 5);
    ASSERT_TRUE(found);
    EXPECT_LE(found->size(), 5u);
  }
  changes.join();
  EXPECT_EQ(*index->Count(), 200u);
}

}  // namespace
}  // namespace enclave::memory
