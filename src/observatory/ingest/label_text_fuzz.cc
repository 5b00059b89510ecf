// The labels of a stream as text: what is read and written again is the same.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "observatory/ingest/fuzz_sink.h"
#include "observatory/ingest/label_text.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace enclave::observatory::ingest;
  const auto labels = ParseLabelText({reinterpret_cast<const char*>(data), size});
  if (!labels) {
    CheckSendersFault(labels.error().kind());
    CHECK(IsUtf8(labels.error().message()), "the message is UTF-8");
    return 0;
  }
  CheckLabels(*labels);
  // Without a name, which is written outside of the braces.
  if (labels->Has("__name__")) return 0;
  const auto again = ParseLabelText(labels->ToString());
  CHECK(again && *again == *labels, "it survives being written");
  return 0;
}
