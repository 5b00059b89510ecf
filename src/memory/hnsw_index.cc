#include "memory/hnsw_index.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <shared_mutex>

#include <fmt/format.h>
#include <xxhash.h>

#include "base/log.h"
#include "memory/hnsw_graph.h"
#include "memory/quantise.h"

namespace enclave::memory {
namespace {

using base::ErrorKind;
using base::Fail;

constexpr std::array<char, 8> kMagic = {'E', 'N', 'C', 'H', 'N', 'S', 'W', '1'};

struct FileHead {
  std::array<char, 8> magic = kMagic;
  std::uint64_t dimensions = 0;
  std::uint64_t links = 0;
  std::uint64_t build_candidates = 0;
  std::uint64_t generation = 0;  // grows with each save
  std::uint64_t ledger = 0;
  std::int64_t last_row = 0;
  std::int64_t last_loss = 0;
};
static_assert(sizeof(FileHead) == 64, "no padding: its bytes are what is on the disk");

// A file that is read or written from one end to the other, summed up as it goes.
class SummedFile {
 public:
  SummedFile(const std::string& path, int flags) : fd_(::open(path.c_str(), flags, 0600)) {
    XXH3_64bits_reset(state_.get());
  }
  ~SummedFile() {
    if (fd_ >= 0) ::close(fd_);
  }
  SummedFile(const SummedFile&) = delete;
  SummedFile& operator=(const SummedFile&) = delete;

  bool open() const { return fd_ >= 0; }
  int fd() const { return fd_; }

  bool Write(const void* data, std::size_t bytes) {
    XXH3_64bits_update(state_.get(), data, bytes);
    const auto* from = static_cast<const char*>(data);
    // Gathered: what an element's upper links take is a hundred bytes.
    if (buffer_.size() + bytes < kBuffer) {
      buffer_.insert(buffer_.end(), from, from + bytes);
      return true;
    }
    return Flush() && WriteAll(from, bytes);
  }
  bool Flush() {
    const bool done = WriteAll(buffer_.data(), buffer_.size());
    buffer_.clear();
    return done;
  }

  bool Read(void* data, std::size_t bytes) {
    auto* to = static_cast<char*>(data);
    std::size_t left = bytes;
    while (left > 0) {
      if (at_ == buffer_.size()) {
        if (left >= kBuffer) {
          const ssize_t got = ::read(fd_, to, left);
          if (got < 0 && errno == EINTR) continue;
          if (got <= 0) return false;
          to += got;
          left -= static_cast<std::size_t>(got);
          continue;
        }
        buffer_.resize(kBuffer);
        const ssize_t got = ::read(fd_, buffer_.data(), kBuffer);
        buffer_.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
        at_ = 0;
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
      }
      const std::size_t some = std::min(left, buffer_.size() - at_);
      std::memcpy(to, buffer_.data() + at_, some);
      at_ += some;
      to += some;
      left -= some;
    }
    XXH3_64bits_update(state_.get(), data, bytes);
    return true;
  }

  std::uint64_t Sum() const { return XXH3_64bits_digest(state_.get()); }

 private:
  static constexpr std::size_t kBuffer = 1 << 20;

  bool WriteAll(const char* from, std::size_t bytes) {
    while (bytes > 0) {
      const ssize_t done = ::write(fd_, from, bytes);
      if (done < 0 && errno == EINTR) continue;
      if (done <= 0) return false;
      from += done;
      bytes -= static_cast<std::size_t>(done);
    }
    return true;
  }

  struct FreeState {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };
  int fd_;
  std::unique_ptr<XXH3_state_t, FreeState> state_{XXH3_createState()};
  std::vector<char> buffer_;
  std::size_t at_ = 0;
};

}  // namespace

struct HnswIndex::Impl {
  HnswOptions options;
  mutable std::shared_mutex mutex;
  std::unique_ptr<HnswGraph> graph;  // guarded by the mutex, as the next two
  std::optional<Position> position;
  std::uint64_t generation = 0;

  GraphShape shape() const {
    return {.dimensions = options.dimensions,
            .links = options.links,
            .build_candidates = options.build_candidates};
  }

  // Why the file cannot be used; empty when it was read.
  std::string Load() {
    SummedFile file(options.path, O_RDONLY | O_CLOEXEC);
    if (!file.open()) return errno == ENOENT ? "there is none" : std::strerror(errno);
    FileHead head;
    if (!file.Read(&head, sizeof head) || head.magic != kMagic) return "it is no index";
    if (head.dimensions != options.dimensions || head.links != options.links ||
        head.build_candidates != options.build_candidates)
      return "it was made with other parameters";
    // The counts in the file bound what is allocated for it, and the file bounds the counts.
    struct stat status{};
    if (::fstat(file.fd(), &status) != 0) return std::strerror(errno);
    std::size_t left = static_cast<std::size_t>(status.st_size);
    bool first = true;
    auto read = HnswGraph::Read(shape(), [&](void* data, std::size_t bytes) {
      if (bytes > left || !file.Read(data, bytes)) return false;
      left -= bytes;
      if (std::exchange(first, false)) {
        std::uint64_t count = 0;
        std::memcpy(&count, data, sizeof count);
        if (count > left / (options.dimensions * sizeof(std::int16_t))) return false;
      }
      return true;
    });
    const std::uint64_t expected = file.Sum();
    std::uint64_t sum = 0;
    if (read == nullptr || !file.Read(&sum, sizeof sum)) return "it breaks off";
    if (sum != expected) return "its checksum is wrong";
    graph = std::move(read);
    generation = head.generation;
    position =
        Position{.ledger = head.ledger, .last_row = head.last_row, .last_loss = head.last_loss};
    return "";
  }

  // Drops the places of removed vectors when they are most of the graph.
  base::Result<> Compact() {
    constexpr std::size_t kWorthIt = 1024;
    if (graph->removed() < kWorthIt || graph->removed() < graph->size()) return {};
    std::vector<HnswGraph::Item> items;
    items.reserve(graph->size());
    graph->ForEach([&](std::uint64_t code, const std::int16_t* values) {
      items.push_back({.code = code, .values = values});
    });
    auto fresh = HnswGraph::Create(shape(), items.size());
    RETURN_IF_ERROR(fresh->Add(items, options.build_threads));
    graph = std::move(fresh);
    return {};
  }
};

HnswIndex::HnswIndex(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

HnswIndex::~HnswIndex() = default;

std::unique_ptr<HnswIndex> HnswIndex::Open(HnswOptions options) {
  auto impl = std::make_unique<Impl>();
  impl->options = std::move(options);
  const std::string& path = impl->options.path;
  if (!path.empty()) {
    const std::string why = impl->Load();
    std::error_code error;
    if (!why.empty() && std::filesystem::exists(path, error))
      base::LogWarning("memory", "the index cannot be used and is built anew",
                       {{"file", path}, {"why", why}});
  }
  if (impl->graph == nullptr) impl->graph = HnswGraph::Create(impl->shape(), 0);
  return std::unique_ptr<HnswIndex>(new HnswIndex(std::move(impl)));
}

base::Result<> HnswIndex::Put(std::span<const CodedVector> vectors) {
  std::vector<std::vector<std::int16_t>> quantised;
  std::vector<HnswGraph::Item> items;
  quantised.reserve(vectors.size());
  items.reserve(vectors.size());
  for (const CodedVector& vector : vectors) {
    if (vector.values.size() != impl_->options.dimensions)
      return Fail(ErrorKind::kInvalidArgument,
                  fmt::format("a vector of {} numbers for an index of {}", vector.values.size(),
                              impl_->options.dimensions));
    quantised.push_back(Quantise(vector.values));
    items.push_back({.code = vector.code, .values = quantised.back().data()});
  }
  const std::unique_lock lock(impl_->mutex);
  if (impl_->graph->size() + items.size() > impl_->options.capacity)
    return Fail(ErrorKind::kResourceExhausted,
                fmt::format("the index keeps at most {} fingerprints; forget some with `enclave "
                            "memory forget`",
                            impl_->options.capacity));
  return impl_->graph->Add(items, impl_->options.build_threads);
}

base::Result<> HnswIndex::Remove(std::span<const std::uint64_t> codes) {
  const std::unique_lock lock(impl_->mutex);
  for (const std::uint64_t code : codes) impl_->graph->Remove(code);
  return impl_->Compact();
}

base::Result<std::vector<Neighbour>> HnswIndex::Search(std::span<const float> values,
                                                       std::size_t k) {
  if (values.size() != impl_->options.dimensions)
    return Fail(ErrorKind::kInvalidArgument,
                fmt::format("a search for {} numbers in an index of {}", values.size(),
                            impl_->options.dimensions));
  const std::vector<std::int16_t> quantised = Quantise(values);
  const std::shared_lock lock(impl_->mutex);
  ASSIGN_OR_RETURN(const auto found,
                   impl_->graph->Search(quantised.data(), k, impl_->options.search_candidates));
  std::vector<Neighbour> neighbours;
  neighbours.reserve(found.size());
  for (const auto& [code, similarity] : found)
    neighbours.push_back({.code = code, .similarity = similarity});
  return neighbours;
}

base::Result<std::uint64_t> HnswIndex::Count() {
  const std::shared_lock lock(impl_->mutex);
  return impl_->graph->size();
}

base::Result<> HnswIndex::Clear() {
  const std::unique_lock lock(impl_->mutex);
  impl_->graph = HnswGraph::Create(impl_->shape(), 0);
  impl_->position.reset();
  return {};
}

std::optional<Position> HnswIndex::position() {
  const std::shared_lock lock(impl_->mutex);
  return impl_->position;
}

void HnswIndex::set_position(const Position& position) {
  const std::unique_lock lock(impl_->mutex);
  impl_->position = position;
}

base::Result<std::vector<std::uint64_t>> HnswIndex::Codes() {
  const std::shared_lock lock(impl_->mutex);
  std::vector<std::uint64_t> codes;
  codes.reserve(impl_->graph->size());
  impl_->graph->ForEach([&](std::uint64_t code, const std::int16_t*) { codes.push_back(code); });
  return codes;
}

std::size_t HnswIndex::MemoryBytes() const {
  const std::shared_lock lock(impl_->mutex);
  return impl_->graph->bytes();
}

base::Result<> HnswIndex::Save() {
  const std::string& path = impl_->options.path;
  if (path.empty()) return {};
  // Alone: two saves at once would write one file.
  const std::unique_lock lock(impl_->mutex);
  const Position position = impl_->position.value_or(Position{});
  const std::string next = fmt::format("{}.{}.next", path, ::getpid());
  const auto failed = [&] {
    const int error = errno;
    ::unlink(next.c_str());
    return Fail(ErrorKind::kUnavailable,
                fmt::format("cannot write the index {}: {}; it will be built anew from the "
                            "database when opened",
                            next, std::strerror(error)));
  };
  SummedFile file(next, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC);
  if (!file.open()) return failed();
  const FileHead head{.dimensions = impl_->options.dimensions,
                      .links = impl_->options.links,
                      .build_candidates = impl_->options.build_candidates,
                      .generation = impl_->generation + 1,
                      .ledger = position.ledger,
                      .last_row = position.last_row,
                      .last_loss = position.last_loss};
  const bool written =
      file.Write(&head, sizeof head) &&
      impl_->graph->Write([&](const void* data, std::size_t n) { return file.Write(data, n); });
  if (!written) return failed();
  const std::uint64_t sum = file.Sum();
  if (!file.Write(&sum, sizeof sum) || !file.Flush() || ::fsync(file.fd()) != 0) return failed();
  if (::rename(next.c_str(), path.c_str()) != 0) return failed();
  ++impl_->generation;
  return {};
}

}  // namespace enclave::memory
