// One request of a connection and its answer; for the .cc files of this folder only.
#pragma once

#include <string_view>

#include "net/http_connection.h"

namespace enclave::net {

class Connection::Writer final : public ResponseWriter {
 public:
  enum class Stage { kNothing, kStreaming, kDone };

  explicit Writer(Connection& connection) : connection_(connection) {}

  boost::asio::awaitable<base::Result<>> Send(Response response) override;
  boost::asio::awaitable<base::Result<>> Begin(Response response) override;
  boost::asio::awaitable<base::Result<>> Write(std::string_view data) override;
  boost::asio::awaitable<base::Result<>> End() override;
  bool closed() const override { return connection_.gone(); }

  Stage stage() const { return stage_; }
  bool keep_alive() const { return keep_alive_; }
  void set_keep_alive(bool keep_alive) { keep_alive_ = keep_alive; }
  void set_request(bool is_head, bool is_http_1_0) {
    is_head_ = is_head;
    is_http_1_0_ = is_http_1_0;
  }

 private:
  void NoteConnectionHeader(const Response& response);

  Connection& connection_;
  Stage stage_ = Stage::kNothing;
  bool keep_alive_ = false;
  bool is_head_ = false;
  bool is_http_1_0_ = false;
  bool has_body_ = true;
};

// A request from its first byte to the end of its answer.
struct Connection::Exchange {
  explicit Exchange(Connection& connection)
      : parser(&request, connection.core_->options.max_header_bytes,
               connection.core_->options.max_body_bytes),
        writer(connection) {}

  Request request;
  RequestParser parser;
  Writer writer;
  std::size_t charged_bytes = 0;
  bool continue_sent = false;
};

}  // namespace enclave::net
