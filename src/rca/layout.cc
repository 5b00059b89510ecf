#include "rca/layout.h"

#include <algorithm>
#include <cstdint>

namespace enclave::rca {
namespace {

// A tall column is hard to read: what is deeper than this in one goes into a neighbour.
constexpr std::size_t kMostRows = 14;
constexpr int kSweeps = 4;

// Calls without those that close a circle, by a walk in depth.
std::vector<std::vector<std::size_t>> WithoutCircles(
    std::size_t nodes, const std::vector<std::pair<std::size_t, std::size_t>>& calls,
    std::vector<std::size_t>& order) {
  std::vector<std::vector<std::size_t>> callees(nodes);
  std::vector<std::size_t> callers(nodes, 0);
  for (const auto& [caller, callee] : calls) {
    callees[caller].push_back(callee);
    ++callers[callee];
  }
  std::vector<std::size_t> roots(nodes);
  for (std::size_t i = 0; i < nodes; ++i) roots[i] = i;
  std::ranges::sort(roots, {}, [&](std::size_t i) { return std::pair(callers[i], i); });
  enum class State : std::uint8_t { kNew, kOpen, kDone };
  std::vector<State> states(nodes, State::kNew);
  std::vector<std::vector<std::size_t>> kept(nodes);
  for (const std::size_t root : roots) {
    if (states[root] != State::kNew) continue;
    std::vector<std::pair<std::size_t, std::size_t>> stack{{root, 0}};
    states[root] = State::kOpen;
    while (!stack.empty()) {
      auto& [node, next] = stack.back();
      if (next == callees[node].size()) {
        states[node] = State::kDone;
        order.push_back(node);
        stack.pop_back();
        continue;
      }
      const std::size_t from = node;
      const std::size_t to = callees[node][next++];
      if (states[to] == State::kOpen) continue;
      kept[from].push_back(to);
      if (states[to] == State::kNew) {
        states[to] = State::kOpen;
        stack.emplace_back(to, 0);
      }
    }
  }
  std::ranges::reverse(order);  // callers before callees
  return kept;
}

}  // namespace

std::vector<Place> LayOut(std::size_t nodes,
                          const std::vector<std::pair<std::size_t, std::size_t>>& calls) {
  std::vector<Place> places(nodes);
  std::vector<std::size_t> order;
  const std::vector<std::vector<std::size_t>> callees = WithoutCircles(nodes, calls, order);
  std::vector<std::size_t> depth(nodes, 0);
  std::vector<std::vector<std::size_t>> callers(nodes);
  for (const std::size_t node : order)
    for (const std::size_t callee : callees[node]) {
      depth[callee] = std::max(depth[callee], depth[node] + 1);
      callers[callee].push_back(node);
    }
  std::vector<std::vector<std::size_t>> columns;
  for (const std::size_t node : order) {
    if (depth[node] >= columns.size()) columns.resize(depth[node] + 1);
    columns[depth[node]].push_back(node);
  }
  // Each node next to the mean of its neighbours, to and fro.
  std::vector<double> height(nodes, 0);
  const auto number = [&] {
    for (const auto& column : columns)
      for (std::size_t row = 0; row < column.size(); ++row)
        height[column[row]] =
            static_cast<double>(row) / static_cast<double>(std::max<std::size_t>(column.size(), 1));
  };
  number();
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    const auto& neighbours = sweep % 2 == 0 ? callers : callees;
    for (auto& column : columns) {
      std::vector<std::pair<double, std::size_t>> wanted;
      for (const std::size_t node : column) {
        double sum = 0;
        for (const std::size_t other : neighbours[node]) sum += height[other];
        const auto count = static_cast<double>(neighbours[node].size());
        wanted.emplace_back(count == 0 ? height[node] : sum / count, node);
      }
      std::ranges::sort(wanted);
      for (std::size_t row = 0; row < column.size(); ++row) column[row] = wanted[row].second;
    }
    number();
  }
  std::size_t at = 0;
  for (const auto& column : columns) {
    for (std::size_t row = 0; row < column.size(); ++row)
      places[column[row]] = {at + row / kMostRows, row % kMostRows};
    at += (std::max<std::size_t>(column.size(), 1) + kMostRows - 1) / kMostRows;
  }
  return places;
}

}  // namespace enclave::rca
