// The observatory is killed at random moments while samples, log lines and spans are written to it.
// What it acknowledged is there afterwards, once. Five kills by default, fifty with --slow.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <memory>
#include <random>
#include <set>
#include <thread>

#include "system/command.h"
#include "system/enclave_fixture.h"
#include "system/eventually.h"
#include "system/http_probe.h"
#include "system/remote_write.h"
#include "system/slow.h"

namespace enclave::system_test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr const char* kObservatoryHost = "127.0.0.1";
constexpr int kObservatoryKillPort = 29492;

std::int64_t NowMs() {
  return std::chrono::system_clock::now().time_since_epoch() / milliseconds(1);
}

// Writes numbers one after the other, each as soon as the one before was answered.
class NumberWriter {
 public:
  NumberWriter(int id, std::function<int(int id, int number)> write)
      : id_(id), write_(std::move(write)), thread_([this] { Work(); }) {}
  ~NumberWriter() { Stop(); }
  void Stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  // Only after Stop.
  const std::set<int>& acknowledged() const { return acknowledged_; }
  int sent() const { return sent_; }

 private:
  void Work() {
    while (!stop_) {
      const int number = sent_++;
      if (write_(id_, number) / 100 == 2)
        acknowledged_.insert(number);
      else
        std::this_thread::sleep_for(milliseconds(5));  // nobody listens for a moment
    }
  }

  int id_;
  std::function<int(int, int)> write_;
  std::set<int> acknowledged_;
  int sent_ = 0;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

int Post(const std::string& path, const Json& body) {
  return HttpSend(kObservatoryHost, kObservatoryKillPort,
                  {.method = "POST",
                   .path = path,
                   .headers = {{"Content-Type", "application/json"}},
                   .body = body.dump()})
      .status;
}

std::string SpanIdOf(int writer, int number) {
  return fmt::format("{:08x}{:08x}", writer + 1, number + 1);
}

class ObservatoryKillTest : public testing::Test {
 protected:
  ObservatoryKillTest() { Start(); }
  ~ObservatoryKillTest() override {
    process_.reset();
    RemoveFolder(folder_);
  }

  void Start() {
    process_ = std::make_unique<Background>(std::vector<std::string>{
        EnclaveBinary(), "observatory", "--state", folder_.string(), "--http",
        fmt::format("{}:{}", kObservatoryHost, kObservatoryKillPort)});
    ASSERT_TRUE(Eventually(seconds(30), [] {
      return HttpGet(kObservatoryHost, kObservatoryKillPort, "/-/ready").status == 200;
    })) << process_->Printed();
  }
  void Kill() {
    process_->Signal(SIGKILL);
    process_->WaitExit(seconds(10));
  }
  static Json Ask(const std::string& path) {
    return Json::parse(HttpGet(kObservatoryHost, kObservatoryKillPort, path, seconds(60)).body,
                       nullptr, /*allow_exceptions=*/false);
  }

  // What is there of one writer, each number as often as it is.
  std::multiset<int> Samples(int writer) const {
    std::multiset<int> found;
    const Json answer = Ask("/api/v1/query?query=" +
                            PercentEscaped(fmt::format("written{{writer=\"{}\"}}[2h]", writer)) +
                            fmt::format("&time={}", (begin_ms_ + 3'600'000) / 1000));
    for (const Json& series : At(answer, "data.result"))
      for (const Json& value : At(series, "values"))
        found.insert(std::stoi(value[1].get<std::string>()));
    return found;
  }
  // Page by page, as many lines as one answer may have.
  std::multiset<int> Lines(int writer) const {
    constexpr std::size_t kPage = 5000;
    std::multiset<int> found;
    long long from_ms = begin_ms_;
    for (std::size_t got = kPage; got == kPage;) {
      const Json answer =
          Ask(fmt::format("/loki/api/v1/query_range?limit={}&direction=forward&start={}000000"
                          "&end={}000000&query=",
                          kPage, from_ms, begin_ms_ + 3'600'000) +
              PercentEscaped(fmt::format("{{writer=\"{}\"}}", writer)));
      got = 0;
      for (const Json& stream : At(answer, "data.result"))
        for (const Json& value : At(stream, "values")) {
          found.insert(std::stoi(value[1].get<std::string>()));
          from_ms = std::max(from_ms, std::stoll(value[0].get<std::string>()) / 1'000'000 + 1);
          ++got;
        }
    }
    return found;
  }
  std::multiset<int> Spans(int writer) const {
    std::multiset<int> found;
    const std::string trace = Ask(fmt::format("/api/traces/{:032x}", writer + 1)).dump();
    const std::string key = "\"name\":\"number ";
    for (auto at = trace.find(key); at != std::string::npos; at = trace.find(key, at + 1))
      found.insert(std::stoi(trace.substr(at + key.size(), 12)));
    return found;
  }

  std::filesystem::path folder_ = MakeFolder("observatory-kill");
  std::int64_t begin_ms_ = NowMs() - 1'800'000;
  std::unique_ptr<Background> process_;
};

// All that was acknowledged, nothing that was not sent, nothing twice.
void ExpectKept(const NumberWriter& writer, const std::multiset<int>& found,
                const std::string& what) {
  const std::set<int> once(found.begin(), found.end());
  EXPECT_EQ(once.size(), found.size()) << what << ": some are there twice";
  int missing = 0;
  for (const int number : writer.acknowledged()) missing += once.contains(number) ? 0 : 1;
  EXPECT_EQ(missing, 0) << what << " of " << writer.acknowledged().size() << " acknowledged";
  EXPECT_TRUE(once.empty() || *once.rbegin() < writer.sent()) << what;
}

TEST_F(ObservatoryKillTest, WhatWasAcknowledgedIsThereOnce) {
  const int kills = Slow() ? 50 : 5;
  const auto sample = [this](int writer, int number) {
    return RemoteWrite(kObservatoryHost, kObservatoryKillPort,
                       {{{{"__name__", "written"}, {"writer", std::to_string(writer)}},
                         {{begin_ms_ + number, number}}}});
  };
  const auto line = [this](int writer, int number) {
    return Post(
        "/loki/api/v1/push",
        {{"streams",
          {{{"stream", {{"writer", std::to_string(writer)}}},
            {"values", Json::array({Json::array({fmt::format("{}000000", begin_ms_ + number),
                                                 std::to_string(number)})})}}}}});
  };
  const auto span = [this](int writer, int number) {
    const std::string time = fmt::format("{}000000", begin_ms_ + number);
    const Json one{{"traceId", fmt::format("{:032x}", writer + 1)},
                   {"spanId", SpanIdOf(writer, number)},
                   {"name", fmt::format("number {}", number)},
                   {"startTimeUnixNano", time},
                   {"endTimeUnixNano", time}};
    return Post("/v1/traces",
                {{"resourceSpans", {{{"scopeSpans", {{{"spans", Json::array({one})}}}}}}}});
  };
  std::vector<std::unique_ptr<NumberWriter>> samples;
  std::vector<std::unique_ptr<NumberWriter>> lines;
  std::vector<std::unique_ptr<NumberWriter>> spans;
  for (int id = 0; id < 2; ++id) {
    samples.push_back(std::make_unique<NumberWriter>(id, sample));
    lines.push_back(std::make_unique<NumberWriter>(id, line));
    spans.push_back(std::make_unique<NumberWriter>(id, span));
  }
  std::mt19937_64 chance(11);
  for (int kill = 0; kill < kills; ++kill) {
    std::this_thread::sleep_for(milliseconds(50 + chance() % 700));
    Kill();
    Start();
    if (HasFatalFailure()) return;
  }
  std::size_t acknowledged = 0;
  for (auto* writers : {&samples, &lines, &spans})
    for (const auto& writer : *writers) {
      writer->Stop();
      acknowledged += writer->acknowledged().size();
    }
  for (int id = 0; id < 2; ++id) {
    const auto at = static_cast<std::size_t>(id);
    ExpectKept(*samples[at], Samples(id), "samples");
    ExpectKept(*lines[at], Lines(id), "log lines");
    ExpectKept(*spans[at], Spans(id), "spans");
  }
  EXPECT_GT(acknowledged, 100u);
  fmt::print("enclave tests: {} kills of the observatory, {} acknowledged writes\n", kills,
             acknowledged);
}

}  // namespace
}  // namespace enclave::system_test
