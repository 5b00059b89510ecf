// HTTP/1.1 messages as plain values, shared by server and client. No third-party type shows here:
// the library underneath (Beast) is compiled once, in this folder.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace enclave::net {

struct CaseInsensitiveLess {
  using is_transparent = void;
  bool operator()(std::string_view a, std::string_view b) const;
};
// Repeated fields are joined with ", " (RFC 9110, 5.2).
using Headers = std::map<std::string, std::string, CaseInsensitiveLess>;

// Who is at the other end of a connection.
struct Peer {
  std::string address;  // "127.0.0.1:51234"
  // From a client certificate that the server's CA signed; empty without one.
  std::string common_name;
  std::vector<std::string> organizations;
};

struct Request {
  std::string method;                                      // upper case
  std::string target;                                      // as sent: "/api/v1/pods?limit=500"
  std::string path;                                        // percent-decoded, without the query
  std::vector<std::pair<std::string, std::string>> query;  // decoded, in order
  Headers headers;
  std::string body;
  Peer peer;

  // First value of a query parameter; nullopt when absent.
  std::optional<std::string> Query(std::string_view name) const;
  // A header's value, or "".
  std::string_view Header(std::string_view name) const;
};

struct Response {
  int status = 200;
  Headers headers;
  std::string body;
};

// "a%20b" -> "a b"; '+' is a space only in queries. Broken escapes stay as they are.
std::string PercentDecode(std::string_view text, bool plus_is_space);
std::string PercentEncode(std::string_view text);
// Splits the target of a request line into path and query parameters.
void ParseTarget(std::string_view target, std::string* path,
                 std::vector<std::pair<std::string, std::string>>* query);

}  // namespace enclave::net
