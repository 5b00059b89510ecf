#include "memory/embedder.h"

#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/log.h"
#include "memory/evidence_words.h"

namespace enclave::memory {
namespace {

constexpr std::size_t kMostNumbers = 65'536;
constexpr std::size_t kMostErrorBytes = 300;

}  // namespace

base::Result<std::vector<float>> ParseEmbedAnswer(std::string_view body) {
  using nlohmann::json;
  const auto strange = [](std::string_view what) {
    return base::Fail(base::ErrorKind::kInternal, fmt::format("the answer of /api/embed {}", what));
  };
  const json answer = json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!answer.is_object()) return strange("is no JSON object");
  const auto embeddings = answer.find("embeddings");
  if (embeddings == answer.end() || !embeddings->is_array() || embeddings->empty() ||
      !(*embeddings)[0].is_array())
    return strange("has no embeddings");
  const json& numbers = (*embeddings)[0];
  if (numbers.empty() || numbers.size() > kMostNumbers)
    return strange(fmt::format("has an embedding of {} numbers", numbers.size()));
  std::vector<float> values;
  values.reserve(numbers.size());
  double square = 0;
  for (const json& number : numbers) {
    if (!number.is_number()) return strange("has an embedding that is not of numbers");
    values.push_back(static_cast<float>(number.get<double>()));
    square += static_cast<double>(values.back()) * values.back();
  }
  if (!std::isfinite(square) || square <= 0) return strange("has an embedding without a direction");
  return values;
}

base::Result<std::unique_ptr<OllamaEmbedder>> OllamaEmbedder::Create(
    net::EventLoop& loop, base::Random& random, OllamaEmbedderOptions options) {
  if (options.model.empty())
    return base::Fail(base::ErrorKind::kInvalidArgument,
                      "text embeddings need the name of a model, such as nomic-embed-text");
  ASSIGN_OR_RETURN(auto client,
                   RetryingClient::Create(loop, random, {.base_url = options.url}, options.retry));
  return std::unique_ptr<OllamaEmbedder>(new OllamaEmbedder(std::move(options), std::move(client)));
}

base::Result<std::vector<float>> OllamaEmbedder::Embed(std::string_view text) {
  using nlohmann::json;
  const json question = {{"model", options_.model},
                         {"input", text},
                         {"truncate", true},
                         {"keep_alive", options_.keep_alive}};
  const net::ClientRequest request{
      .method = "POST",
      .target = "/api/embed",
      .headers = {{"Content-Type", "application/json"}},
      .body = question.dump(-1, ' ', false, json::error_handler_t::replace),
      .timeout = options_.timeout};
  const std::string doing =
      fmt::format("embedding a text with {} at {}", options_.model, options_.url);
  const std::lock_guard lock(one_at_a_time_);
  const auto answer = client_->Send(request);
  if (!answer) return base::Fail(answer.error().While(doing));
  if (answer->status != 200) {
    const json value = json::parse(answer->body, nullptr, /*allow_exceptions=*/false);
    const std::string why =
        OneLine(value.is_object() && value.contains("error") && value["error"].is_string()
                    ? value["error"].get<std::string>()
                    : answer->body,
                kMostErrorBytes);
    base::ErrorKind kind = base::ErrorKind::kInvalidArgument;
    if (answer->status == 404) kind = base::ErrorKind::kNotFound;
    if (answer->status >= 500 || answer->status == 429) kind = base::ErrorKind::kUnavailable;
    return base::Fail(kind, fmt::format("{}: {}: {}{}", doing, answer->status, why,
                                        answer->status == 404 ? "; pull the model" : ""));
  }
  auto values = ParseEmbedAnswer(answer->body);
  if (!values) return base::Fail(values.error().While(doing));
  return values;
}

Fingerprint FingerprintFor(const incident::Context& context, std::span<const Weighed> weighed,
                           std::size_t dimensions, Embedder* embedder) {
  Fingerprint fingerprint = FingerprintOf(context, weighed);
  if (dimensions == kEvidenceDimensions) return fingerprint;
  std::vector<float> embedding;
  if (embedder != nullptr && !fingerprint.empty()) {
    auto embedded = embedder->Embed(EvidenceText(context));
    if (embedded)
      embedding = std::move(*embedded);
    else
      base::LogWarning("memory", "an incident is remembered without a text embedding",
                       {{"incident", context.id}, {"why", embedded.error().message()}});
  }
  return WithText(std::move(fingerprint), embedding);
}

}  // namespace enclave::memory
