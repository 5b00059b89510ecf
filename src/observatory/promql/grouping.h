// Which group of an aggregation a series belongs to. Internal; one thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "observatory/promql/ast.h"
#include "observatory/promql/column.h"

namespace enclave::observatory::promql {

class Groups {
 public:
  explicit Groups(const Aggregate& node);

  // From 0 in the order of appearance. A group's name is dropped when that of any member is.
  std::size_t IndexOf(const Series& series);
  std::size_t size() const { return groups_.size(); }
  // Labels and drop_name, no values.
  Series& at(std::size_t index) { return groups_[index]; }

 private:
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };

  bool without_;
  std::vector<std::string> names_;  // kept, or left out; sorted
  std::string key_{};               // reused
  std::unordered_map<std::string, std::size_t, TextHash, std::equal_to<>> index_{};
  std::vector<Series> groups_{};
};

}  // namespace enclave::observatory::promql
