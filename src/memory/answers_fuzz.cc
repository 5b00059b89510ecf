// Answers of servers, Qdrant and Ollama, and texts of programs: any bytes are a value within its
// bounds or an error.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "memory/embedder.h"
#include "memory/evidence_words.h"
#include "memory/qdrant_index.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace memory = enclave::memory;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto hits = memory::ParseQdrantHits(bytes))
    for (const auto& hit : *hits) CHECK(std::isfinite(hit.similarity), "scores are numbers");
  static_cast<void>(memory::ParseQdrantPage(bytes).has_value());
  static_cast<void>(memory::ParseQdrantCount(bytes).has_value());
  static_cast<void>(memory::ParseQdrantCollection(bytes).has_value());
  CHECK(memory::QdrantErrorText(bytes).size() <= 300, "what is shown is bounded");
  if (const auto values = memory::ParseEmbedAnswer(bytes)) {
    CHECK(!values->empty(), "an embedding has numbers");
    for (const float value : *values) CHECK(std::isfinite(value), "and they are finite");
  }
  const std::string line = memory::OneLine(bytes, 100);
  CHECK(line.size() <= 100 && memory::OneLine(line, 100) == line, "one line stays one line");
  for (const auto& word : memory::EvidenceWords(bytes, 20))
    for (const char c : word) CHECK(c >= 'a' && c <= 'z', "words are of letters");
  return 0;
}
