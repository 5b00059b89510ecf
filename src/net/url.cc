#include "net/url.h"

#include <charconv>

#include <fmt/format.h>

namespace enclave::net {
namespace {

using base::ErrorKind;
using base::Fail;
using base::Result;

}  // namespace

Result<Origin> ParseOrigin(std::string_view url) {
  const auto wrong = [url](std::string_view why) {
    return Fail(ErrorKind::kInvalidArgument, fmt::format("reading the URL '{}': {}", url, why));
  };
  for (const char c : url) {
    if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7f) {
      return wrong("it has a space or control character");
    }
  }
  Origin origin;
  std::string_view rest = url;
  if (rest.starts_with("unix:")) {
    rest.remove_prefix(5);
    if (rest.starts_with("//")) rest.remove_prefix(2);
    if (!rest.starts_with('/')) return wrong("a unix socket needs an absolute path");
    origin.unix_path = rest;
    origin.authority = "localhost";
    return origin;
  }
  if (rest.starts_with("https://")) {
    origin.is_tls = true;
    origin.port = 443;
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else {
    return wrong("it must start with http://, https:// or unix:");
  }
  if (rest.find_first_of("?#@\\") != std::string_view::npos) {
    return wrong("an origin has no user, query or fragment");
  }
  const std::size_t path = rest.find('/');
  if (path != std::string_view::npos) {
    origin.prefix = rest.substr(path);
    while (origin.prefix.ends_with('/')) origin.prefix.pop_back();
    rest = rest.substr(0, path);
  }
  std::string_view port;
  const bool is_bracketed = rest.starts_with('[');
  if (is_bracketed) {
    const std::size_t end = rest.find(']');
    if (end == std::string_view::npos) return wrong("a bracket is not closed");
    origin.host = rest.substr(1, end - 1);
    port = rest.substr(end + 1);
  } else {
    const std::size_t colon = std::min(rest.find(':'), rest.size());
    origin.host = rest.substr(0, colon);
    port = rest.substr(colon);
  }
  if (origin.host.empty()) return wrong("there is no host");
  origin.authority = is_bracketed ? "[" + origin.host + "]" : origin.host;
  if (!port.empty()) {
    if (port.front() != ':') return wrong("after the host there can only be a port");
    port.remove_prefix(1);
    const std::uint16_t by_scheme = origin.port;
    const auto parsed = std::from_chars(port.data(), port.data() + port.size(), origin.port);
    if (parsed.ec != std::errc() || parsed.ptr != port.data() + port.size() || origin.port == 0) {
      return wrong("the port is not a number from 1 to 65535");
    }
    if (origin.port != by_scheme) origin.authority += ":" + std::to_string(origin.port);
  }
  return origin;
}

}  // namespace enclave::net
