// For tests: a Redis server as far as the cart needs one, on a port of its own, over real sockets
// (https://redis.io/docs/reference/protocol-spec).
//
// Thread safety: any thread.
#pragma once

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/check.h"

namespace enclave::lab::boutique {

class FakeRedis {
 public:
  FakeRedis() {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof where;
    CHECK(::bind(listener_, reinterpret_cast<sockaddr*>(&where), sizeof where) == 0 &&
              ::listen(listener_, 16) == 0 &&
              ::getsockname(listener_, reinterpret_cast<sockaddr*>(&where), &length) == 0,
          "a port can be had");
    port_ = ntohs(where.sin_port);
    acceptor_ = std::thread([this] { Accept(); });
  }
  ~FakeRedis() {
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    CloseConnections();
    for (std::thread& thread : connections_) thread.join();
    for (const int fd : fds_) ::close(fd);
    ::close(listener_);
  }

  int port() const { return port_; }
  // As a restart does; what was written stays.
  void CloseConnections() {
    const std::lock_guard lock(mutex_);
    for (const int fd : fds_) ::shutdown(fd, SHUT_RDWR);
  }
  std::size_t accepted() const {
    const std::lock_guard lock(mutex_);
    return fds_.size();
  }
  // A client is connected before the server has accepted it. False when fewer than `count` have
  // been accepted within `patience`.
  bool WaitForAccepted(std::size_t count, std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, [&] { return fds_.size() >= count; });
  }

 private:
  void Accept() {
    for (;;) {
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      const std::lock_guard lock(mutex_);
      fds_.push_back(fd);
      changed_.notify_all();
      connections_.emplace_back([this, fd] { Serve(fd); });
    }
  }

  void Serve(int fd) {
    std::string input;
    char buffer[4096];
    for (;;) {
      std::vector<std::string> words;
      while (TakeCommand(input, words)) {
        const std::string answer = Answer(words);
        if (::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL) < 0) return;
      }
      const ssize_t got = ::recv(fd, buffer, sizeof buffer, 0);
      if (got <= 0) return;
      input.append(buffer, static_cast<std::size_t>(got));
    }
  }

  // "*2\r\n$3\r\nDEL\r\n$1\r\na\r\n"; false while it is not whole.
  static bool TakeCommand(std::string& input, std::vector<std::string>& words) {
    std::size_t at = 0;
    const auto number = [&]() -> long {
      const std::size_t end = input.find("\r\n", at);
      if (end == std::string::npos) return -1;
      long value = -1;
      std::from_chars(input.data() + at + 1, input.data() + end, value);
      at = end + 2;
      return value;
    };
    const long count = number();
    if (count < 0) return false;
    words.clear();
    for (long i = 0; i < count; ++i) {
      const long length = number();
      if (length < 0 || input.size() < at + static_cast<std::size_t>(length) + 2) return false;
      words.push_back(input.substr(at, static_cast<std::size_t>(length)));
      at += static_cast<std::size_t>(length) + 2;
    }
    input.erase(0, at);
    return true;
  }

  std::string Answer(const std::vector<std::string>& words) {
    const std::lock_guard lock(mutex_);
    const auto integer = [](std::size_t value) { return ":" + std::to_string(value) + "\r\n"; };
    auto& hash = hashes_[words.at(1)];
    if (words[0] == "HINCRBY") {
      long& value = hash[words.at(2)];
      long added = 0;
      std::from_chars(words.at(3).data(), words.at(3).data() + words.at(3).size(), added);
      value += added;
      return ":" + std::to_string(value) + "\r\n";
    }
    if (words[0] == "HLEN") return integer(hash.size());
    if (words[0] == "EXPIRE") return integer(1);
    if (words[0] == "HDEL") return integer(hash.erase(words.at(2)));
    if (words[0] == "DEL") return integer(hashes_.erase(words[1]));
    if (words[0] == "HGETALL") {
      std::string answer = "*" + std::to_string(hash.size() * 2) + "\r\n";
      for (const auto& [field, value] : hash)
        for (const std::string& text : {field, std::to_string(value)})
          answer += "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
      return answer;
    }
    return "-ERR unknown command\r\n";
  }

  int listener_ = -1;
  int port_ = 0;
  std::thread acceptor_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;  // fds_ grew
  std::vector<int> fds_;
  std::vector<std::thread> connections_;
  std::map<std::string, std::map<std::string, long>> hashes_;
};

}  // namespace enclave::lab::boutique
