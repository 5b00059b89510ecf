// Any bytes are rows of a CSV text: the reader ends, stays inside and loses no line end.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/check.h"
#include "bench/rca/csv.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace enclave::bench::rca;
  std::string text(reinterpret_cast<const char*>(data), size);
  CsvReader reader(text);
  std::vector<std::string_view> fields;
  std::size_t line = 0;
  for (std::size_t rows = 0;; ++rows) {
    const CsvReader::Row row = reader.Next(fields);
    if (row == CsvReader::Row::kEnd) break;
    CHECK(rows <= size, "every row takes at least a byte");
    CHECK(reader.line() > line, "rows begin on lines of their own");
    line = reader.line();
    CHECK((row == CsvReader::Row::kMalformed) == fields.empty(), "a good row has a field");
    for (const std::string_view field : fields)
      CHECK(field.empty() || (field.data() >= text.data() &&
                              field.data() + field.size() <= text.data() + text.size()),
            "fields live in the text");
  }
  static_cast<void>(ParseGoTimeNs(text));
  static_cast<void>(ParseNumber(text));
  return 0;
}
