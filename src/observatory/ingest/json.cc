#include "observatory/ingest/json.h"

#include <fmt/format.h>

namespace enclave::observatory::ingest {

base::Result<simdjson::dom::element> ParseJson(simdjson::dom::parser& parser, std::string_view text,
                                               ByteBudget::Hold& hold) {
  // A padded copy, eight bytes of tape and four of index a character at most, and its texts.
  constexpr std::size_t kMemoryPerCharacter = 14;
  RETURN_IF_ERROR(hold.Charge(kMemoryPerCharacter * text.size()));
  const auto failed = [](simdjson::error_code code) {
    return base::Fail(base::ErrorKind::kInvalidArgument,
                      fmt::format("reading the body as JSON: {}", simdjson::error_message(code)));
  };
  if (const auto code = parser.allocate(text.size(), kMaxJsonDepth)) return failed(code);
  simdjson::dom::element root;
  if (const auto code = parser.parse(text.data(), text.size()).get(root)) return failed(code);
  return root;
}

}  // namespace enclave::observatory::ingest
