// Catalogues are written by hand. Every error names a line; what is accepted is complete.
#include <cstdint>
#include <string>

#include "base/check.h"
#include "cluster/kubelet/image_catalog.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace enclave::cluster;
  std::string text(reinterpret_cast<const char*>(data), size);
  auto entries = ParseCatalogue(text, "f", "/bin");
  if (!entries) {
    CHECK(entries.error().message().starts_with("f:"), "an error names file and line");
  } else {
    for (const CatalogueEntry& entry : *entries) {
      CHECK(!entry.repository.empty() && !entry.image.program.empty() && !entry.tags.empty(),
            "an accepted image has name, tags and program");
    }
  }
  if (auto name = ParseImageName(text)) {
    auto again = ParseImageName(name->ToString());
    CHECK(again && *again == *name, "a completed name stays as it is");
  }
  return 0;
}
