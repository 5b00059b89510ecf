// Sorting that keeps the order of equals. (std::stable_sort of this standard library cannot be
// compiled without warnings by this compiler.)
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

namespace enclave::cli {

// By what `key_of` says of each item.
template <typename Item, typename KeyOf>
void OrderBy(std::vector<Item>& items, const KeyOf& key_of) {
  using Key = std::decay_t<std::invoke_result_t<const KeyOf&, const Item&>>;
  std::vector<std::pair<Key, std::size_t>> order;
  order.reserve(items.size());
  for (std::size_t i = 0; i < items.size(); ++i)
    order.emplace_back(std::invoke(key_of, items[i]), i);
  std::ranges::sort(order);
  std::vector<Item> sorted;
  sorted.reserve(items.size());
  for (const auto& [key, i] : order) sorted.push_back(std::move(items[i]));
  items = std::move(sorted);
}

}  // namespace enclave::cli
