#include "memory/evidence_words.h"

#include <algorithm>

#include "base/utf8.h"

namespace enclave::memory {
namespace {

bool IsLetter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

bool IsTokenPart(char c) {
  return IsLetter(c) || IsDigit(c) || c == '-' || c == '_';
}

char Lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

}  // namespace

std::vector<std::string> EvidenceWords(std::string_view text, std::size_t most) {
  constexpr std::size_t kShortest = 3;
  constexpr std::size_t kLongest = 40;
  std::vector<std::string> words;
  for (std::size_t at = 0; at < text.size() && words.size() < most;) {
    // <*>, {name}, $name: a variable of a template.
    if (text[at] == '<') {
      const std::size_t end = text.find('>', at);
      if (end != std::string_view::npos && end - at <= kLongest) {
        at = end + 1;
        continue;
      }
    }
    if (!IsTokenPart(text[at])) {
      ++at;
      continue;
    }
    std::size_t end = at;
    bool digits = false;
    while (end < text.size() && IsTokenPart(text[end])) digits |= IsDigit(text[end++]);
    const std::string_view token = text.substr(at, end - at);
    at = end;
    // A token with a digit is a number, an id, an address or the like: a variable.
    if (digits) continue;
    std::string word;
    const auto finish = [&] {
      if (word.size() >= kShortest && word.size() <= kLongest && words.size() < most)
        words.push_back(word);
      word.clear();
    };
    for (const char c : token) {
      if (IsLetter(c))
        word += Lower(c);
      else
        finish();
    }
    finish();
  }
  return words;
}

std::string JoinWords(const std::vector<std::string>& words, std::size_t most_bytes) {
  std::string text;
  for (const std::string& word : words) {
    if (text.size() + word.size() + 1 > most_bytes) break;
    if (!text.empty()) text += ' ';
    text += word;
  }
  return text;
}

std::string OneLine(std::string_view text, std::size_t most_bytes) {
  std::string line;
  line.reserve(std::min(text.size(), most_bytes));
  while (!text.empty()) {
    const std::size_t size = base::CharacterSize(text);
    const std::size_t taken = std::max<std::size_t>(size, 1);
    if (line.size() + taken > most_bytes) break;
    if (size == 0)
      line += '?';
    else if (size == 1 && (static_cast<unsigned char>(text[0]) < 0x20 || text[0] == 0x7f))
      line += ' ';
    else
      line += text.substr(0, size);
    text.remove_prefix(taken);
  }
  return line;
}

}  // namespace enclave::memory
