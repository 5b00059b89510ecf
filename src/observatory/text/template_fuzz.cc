// A template of either dialect is refused, or expands within its bound or says why not. Queries
// give what the input's first byte says, so that loops run.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "observatory/text/template.h"
#include "observatory/text/template_ast.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace enclave;
  using namespace enclave::observatory::text;
  if (size == 0 || size > 4 << 10) return 0;
  const auto dialect = data[0] < 128 ? Dialect::kAlert : Dialect::kLine;
  const auto parsed = Template::Parse({reinterpret_cast<const char*>(data) + 1, size - 1}, dialect);
  if (!parsed) return 0;
  TemplateData context;
  context.labels = {{"job", "web"}, {"instance", "web:80"}};
  context.line = "GET /cart 200";
  context.value = 0.25;
  context.query = [count = data[0] % 4](const std::string&) {
    return std::vector<Sample>(static_cast<std::size_t>(count), {{{"a", "b"}}, 3});
  };
  const auto expanded = parsed->Expand(context);
  CHECK(expanded || !expanded.error().message().empty(), "an error says why");
  return 0;
}
