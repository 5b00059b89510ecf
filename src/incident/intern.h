// Names as small numbers, for as long as one context is being built.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>

namespace enclave::incident {

// One thread. Numbers count up from 0 in the order the names came.
class Interner {
 public:
  std::uint32_t Intern(std::string_view name) {
    const auto found = numbers_.find(name);
    if (found != numbers_.end()) return found->second;
    const auto number = static_cast<std::uint32_t>(names_.size());
    numbers_.emplace(names_.emplace_back(name), number);
    return number;
  }
  bool Has(std::string_view name) const { return numbers_.contains(name); }
  const std::string& Name(std::uint32_t number) const { return names_[number]; }
  std::size_t size() const { return names_.size(); }

 private:
  std::deque<std::string> names_;  // a deque keeps what the map's keys point into in place
  std::unordered_map<std::string_view, std::uint32_t> numbers_;
};

}  // namespace enclave::incident
