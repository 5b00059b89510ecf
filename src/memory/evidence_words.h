// Texts of programs, reduced to what is the same on every day: words, without numbers, ids,
// addresses and the wildcards of templates.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace enclave::memory {

// Lower-case words of letters, at least three long and not hexadecimal debris, in order, at most
// `most`. Camel case stays one word.
std::vector<std::string> EvidenceWords(std::string_view text, std::size_t most);

// Joined by spaces, cut at `most_bytes` between words.
std::string JoinWords(const std::vector<std::string>& words, std::size_t most_bytes);

// `text` with control characters as spaces and cut at `most_bytes`, never within a UTF-8 character;
// bytes that are not UTF-8 become '?'.
std::string OneLine(std::string_view text, std::size_t most_bytes);

}  // namespace enclave::memory
