// A table of templates as bytes. For this folder only.
//
// "enclave templates 1\n", then numbers (LEB128) and texts (their length, then their bytes):
// messages seen; the number of templates, and of each, the one not seen for longest first: text,
// count, first, last, its wild slots, and what is known of each slot that may vary; at last the
// number of aliases, and of each the two signatures (8 bytes, little-endian). Pieces and hashes are
// not kept: the text is scanned again.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "telemetry/templates/template_table.h"

namespace enclave::telemetry::templates {

std::string WriteSnapshot(const TemplateTable& table, std::uint64_t messages);

base::Result<> ReadSnapshot(std::string_view bytes, std::size_t max_pieces,
                            std::size_t max_message_bytes, TemplateTable* table,
                            std::uint64_t* messages);

}  // namespace enclave::telemetry::templates
