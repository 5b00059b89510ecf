// Bytes of log blocks: any bytes are rows or an error; rows that were decoded are encoded to the
// same rows.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "observatory/store/log_block.h"
#include "observatory/store/log_filter.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace store = enclave::observatory::store;
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto block = store::LogBlockReader::Open(bytes)) {
    auto lines = block->Lines();
    if (lines) (void)block->Rows(std::move(*lines)).has_value();
  }
  // The first byte says where the columns end, so that both parts are reached without zstd.
  const std::size_t middle = 1 + (size - 1) * data[0] / 255;
  const std::string_view text = bytes.substr(middle);
  const auto rows = store::DecodeLogColumns(bytes.substr(1, middle - 1), std::string(text));
  if (rows) {
    std::string columns;
    std::string lines;
    store::EncodeLogColumns(*rows, 0, rows->rows.size(), columns, lines);
    CHECK(lines == text, "lines stay as they are");
    const auto again = store::DecodeLogColumns(columns, lines);
    CHECK(again && again->rows.size() == rows->rows.size(), "what was encoded can be decoded");
    for (std::size_t i = 0; i < rows->rows.size(); ++i)
      CHECK(again->Hash(again->rows[i]) == rows->Hash(rows->rows[i]), "rows stay as they are");
  }
  const std::string filter = store::BuildLogFilter(text);
  CHECK(store::LogFilterMayContain(filter, text.substr(text.size() / 3, text.size() / 2)),
        "a filter never denies what is there");
  return 0;
}
