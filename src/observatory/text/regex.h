// Regular expressions in templates. Any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "observatory/text/template_ast.h"

namespace re2 {
class RE2;
}

namespace enclave::observatory::text {

// Compiled once for many texts; the last few are kept by each thread.
base::Result<std::shared_ptr<const re2::RE2>> CompiledRegex(const std::string& pattern);

// All matches replaced; $1 and ${1} in the new text are the groups. Arguments: the expression, the
// new text, the text.
base::Result<TemplateValue> ReplaceRegex(const std::vector<TemplateValue>& args);
// The same with the new text as it is.
base::Result<TemplateValue> ReplaceRegexLiteral(const std::vector<TemplateValue>& args);

}  // namespace enclave::observatory::text
