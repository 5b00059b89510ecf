// Whatever the lines: each has a template with a value for every variable, memory stays bounded,
// and a snapshot brings everything back. And whatever the bytes, they are a snapshot or an error.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "telemetry/templates/miner.h"

namespace {

std::size_t Values(std::string_view text) {
  std::size_t count = 0;
  for (std::size_t at = text.find("<*>"); at != std::string_view::npos;
       at = text.find("<*>", at + 3))
    ++count;
  return count;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace enclave;
  using namespace enclave::telemetry::templates;
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  if (auto restored = Miner::Restore(all)) {
    for (const TemplateInfo& info : restored->Templates()) restored->Resolve(info.id);
    restored->Add("one more line");
  }

  Miner::Options options;
  options.max_templates = 16;
  options.max_bytes = 64 << 10;
  options.max_pieces = 64;
  Miner miner(options);
  std::vector<std::string_view> lines;
  for (std::size_t at = 0; at <= all.size();) {
    const std::size_t end = std::min(all.find('\n', at), all.size());
    lines.push_back(all.substr(at, end - at));
    at = end + 1;
  }
  // A line may hold what stands for a value.
  const bool plain = all.find("<*>") == std::string_view::npos;
  for (const std::string_view line : lines) {
    const TemplateId id = miner.Add(line);
    CHECK(miner.Resolve(id).has_value(), "a template is there when its message was the last");
    CHECK(miner.size() <= options.max_templates && miner.bytes() <= options.max_bytes,
          "memory is bounded");
    const std::size_t values = miner.Variables(line).size();
    CHECK(!plain || values == Values(miner.Text(id)), "a value for each <*>");
  }
  auto restored = Miner::Restore(miner.Snapshot(), options);
  CHECK(restored.has_value(), "a snapshot can be read");
  const auto before = miner.Templates();
  const auto after = restored->Templates();
  CHECK(before.size() == after.size(), "no template is lost");
  for (std::size_t i = 0; i < before.size(); ++i)
    CHECK(before[i].id == after[i].id && before[i].text == after[i].text &&
              before[i].count == after[i].count,
          "a template is what it was");
  return 0;
}
