#include "memory/hnsw_graph.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <mutex>
#include <thread>
#include <unordered_set>

#include <fmt/format.h>

// The library's prefetches read one link past the end of a list; without them it does not.
#define NO_MANUAL_VECTORIZATION
#include <hnswlib/hnswlib.h>

#include "base/check.h"
#include "memory/quantise.h"

namespace enclave::memory {
namespace {

using base::ErrorKind;
using base::Fail;
using hnswlib::tableint;

// 1 - cosine, of vectors of length kQuantisedLength.
template <std::size_t kDimensions>
float DistanceOf(const std::int16_t* a, const std::int16_t* b, std::size_t dimensions) {
  std::int32_t sum = 0;
  const std::size_t count = kDimensions != 0 ? kDimensions : dimensions;
  for (std::size_t i = 0; i < count; ++i)
    sum += static_cast<std::int32_t>(a[i]) * static_cast<std::int32_t>(b[i]);
  return 1.0F -
         static_cast<float>(sum) * static_cast<float>(1 / (kQuantisedLength * kQuantisedLength));
}

template <std::size_t kDimensions>
float Distance(const void* a, const void* b, const void* dimensions) {
  return DistanceOf<kDimensions>(static_cast<const std::int16_t*>(a),
                                 static_cast<const std::int16_t*>(b),
                                 *static_cast<const std::size_t*>(dimensions));
}

class CosineSpace final : public hnswlib::SpaceInterface<float> {
 public:
  // The library lays a vector behind the links of the lowest level (a count and two lists) and the
  // code behind the vector: padded so that the code, and the next element, lie on 8 bytes.
  CosineSpace(std::size_t dimensions, std::size_t links) : dimensions_(dimensions) {
    const std::size_t before = (2 * links + 1) * sizeof(hnswlib::tableint);
    bytes_ = (before + dimensions * sizeof(std::int16_t) + 7) / 8 * 8 - before;
  }
  std::size_t get_data_size() override { return bytes_; }
  // A loop of known length is unrolled.
  hnswlib::DISTFUNC<float> get_dist_func() override {
    switch (dimensions_) {
      case 128:
        return Distance<128>;
      case 192:
        return Distance<192>;
      default:
        return Distance<0>;
    }
  }
  void* get_dist_func_param() override { return &dimensions_; }

 private:
  std::size_t dimensions_;
  std::size_t bytes_ = 0;
};

// What a stream begins with.
struct GraphHead {
  std::uint64_t count = 0;  // those removed included
  std::uint64_t element_bytes = 0;
  std::int64_t top_level = -1;
  std::uint64_t entry = 0;
};

class Graph final : public HnswGraph {
 public:
  Graph(const GraphShape& shape, std::size_t room)
      : dimensions_(shape.dimensions),
        space_(shape.dimensions, shape.links),
        hnsw_(&space_, std::max(room, kLeastRoom), shape.links, shape.build_candidates) {}

  base::Result<> Add(std::span<const Item> items, int threads) override {
    std::vector<Item> fresh;
    fresh.reserve(items.size());
    std::unordered_set<std::uint64_t> seen;
    for (const Item& item : items) {
      if (items.size() > 1 && !seen.insert(item.code).second) continue;
      const auto found = hnsw_.label_lookup_.find(item.code);
      if (found == hnsw_.label_lookup_.end() || hnsw_.isMarkedDeleted(found->second))
        fresh.push_back(item);
    }
    try {
      std::size_t next = ReusePlaces(fresh);
      MakeRoom(fresh.size() - next);
      // The first of all alone: the library's entry point is set without a lock.
      if (hnsw_.cur_element_count == 0 && next < fresh.size()) {
        AddPoint(fresh[next]);
        ++next;
      }
      constexpr std::size_t kWorthThreads = 4096;
      if (threads < 2 || fresh.size() - next < kWorthThreads) {
        for (; next < fresh.size(); ++next) AddPoint(fresh[next]);
        return {};
      }
      return AddInParallel(std::span(fresh).subspan(next), threads);
    } catch (const std::exception& exception) {
      return Broken(exception);
    }
  }

  void Remove(std::uint64_t code) override {
    const auto found = hnsw_.label_lookup_.find(code);
    if (found == hnsw_.label_lookup_.end() || hnsw_.isMarkedDeleted(found->second)) return;
    hnsw_.markDeletedInternal(found->second);
    free_.push_back(found->second);
  }

  base::Result<std::vector<std::pair<std::uint64_t, double>>> Search(
      const std::int16_t* values, std::size_t k, std::size_t candidates) const override {
    std::vector<std::pair<std::uint64_t, double>> found;
    if (size() == 0 || k == 0) return found;
    try {
      // The library takes the larger of k and its own setting for the number of candidates.
      auto heap = hnsw_.searchKnn(values, std::max(k, candidates));
      found.resize(heap.size());
      for (std::size_t i = heap.size(); i-- > 0; heap.pop())
        found[i] = {heap.top().second, 1.0 - static_cast<double>(heap.top().first)};
    } catch (const std::exception& exception) {
      return Broken(exception);
    }
    if (found.size() > k) found.resize(k);
    return found;
  }

  std::size_t size() const override { return hnsw_.cur_element_count - hnsw_.num_deleted_; }
  std::size_t removed() const override { return hnsw_.num_deleted_; }
  std::size_t bytes() const override { return hnsw_.max_elements_ * hnsw_.size_data_per_element_; }

  void ForEach(const std::function<void(std::uint64_t, const std::int16_t*)>& each) const override {
    for (tableint i = 0; i < hnsw_.cur_element_count; ++i)
      if (!hnsw_.isMarkedDeleted(i))
        each(hnsw_.getExternalLabel(i),
             reinterpret_cast<const std::int16_t*>(hnsw_.getDataByInternalId(i)));
  }

  bool Write(const Sink& sink) const override {
    const GraphHead head{.count = hnsw_.cur_element_count,
                         .element_bytes = hnsw_.size_data_per_element_,
                         .top_level = hnsw_.maxlevel_,
                         .entry = hnsw_.enterpoint_node_};
    if (!sink(&head, sizeof head)) return false;
    if (!sink(hnsw_.data_level0_memory_, head.count * head.element_bytes)) return false;
    std::vector<std::uint8_t> levels(head.count);
    for (std::size_t i = 0; i < levels.size(); ++i)
      levels[i] = static_cast<std::uint8_t>(std::min(hnsw_.element_levels_[i], 255));
    if (!sink(levels.data(), levels.size())) return false;
    for (std::size_t i = 0; i < levels.size(); ++i)
      if (levels[i] > 0 && !sink(hnsw_.linkLists_[i], hnsw_.size_links_per_element_ * levels[i]))
        return false;
    return true;
  }

  bool Load(const Source& source, const GraphHead& head) {
    if (head.element_bytes != hnsw_.size_data_per_element_ || head.count > hnsw_.max_elements_)
      return false;
    if (head.count == 0) return true;
    if (head.entry >= head.count || head.top_level < 0 || head.top_level > 255) return false;
    if (!source(hnsw_.data_level0_memory_, head.count * head.element_bytes)) return false;
    std::vector<std::uint8_t> levels(head.count);
    if (!source(levels.data(), levels.size())) return false;
    hnsw_.label_lookup_.reserve(head.count);
    for (tableint i = 0; i < head.count; ++i) {
      if (levels[i] > 0) {
        const std::size_t bytes = hnsw_.size_links_per_element_ * levels[i];
        auto* links = static_cast<char*>(std::malloc(bytes + 1));
        CHECK(links != nullptr, "memory for the links of an index");
        // Owned by the library from here on, which frees as many as it counts.
        hnsw_.linkLists_[i] = links;
        hnsw_.element_levels_[i] = levels[i];
        hnsw_.cur_element_count = i + 1;
        if (!source(links, bytes)) return false;
      }
      hnsw_.cur_element_count = i + 1;
      hnsw_.label_lookup_[hnsw_.getExternalLabel(i)] = i;
      if (hnsw_.isMarkedDeleted(i)) {
        ++hnsw_.num_deleted_;
        free_.push_back(i);
      }
    }
    hnsw_.enterpoint_node_ = static_cast<tableint>(head.entry);
    hnsw_.maxlevel_ = static_cast<int>(head.top_level);
    return levels[head.entry] == head.top_level && hnsw_.label_lookup_.size() == head.count;
  }

 private:
  static constexpr std::size_t kLeastRoom = 1024;

  static std::unexpected<base::Error> Broken(const std::exception& exception) {
    return Fail(ErrorKind::kInternal,
                fmt::format("the index of the memory: {}; it is built anew when opened after its "
                            "file was deleted",
                            exception.what()));
  }

  // From a copy with the padding that the library copies along.
  void AddPoint(const Item& item) {
    std::vector<std::int16_t> padded(hnsw_.data_size_ / sizeof(std::int16_t));
    std::copy_n(item.values, dimensions_, padded.begin());
    hnsw_.addPoint(padded.data(), item.code, -1);
  }

  // Gives places of removed vectors to new ones; how many of `fresh` found one.
  std::size_t ReusePlaces(std::span<const Item> fresh) {
    std::size_t next = 0;
    // A vector that comes back takes its own place again, where it is still free.
    while (next < fresh.size() && !free_.empty()) {
      tableint place = free_.back();
      const Item& item = fresh[next];
      if (const auto own = hnsw_.label_lookup_.find(item.code); own != hnsw_.label_lookup_.end())
        place = own->second;
      if (place == free_.back())
        free_.pop_back();
      else
        std::erase(free_, place);
      hnsw_.label_lookup_.erase(hnsw_.getExternalLabel(place));
      hnsw_.setExternalLabel(place, item.code);
      hnsw_.label_lookup_[item.code] = place;
      AddPoint(item);
      ++next;
    }
    return next;
  }

  void MakeRoom(std::size_t more) {
    const std::size_t needed = hnsw_.cur_element_count + more;
    if (needed <= hnsw_.max_elements_) return;
    hnsw_.resizeIndex(std::max(needed, hnsw_.max_elements_ + hnsw_.max_elements_ / 2));
  }

  base::Result<> AddInParallel(std::span<const Item> items, int threads) {
    std::atomic<std::size_t> next = 0;
    std::atomic<bool> failed = false;
    std::string why;
    std::mutex why_mutex;
    const auto work = [&] {
      try {
        for (std::size_t i = next++; i < items.size() && !failed; i = next++) AddPoint(items[i]);
      } catch (const std::exception& exception) {
        const std::lock_guard lock(why_mutex);
        failed = true;
        why = exception.what();
      }
    };
    std::vector<std::thread> workers;
    for (int i = 1; i < threads; ++i) workers.emplace_back(work);
    work();
    for (std::thread& worker : workers) worker.join();
    if (failed) return Broken(std::runtime_error(why));
    return {};
  }

  const std::size_t dimensions_;
  CosineSpace space_;
  hnswlib::HierarchicalNSW<float> hnsw_;
  std::vector<tableint> free_;  // places of removed vectors
};

}  // namespace

std::unique_ptr<HnswGraph> HnswGraph::Create(const GraphShape& shape, std::size_t room) {
  return std::make_unique<Graph>(shape, room);
}

std::unique_ptr<HnswGraph> HnswGraph::Read(const GraphShape& shape, const Source& source) {
  constexpr std::uint64_t kMostElements = 1ULL << 31U;
  GraphHead head;
  if (!source(&head, sizeof head) || head.count > kMostElements) return nullptr;
  auto graph = std::make_unique<Graph>(shape, head.count + head.count / 8);
  if (!graph->Load(source, head)) return nullptr;
  return graph;
}

}  // namespace enclave::memory
