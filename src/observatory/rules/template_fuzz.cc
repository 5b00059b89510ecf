// A template is refused, or expands within its bound or says why not. Queries give what the input's
// first byte says, so that loops run.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "observatory/rules/template.h"
#include "observatory/rules/template_ast.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace enclave;
  using namespace enclave::observatory::rules;
  if (size == 0 || size > 4 << 10) return 0;
  const auto parsed = Template::Parse({reinterpret_cast<const char*>(data) + 1, size - 1});
  if (!parsed) return 0;
  TemplateData context;
  context.labels = {{"job", "web"}, {"instance", "web:80"}};
  context.value = 0.25;
  context.query = [count = data[0] % 4](const std::string&) {
    return std::vector<VectorSample>(static_cast<std::size_t>(count), {{{"a", "b"}}, 3});
  };
  const auto expanded = parsed->Expand(context);
  CHECK(expanded || !expanded.error().message().empty(), "an error says why");
  return 0;
}
