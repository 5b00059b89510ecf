#include "net/http_format.h"

#include <chrono>
#include <ctime>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <boost/beast/http/status.hpp>

namespace enclave::net {
namespace {

bool IsToken(std::string_view name) {
  constexpr std::string_view kSymbols = "!#$%&'*+-.^_`|~";
  if (name.empty()) return false;
  for (const char c : name) {
    const bool alphanumeric =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!alphanumeric && kSymbols.find(c) == std::string_view::npos) return false;
  }
  return true;
}

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  constexpr CaseInsensitiveLess kLess;
  return a.size() == b.size() && !kLess(a, b) && !kLess(b, a);
}

void AppendHeader(std::string& head, std::string_view name, std::string_view value) {
  if (!IsToken(name)) return;
  head.append(name).append(": ");
  for (const char c : value) head += c == '\r' || c == '\n' || c == '\0' ? ' ' : c;
  head.append("\r\n");
}

// RFC 9110, 5.6.7; made once a second for each thread.
std::string_view DateNow() {
  thread_local std::time_t made_at = 0;
  thread_local std::string text;
  const std::time_t now = std::time(nullptr);
  if (now != made_at || text.empty()) {
    made_at = now;
    text = fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", fmt::gmtime(now));
  }
  return text;
}

}  // namespace

bool StatusHasBody(int status) {
  return status >= 200 && status != 204 && status != 304;
}

std::string FormatResponseHead(const Response& response, Framing framing,
                               std::size_t content_length, bool keep_alive) {
  std::string head;
  head.reserve(256);
  const auto reason = boost::beast::http::obsolete_reason(
      boost::beast::http::int_to_status(static_cast<unsigned>(response.status)));
  fmt::format_to(std::back_inserter(head), "HTTP/1.1 {} {}\r\n", response.status,
                 std::string_view(reason.data(), reason.size()));
  bool has_date = false;
  for (const auto& [name, value] : response.headers) {
    if (EqualsIgnoringCase(name, "Content-Length") ||
        EqualsIgnoringCase(name, "Transfer-Encoding") || EqualsIgnoringCase(name, "Connection")) {
      continue;
    }
    has_date = has_date || EqualsIgnoringCase(name, "Date");
    AppendHeader(head, name, value);
  }
  if (!has_date) AppendHeader(head, "Date", DateNow());
  switch (framing) {
    case Framing::kLength:
      head.append("Content-Length: ").append(fmt::format_int(content_length).str()).append("\r\n");
      break;
    case Framing::kChunked:
      head.append("Transfer-Encoding: chunked\r\n");
      break;
    case Framing::kUntilClose:
    case Framing::kNoBody:
      break;
  }
  head.append(keep_alive ? "\r\n" : "Connection: close\r\n\r\n");
  return head;
}

std::string FormatRequestHead(std::string_view method, std::string_view target,
                              const Headers& headers, std::string_view host,
                              std::size_t content_length) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string head;
  head.reserve(256);
  head.append(IsToken(method) ? method : "GET").append(" ");
  for (const char c : target) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte >= 0x7f) {
      head.append({'%', kHex[byte >> 4], kHex[byte & 15]});
    } else {
      head += c;
    }
  }
  head.append(" HTTP/1.1\r\n");
  if (!headers.contains("Host")) AppendHeader(head, "Host", host);
  for (const auto& [name, value] : headers) {
    if (EqualsIgnoringCase(name, "Content-Length") ||
        EqualsIgnoringCase(name, "Transfer-Encoding")) {
      continue;
    }
    AppendHeader(head, name, value);
  }
  // Methods that usually come with a body say so when it is empty (RFC 9110, 8.6).
  if (content_length > 0 || method == "POST" || method == "PUT" || method == "PATCH") {
    head.append("Content-Length: ").append(fmt::format_int(content_length).str()).append("\r\n");
  }
  head.append("\r\n");
  return head;
}

}  // namespace enclave::net
