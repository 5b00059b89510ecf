#include "net/http_exchange.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "net/http_format.h"

namespace enclave::net {
namespace {

namespace asio = boost::asio;
using base::ErrorKind;
using base::Result;

// Up to here, pieces of an answer are copied together: one system call and one TLS record.
constexpr std::size_t kCoalesceBytes = 16 << 10;

std::unexpected<base::Error> ClientGone() {
  return base::Fail(ErrorKind::kCancelled, "answering: the client has closed the connection");
}

}  // namespace

void Connection::Writer::NoteConnectionHeader(const Response& response) {
  const auto connection = response.headers.find("Connection");
  if (connection != response.headers.end() && connection->second == "close") keep_alive_ = false;
}

asio::awaitable<Result<>> Connection::Writer::Send(Response response) {
  if (stage_ != Stage::kNothing) {
    co_return base::Fail(ErrorKind::kInternal, "answering: an answer was already begun");
  }
  if (closed()) co_return ClientGone();
  stage_ = Stage::kDone;
  NoteConnectionHeader(response);
  const bool has_body = StatusHasBody(response.status);
  std::size_t length = response.body.size();
  if (is_head_ && response.body.empty()) {
    // What GET would give may be told without making it.
    const auto told = response.headers.find("Content-Length");
    if (told != response.headers.end()) {
      std::from_chars(told->second.data(), told->second.data() + told->second.size(), length);
    }
  }
  std::string head = FormatResponseHead(response, has_body ? Framing::kLength : Framing::kNoBody,
                                        length, keep_alive_);
  std::string_view body = has_body && !is_head_ ? std::string_view(response.body) : "";
  if (body.size() <= kCoalesceBytes) {
    head.append(body);
    body = {};
  }
  co_return co_await connection_.WriteAll(head, body);
}

asio::awaitable<Result<>> Connection::Writer::Begin(Response response) {
  if (stage_ != Stage::kNothing) {
    co_return base::Fail(ErrorKind::kInternal, "answering: an answer was already begun");
  }
  if (closed()) co_return ClientGone();
  stage_ = Stage::kStreaming;
  NoteConnectionHeader(response);
  has_body_ = StatusHasBody(response.status) && !is_head_;
  Framing framing = Framing::kChunked;
  if (!StatusHasBody(response.status)) {
    framing = Framing::kNoBody;
  } else if (is_http_1_0_) {
    framing = Framing::kUntilClose;
    keep_alive_ = false;
  }
  const std::string head = FormatResponseHead(response, framing, 0, keep_alive_);
  co_return co_await connection_.WriteAll(head, {});
}

asio::awaitable<Result<>> Connection::Writer::Write(std::string_view data) {
  if (stage_ != Stage::kStreaming) {
    co_return base::Fail(ErrorKind::kInternal, "answering: a piece outside of Begin and End");
  }
  if (closed()) co_return ClientGone();
  if (data.empty() || !has_body_) co_return Result<>();  // an empty chunk would be the last one
  if (is_http_1_0_) co_return co_await connection_.WriteAll(data, {});
  std::string chunk = fmt::format("{:x}\r\n", data.size());
  if (data.size() <= kCoalesceBytes) {
    chunk.append(data).append("\r\n");
    co_return co_await connection_.WriteAll(chunk, {});
  }
  const Result<> written = co_await connection_.WriteAll(chunk, data);
  if (!written) co_return written;
  co_return co_await connection_.WriteAll("\r\n", {});
}

asio::awaitable<Result<>> Connection::Writer::End() {
  if (stage_ != Stage::kStreaming) {
    co_return base::Fail(ErrorKind::kInternal, "answering: End without Begin");
  }
  if (closed()) co_return ClientGone();
  stage_ = Stage::kDone;
  if (!has_body_ || is_http_1_0_) co_return Result<>();
  co_return co_await connection_.WriteAll("0\r\n\r\n", {});
}

asio::awaitable<Result<>> Connection::WriteAll(std::string_view first, std::string_view second) {
  while (!first.empty() || !second.empty()) {
    if (gone()) co_return ClientGone();
    const IoResult wrote = transport_.Write(first, second);
    switch (wrote.status) {
      case IoStatus::kOk: {
        const std::size_t of_first = std::min(wrote.bytes, first.size());
        first.remove_prefix(of_first);
        second.remove_prefix(wrote.bytes - of_first);
        break;
      }
      case IoStatus::kWantWrite: {
        SetDeadline(core_->options.write_timeout);
        const auto [ec] =
            co_await socket_.async_wait(Socket::wait_write, asio::as_tuple(asio::use_awaitable));
        if (state() == State::kHandling) SetDeadline(std::nullopt);
        if (ec) co_return ClientGone();
        break;
      }
      case IoStatus::kWantRead:
      case IoStatus::kClosed:
      case IoStatus::kFailed:
        broken_ = true;
        co_return ClientGone();
    }
  }
  co_return Result<>();
}

}  // namespace enclave::net
