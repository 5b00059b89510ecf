// The Incident Context as JSON and back, exactly: reading what was written gives an equal context,
// bit for bit, also where a text is no UTF-8 or a number is not finite.
//
//   {"format": "enclave.incident/v1", "id": "...", "alert": {...}, "series": [...], ...}
//
// Fields have the names of their members. A field that is not there has its default, one that is
// not known is passed over, so that old and new programs read each other's files. Trace ids are
// hexadecimal, enumerations lower-case words; a text that is no UTF-8 is {"bytes": "hexadecimal"},
// a number that is not finite one of "NaN", "Infinity", "-Infinity".
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "incident/context.h"

namespace enclave::incident {

inline constexpr std::string_view kContextFormat = "enclave.incident/v1";
inline constexpr std::size_t kMostContextBytes = 64 << 20;

std::string ContextToJson(const Context& context);

// kInvalidArgument says where: "series[3].score: a number is wanted".
base::Result<Context> ContextFromJson(std::string_view json);

std::string_view ToString(Signal signal);
std::string_view ToString(LogChange change);
std::string_view ToString(ChangeKind kind);

}  // namespace enclave::incident
