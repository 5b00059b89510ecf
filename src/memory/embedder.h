// The port to a model that turns texts into vectors, and Ollama behind it.
#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "base/retry.h"
#include "incident/context.h"
#include "memory/fingerprint.h"
#include "memory/retrying_client.h"
#include "net/event_loop.h"

namespace enclave::memory {

class Embedder {
 public:
  virtual ~Embedder() = default;
  // A vector that is not empty; its length is the model's. Thread-safe; blocks.
  virtual base::Result<std::vector<float>> Embed(std::string_view text) = 0;
};

struct OllamaEmbedderOptions {
  std::string url = "http://127.0.0.1:11434";
  std::string model{};  // "nomic-embed-text", "all-minilm", ...
  std::string keep_alive = "5m";
  // Of one try. Loading a model answers nothing until it is done.
  std::chrono::milliseconds timeout{60'000};
  base::RetryPolicy retry = base::kLanguageModelRetry;
};

// POST /api/embed (https://github.com/ollama/ollama/blob/main/docs/api.md). Never more than one
// request at a time: Ollama queues without a bound. kNotFound when the model is not pulled,
// kUnavailable when nobody answers after all retries.
class OllamaEmbedder final : public Embedder {
 public:
  static base::Result<std::unique_ptr<OllamaEmbedder>> Create(net::EventLoop& loop,
                                                              base::Random& random,
                                                              OllamaEmbedderOptions options);
  base::Result<std::vector<float>> Embed(std::string_view text) override;

 private:
  OllamaEmbedder(OllamaEmbedderOptions options, std::unique_ptr<RetryingClient> client)
      : options_(std::move(options)), client_(std::move(client)) {}
  const OllamaEmbedderOptions options_;
  const std::unique_ptr<RetryingClient> client_;
  std::mutex one_at_a_time_;
};

// The first of "embeddings" in an answer. kInternal with what is wrong.
base::Result<std::vector<float>> ParseEmbedAnswer(std::string_view body);

// The fingerprint of a context for a memory of `dimensions`: with the text appended where they
// include it. An embedder that is null or fails leaves zeros there, and a warning in the log.
Fingerprint FingerprintFor(const incident::Context& context, std::span<const Weighed> weighed,
                           std::size_t dimensions, Embedder* embedder);

}  // namespace enclave::memory
