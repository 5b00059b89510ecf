// A VectorIndex in a Qdrant server, over its REST API (https://api.qdrant.tech): one collection
// with unnamed vectors under cosine distance, points whose ids are the codes. No payloads: what an
// incident was stays in the ledger.
//
// It keeps no position: Memory compares all codes when it opens, and follows from then on.
//
// Thread safety: all methods, from any thread but the loop's; they block until the server has
// answered, or retries are used up. The loop and the source of chance outlive it.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>

#include "base/random.h"
#include "base/retry.h"
#include "memory/retrying_client.h"
#include "memory/vector_index.h"
#include "net/event_loop.h"
#include "net/tls.h"

namespace enclave::memory {

struct QdrantOptions {
  std::string url{};  // "http://127.0.0.1:6333"
  std::string collection = "enclave-incidents";
  std::string api_key{};  // sent as the header api-key; never logged
  std::size_t dimensions = kEvidenceDimensions;
  std::size_t batch = 500;  // points of one request
  std::chrono::milliseconds timeout{10'000};
  base::RetryPolicy retry{.base_delay = std::chrono::milliseconds(200), .max_attempts = 3};
  net::TlsClientConfig tls{};
};

class QdrantIndex final : public VectorIndex {
 public:
  // Makes the collection when it is missing. kInvalidArgument when there is one for vectors of
  // another size or distance, kUnavailable when the server cannot be reached.
  static base::Result<std::unique_ptr<QdrantIndex>> Open(net::EventLoop& loop, base::Random& random,
                                                         QdrantOptions options);

  base::Result<> Put(std::span<const CodedVector> vectors) override;
  base::Result<> Remove(std::span<const std::uint64_t> codes) override;
  base::Result<std::vector<Neighbour>> Search(std::span<const float> values,
                                              std::size_t k) override;
  base::Result<std::uint64_t> Count() override;
  base::Result<> Clear() override;
  std::optional<Position> position() override;
  void set_position(const Position& position) override;
  base::Result<std::vector<std::uint64_t>> Codes() override;
  base::Result<> Save() override { return {}; }

 private:
  QdrantIndex(QdrantOptions options, std::unique_ptr<RetryingClient> client)
      : options_(std::move(options)), client_(std::move(client)) {}
  base::Result<> EnsureCollection();
  base::Result<net::Response> Ask(const char* method, const std::string& target, std::string body);
  std::string Path(std::string_view rest) const;

  const QdrantOptions options_;
  const std::unique_ptr<RetryingClient> client_;
  std::mutex mutex_;
  std::optional<Position> position_;  // guarded by the mutex; of this process
};

// Answers of the server, parsed. kInternal with what does not fit the API.
struct QdrantPage {
  std::vector<std::uint64_t> codes{};
  std::optional<std::uint64_t> next{};
};
base::Result<std::vector<Neighbour>> ParseQdrantHits(std::string_view body);
base::Result<QdrantPage> ParseQdrantPage(std::string_view body);
base::Result<std::uint64_t> ParseQdrantCount(std::string_view body);
// {size, distance} of the collection's unnamed vectors.
base::Result<std::pair<std::uint64_t, std::string>> ParseQdrantCollection(std::string_view body);
// What an answer with an error status says, bounded, in one line.
std::string QdrantErrorText(std::string_view body);

}  // namespace enclave::memory
