#include "route.h"

#include <algorithm>
#include <utility>

namespace enclave::observatory::api {
namespace {

std::string_view NextSegment(std::string_view* path) {
  path->remove_prefix(1);  // the slash
  const std::size_t end = std::min(path->find('/'), path->size());
  const std::string_view segment = path->substr(0, end);
  path->remove_prefix(end);
  return segment;
}

bool MatchesPath(std::string_view pattern, std::string_view path,
                 std::vector<std::string>* captures) {
  while (!pattern.empty() && !path.empty()) {
    if (path.front() != '/') return false;
    const std::string_view wanted = NextSegment(&pattern);
    const std::string_view given = NextSegment(&path);
    if (wanted == "{}" && !given.empty())
      captures->emplace_back(given);
    else if (wanted != given)
      return false;
  }
  return pattern.empty() && path.empty();
}

}  // namespace

void RouteTable::Get(std::string pattern, BlockingHandler handler, Lane lane) {
  Add({{"GET"}, std::move(pattern), lane, std::move(handler)});
}

void RouteTable::GetOrForm(std::string pattern, BlockingHandler handler) {
  Add({{"GET", "POST"}, std::move(pattern), Lane::kQuery, std::move(handler)});
}

void RouteTable::Post(std::string pattern, BlockingHandler handler, Lane lane) {
  Add({{"POST"}, std::move(pattern), lane, std::move(handler)});
}

RouteTable::Found RouteTable::Find(std::string_view method, std::string_view path) const {
  if (method == "HEAD") method = "GET";
  Found found;
  for (const Route& route : routes_) {
    std::vector<std::string> captures;
    if (!MatchesPath(route.pattern, path, &captures)) continue;
    if (std::ranges::find(route.methods, method) != route.methods.end()) {
      found.route = &route;
      found.captures = std::move(captures);
      return found;
    }
    for (const std::string& allowed : route.methods) {
      if (!found.allowed.empty()) found.allowed += ", ";
      found.allowed += allowed;
    }
  }
  return found;
}

}  // namespace enclave::observatory::api
