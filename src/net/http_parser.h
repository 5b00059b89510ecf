// Incremental parsers of HTTP/1.1 messages (RFC 9112) over Beast's state machine, for the .cc files
// of this folder only. Bytes go in as they come; what was taken in stands in Request or Response.
// Lines end with CRLF, lengths are unambiguous, and trailers are dropped: what a proxy in front of
// us could understand differently is refused.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/field.hpp>

#include "net/http.h"

namespace enclave::net {

enum class ParseStatus { kNeedMore, kDone, kFailed };

// What the two directions share. `kIsRequest` as in Beast.
template <bool kIsRequest>
class MessageParser : protected boost::beast::http::basic_parser<kIsRequest> {
 public:
  MessageParser(std::size_t max_header_bytes, std::size_t max_body_bytes)
      : max_header_bytes_(max_header_bytes) {
    this->eager(true);
    // Beast's limit holds for one call only; Feed counts over all of them.
    this->header_limit(static_cast<std::uint32_t>(max_header_bytes));
    this->body_limit(max_body_bytes);
  }

  // Takes in what it can of `data` and returns how much; the caller shows the rest again together
  // with what follows. After kDone the rest belongs to the next message.
  std::size_t Feed(std::string_view data) {
    std::size_t used = 0;
    boost::beast::error_code ec;
    while (used < data.size() && !this->is_done() && !ec) {
      const std::size_t took =
          this->put(boost::asio::const_buffer(data.data() + used, data.size() - used), ec);
      used += took;
      if (!this->is_header_done()) header_bytes_ += took;
      if (took == 0) break;
    }
    if (ec == boost::beast::http::error::need_more) ec = {};
    const std::size_t left = data.size() - used;
    if (!ec && !this->is_done() &&
        (left > max_header_bytes_ ||
         (!this->is_header_done() && header_bytes_ + left > max_header_bytes_))) {
      ec = boost::beast::http::error::header_limit;
    }
    error_ = ec;
    return used;
  }

  ParseStatus status() const {
    if (error_) return ParseStatus::kFailed;
    return this->is_done() ? ParseStatus::kDone : ParseStatus::kNeedMore;
  }
  bool header_done() const { return this->is_header_done(); }
  bool keep_alive() const { return basic::keep_alive(); }
  const boost::beast::error_code& error() const { return error_; }

 protected:
  using basic = boost::beast::http::basic_parser<kIsRequest>;
  using error_code = boost::beast::error_code;
  using string_view = boost::beast::string_view;

  static std::string_view View(string_view text) { return {text.data(), text.size()}; }
  static void AddHeader(Headers& headers, std::string_view name, std::string_view value) {
    const auto [entry, is_new] = headers.try_emplace(std::string(name), value);
    if (!is_new) entry->second.append(", ").append(value);
  }

  error_code error_;

 private:
  void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
  void on_finish_impl(error_code&) override {}
  void on_header_impl(error_code&) override {}

  const std::size_t max_header_bytes_;
  std::size_t header_bytes_ = 0;
};

class RequestParser final : public MessageParser<true> {
 public:
  // Fills `request` (all but path, query and peer), which outlives the parser.
  RequestParser(Request* request, std::size_t max_header_bytes, std::size_t max_body_bytes)
      : MessageParser(max_header_bytes, max_body_bytes), request_(request) {}

  bool is_http_1_0() const { return version_ == 10; }
  int host_count() const { return host_count_; }

 private:
  void on_request_impl(boost::beast::http::verb, string_view method, string_view target,
                       int version, error_code&) override {
    request_->method = View(method);
    request_->target = View(target);
    version_ = version;
  }
  void on_response_impl(int, string_view, int, error_code&) override {}
  void on_field_impl(boost::beast::http::field field, string_view name, string_view value,
                     error_code&) override {
    if (this->is_header_done()) return;  // a trailer
    if (field == boost::beast::http::field::host) ++host_count_;
    AddHeader(request_->headers, View(name), View(value));
  }
  void on_body_init_impl(const boost::optional<std::uint64_t>& length, error_code&) override {
    // Not on a stranger's word alone: what was announced may never come.
    constexpr std::uint64_t kMostReserved = 1 << 20;
    if (length) request_->body.reserve(static_cast<std::size_t>(std::min(*length, kMostReserved)));
  }
  std::size_t on_body_impl(string_view body, error_code&) override {
    request_->body.append(body.data(), body.size());
    return body.size();
  }
  std::size_t on_chunk_body_impl(std::uint64_t, string_view body, error_code&) override {
    request_->body.append(body.data(), body.size());
    return body.size();
  }

  Request* const request_;
  int version_ = 11;
  int host_count_ = 0;
};

class ResponseParser final : public MessageParser<false> {
 public:
  // Called for each piece of the body; false ends the parsing with kFailed and stopped().
  using Sink = std::function<bool(std::string_view)>;

  // Fills status and headers of `response`, which outlives the parser, and hands the body to
  // `sink`.
  ResponseParser(Response* response, Sink sink, bool is_head, std::size_t max_header_bytes,
                 std::size_t max_body_bytes)
      : MessageParser(max_header_bytes, max_body_bytes),
        response_(response),
        sink_(std::move(sink)) {
    if (is_head) this->skip(true);
  }

  // The peer has closed. kDone when that is how this message ends.
  void FeedEnd() {
    error_code ec;
    if (!this->got_some()) {
      ec = boost::beast::http::error::end_of_stream;
    } else if (!this->is_done()) {
      this->put_eof(ec);
    }
    error_ = ec;
  }
  // The body ends when the peer closes.
  bool ends_with_connection() const { return this->is_header_done() && this->need_eof(); }
  bool got_something() const { return this->got_some(); }
  bool stopped() const { return stopped_; }

 private:
  void on_request_impl(boost::beast::http::verb, string_view, string_view, int,
                       error_code&) override {}
  void on_response_impl(int code, string_view, int, error_code&) override {
    response_->status = code;
  }
  void on_field_impl(boost::beast::http::field, string_view name, string_view value,
                     error_code&) override {
    if (!this->is_header_done()) AddHeader(response_->headers, View(name), View(value));
  }
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(string_view body, error_code& ec) override { return Take(body, ec); }
  std::size_t on_chunk_body_impl(std::uint64_t, string_view body, error_code& ec) override {
    return Take(body, ec);
  }
  std::size_t Take(string_view body, error_code& ec) {
    if (!body.empty() && !sink_(View(body))) {
      stopped_ = true;
      ec = boost::beast::http::error::end_of_stream;
    }
    return body.size();
  }

  Response* const response_;
  const Sink sink_;
  bool stopped_ = false;
};

}  // namespace enclave::net
