// The memory as JSON Lines, out and in (docs/formats/memory.md).
//
// Import is idempotent: incidents that are there already stay, outcomes that were said already stay
// once. It is all or nothing: with one malformed line nothing is imported, and the error names the
// lines.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "memory/ledger.h"

namespace enclave::memory {

inline constexpr int kExchangeVersion = 1;
inline constexpr std::size_t kMostLineBytes = 4 << 20;

std::string HeaderLine(std::size_t dimensions);  // without the line feed, as the next
std::string IncidentLine(const Incident& incident);
// kInvalidArgument with what is wrong.
base::Result<> CheckHeaderLine(std::string_view line, std::size_t dimensions);
base::Result<Incident> ParseIncidentLine(std::string_view line, std::size_t dimensions);

// Hands over line after line, the header first. How many incidents.
base::Result<std::size_t> Export(const Ledger& ledger,
                                 const std::function<base::Result<>(std::string_view)>& line);

// `next_line` gives lines without their line feeds until nullopt; empty ones are passed over. Lines
// are numbered from 1. kInvalidArgument: "line 3: ...; line 9: ...", the first ten, and how many
// more.
base::Result<Ledger::Merged> Import(
    Ledger& ledger, const std::function<base::Result<std::optional<std::string>>()>& next_line);

}  // namespace enclave::memory
