// Targets and percent escapes from outside: whatever comes, decoding ends, what is encoded decodes
// to itself, and a target put together from its parts is taken apart into the same parts.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "net/http.h"
#include "net/url.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace enclave;
  const std::string_view input(reinterpret_cast<const char*>(data), size);

  for (const bool plus_is_space : {false, true}) {
    const std::string encoded = net::PercentEncode(input);
    CHECK(net::PercentDecode(encoded, plus_is_space) == input, "encoding loses nothing");
    CHECK(net::PercentDecode(input, plus_is_space).size() <= input.size(),
          "decoding never makes a text longer");
  }

  std::string path;
  std::vector<std::pair<std::string, std::string>> query;
  net::ParseTarget(input, &path, &query);
  CHECK(!path.empty(), "a path is at least a slash");
  CHECK(query.size() <= size, "each parameter takes a byte");

  std::string target = "/" + net::PercentEncode(path) + "?";
  for (const auto& [name, value] : query) {
    target += net::PercentEncode(name) + "=" + net::PercentEncode(value) + "&";
  }
  std::string path_again;
  std::vector<std::pair<std::string, std::string>> query_again;
  net::ParseTarget(target, &path_again, &query_again);
  CHECK(path_again == "/" + path, "a path survives being encoded");
  CHECK(query_again == query, "parameters survive being encoded");

  if (const auto origin = net::ParseOrigin(input)) {
    CHECK(origin->port != 0, "an origin has a port");
    CHECK(!origin->host.empty() || !origin->unix_path.empty(), "an origin is somewhere");
    if (origin->unix_path.empty()) {
      const std::string url =
          (origin->is_tls ? "https://" : "http://") + origin->authority + origin->prefix;
      const auto again = net::ParseOrigin(url);
      CHECK(again && again->host == origin->host && again->port == origin->port &&
                again->prefix == origin->prefix,
            "an origin survives being written down");
    }
  }
  return 0;
}
