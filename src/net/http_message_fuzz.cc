// HTTP messages from outside: what is parsed does not depend on how the bytes were cut into pieces,
// limits hold, and heads that we write from any values are read back as one head.
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/check.h"
#include "net/http_format.h"
#include "net/http_parser.h"

namespace {

using namespace enclave;

constexpr std::size_t kMaxHeader = 512;
constexpr std::size_t kMaxBody = 256;

struct Outcome {
  net::ParseStatus status = net::ParseStatus::kNeedMore;
  std::size_t used = 0;
  net::Request request;
};

Outcome ParseRequest(std::string_view input, std::size_t piece) {
  Outcome outcome;
  net::RequestParser parser(&outcome.request, kMaxHeader, kMaxBody);
  std::string pending;
  for (std::size_t at = 0; at < input.size() && parser.status() == net::ParseStatus::kNeedMore;
       at += piece) {
    pending.append(input.substr(at, piece));
    const std::size_t used = parser.Feed(pending);
    CHECK(used <= pending.size(), "a parser uses what it was given");
    pending.erase(0, used);
    outcome.used += used;
    CHECK(parser.status() != net::ParseStatus::kNeedMore || pending.size() <= kMaxHeader,
          "what waits for more is bounded");
    CHECK(outcome.request.body.size() <= kMaxBody, "a body keeps to its limit");
  }
  outcome.status = parser.status();
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t piece = 1 + data[0] % 32;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);

  const Outcome whole = ParseRequest(input, size);
  const Outcome pieces = ParseRequest(input, piece);
  if (whole.status == net::ParseStatus::kDone && pieces.status == net::ParseStatus::kDone) {
    CHECK(whole.used == pieces.used, "a request ends where it ends");
    CHECK(whole.request.method == pieces.request.method &&
              whole.request.target == pieces.request.target &&
              whole.request.headers == pieces.request.headers &&
              whole.request.body == pieces.request.body,
          "how bytes were cut does not matter");
  }

  net::Response response;
  std::string body;
  net::ResponseParser parser(
      &response,
      [&body](std::string_view text) {
        body.append(text);
        return body.size() < 100;
      },
      false, kMaxHeader, kMaxBody);
  parser.Feed(input);
  if (parser.status() == net::ParseStatus::kNeedMore) parser.FeedEnd();
  CHECK(parser.status() != net::ParseStatus::kNeedMore, "an end ends the message");

  // Any text as a header's name and value, and as a target.
  const std::string_view first = input.substr(0, input.size() / 2);
  const std::string_view second = input.substr(input.size() / 2);
  net::Response written{200, {{std::string(first), std::string(second)}}, ""};
  const std::string head = net::FormatResponseHead(written, net::Framing::kLength, 0, true);
  CHECK(head.find("\r\n\r\n") == head.size() - 4, "a head ends once");
  const std::string request =
      net::FormatRequestHead("GET", "/" + std::string(first), written.headers, "host", 0);
  CHECK(request.find("\r\n\r\n") == request.size() - 4, "a head ends once");
  return 0;
}
