#include "rca/call_graph.h"

#include <algorithm>
#include <deque>
#include <utility>

namespace enclave::rca {

CallGraph::CallGraph(const incident::Context& context) {
  for (const incident::ServiceFacts& service : context.services) {
    numbers_.emplace(service.name, static_cast<std::uint32_t>(names_.size()));
    names_.push_back(&service.name);
  }
  callees_.resize(names_.size());
  callers_.resize(names_.size());
  for (const incident::Call& call : context.topology) {
    const auto caller = Find(call.caller);
    const auto callee = Find(call.callee);
    if (!caller || !callee || *caller == *callee) continue;
    callees_[*caller].push_back(*callee);
    callers_[*callee].push_back(*caller);
  }
  Order();
}

std::optional<std::uint32_t> CallGraph::Find(std::string_view name) const {
  const auto found = numbers_.find(name);
  if (found == numbers_.end()) return std::nullopt;
  return found->second;
}

// Depth first without recursion: a graph of services can be deep.
void CallGraph::Order() {
  std::vector<bool> seen(size(), false);
  std::vector<std::pair<std::uint32_t, std::size_t>> stack;
  for (std::uint32_t root = 0; root < size(); ++root) {
    if (seen[root]) continue;
    seen[root] = true;
    stack.emplace_back(root, 0);
    while (!stack.empty()) {
      auto& [service, next] = stack.back();
      if (next == callees_[service].size()) {
        callees_first_.push_back(service);
        stack.pop_back();
        continue;
      }
      const std::uint32_t callee = callees_[service][next++];
      if (seen[callee]) continue;
      seen[callee] = true;
      stack.emplace_back(callee, 0);
    }
  }
}

std::vector<std::uint32_t> CallGraph::Path(std::uint32_t caller, std::uint32_t callee) const {
  std::vector<std::uint32_t> from(size(), UINT32_MAX);
  std::deque<std::uint32_t> queue{caller};
  from[caller] = caller;
  while (!queue.empty() && from[callee] == UINT32_MAX) {
    const std::uint32_t service = queue.front();
    queue.pop_front();
    for (const std::uint32_t next : callees_[service])
      if (from[next] == UINT32_MAX) {
        from[next] = service;
        queue.push_back(next);
      }
  }
  if (from[callee] == UINT32_MAX) return {};
  std::vector<std::uint32_t> path{callee};
  while (path.back() != caller) path.push_back(from[path.back()]);
  std::ranges::reverse(path);
  return path;
}

std::vector<std::uint32_t> CallGraph::Entries() const {
  std::vector<std::uint32_t> entries;
  for (std::uint32_t service = 0; service < size(); ++service)
    if (callers_[service].empty() && !callees_[service].empty()) entries.push_back(service);
  return entries;
}

}  // namespace enclave::rca
