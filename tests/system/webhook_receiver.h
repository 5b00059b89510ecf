// A small HTTP server that takes webhooks: answers 200 and keeps the bodies.
#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "system/enclave_fixture.h"

namespace enclave::system_test {

class WebhookReceiver {
 public:
  WebhookReceiver();  // listens on a port of 127.0.0.1 that the system chooses
  ~WebhookReceiver();
  WebhookReceiver(const WebhookReceiver&) = delete;
  WebhookReceiver& operator=(const WebhookReceiver&) = delete;

  std::string url() const;
  std::vector<Json> messages() const;  // in the order they came

 private:
  void Serve();
  void Answer(int connection);

  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> stop_ = false;
  mutable std::mutex mutex_;
  std::vector<Json> messages_;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace enclave::system_test
