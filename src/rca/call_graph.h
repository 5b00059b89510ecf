// The services of a context as a graph of calls.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "incident/context.h"

namespace enclave::rca {

// Numbers the services by name. Outlived by the context.
class CallGraph {
 public:
  explicit CallGraph(const incident::Context& context);

  std::size_t size() const { return names_.size(); }
  const std::string& Name(std::uint32_t service) const { return *names_[service]; }
  std::optional<std::uint32_t> Find(std::string_view name) const;
  const std::vector<std::uint32_t>& Callees(std::uint32_t service) const {
    return callees_[service];
  }
  const std::vector<std::uint32_t>& Callers(std::uint32_t service) const {
    return callers_[service];
  }
  // Services so that callees come before their callers, as far as circles allow.
  const std::vector<std::uint32_t>& CalleesFirst() const { return callees_first_; }
  // The shortest way along calls, both ends included; empty when there is none.
  std::vector<std::uint32_t> Path(std::uint32_t caller, std::uint32_t callee) const;
  // Services nobody calls that call others.
  std::vector<std::uint32_t> Entries() const;

 private:
  void Order();

  std::vector<const std::string*> names_;
  std::unordered_map<std::string_view, std::uint32_t> numbers_;
  std::vector<std::vector<std::uint32_t>> callees_;
  std::vector<std::vector<std::uint32_t>> callers_;
  std::vector<std::uint32_t> callees_first_;
};

}  // namespace enclave::rca
