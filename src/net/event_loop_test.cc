#include "net/event_loop.h"

#include <pthread.h>

#include <atomic>
#include <future>
#include <memory>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

namespace enclave::net {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;

class EventLoopTest : public testing::TestWithParam<int> {
 protected:
  // Runs `task` on the strand and waits for its end.
  void RunOnLoop(const std::function<void()>& task) {
    std::promise<void> done;
    loop_.Post([&] {
      task();
      done.set_value();
    });
    done.get_future().wait();
  }
  EventLoop loop_{"loop-test", GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Threads, EventLoopTest, testing::Values(1, 4));

TEST_P(EventLoopTest, TasksRunInOrderAndNeverOverlap) {
  std::vector<int> order;  // unguarded on purpose
  for (int i = 0; i < 1000; ++i) loop_.Post([&order, i] { order.push_back(i); });
  RunOnLoop([] {});
  ASSERT_EQ(order.size(), 1000u);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST_P(EventLoopTest, TimersRunInOrderOfTheirTimeAndNotBefore) {
  std::vector<int> order;
  std::promise<void> done;
  const base::MonoTime start = loop_.Now();
  base::MonoTime end{};
  RunOnLoop([&] {
    loop_.After(milliseconds(30), [&] {
      order.push_back(3);
      end = loop_.Now();
      done.set_value();
    });
    loop_.After(milliseconds(10), [&] { order.push_back(1); });
    loop_.After(milliseconds(20), [&] { order.push_back(2); });
    loop_.After(milliseconds(-5), [&] { order.push_back(0); });
  });
  done.get_future().wait();
  EXPECT_THAT(order, ElementsAre(0, 1, 2, 3));
  EXPECT_GE(end - start, milliseconds(30));
}

TEST_P(EventLoopTest, ACancelledTimerNeverRunsEvenWhenItIsDue) {
  std::atomic<int> ran = 0;
  std::promise<void> done;
  RunOnLoop([&] {
    std::vector<EventLoop::TimerId> ids;
    for (int i = 0; i < 100; ++i) {
      ids.push_back(loop_.After(base::Duration::zero(), [&] { ++ran; }));
    }
    // All are due by now; this task holds the strand.
    const base::MonoTime start = loop_.Now();
    while (loop_.Now() - start < milliseconds(5)) {
    }
    for (const auto id : ids) loop_.Cancel(id);
    loop_.Cancel(ids.front());
    loop_.Cancel(EventLoop::TimerId::kNone);
    loop_.After(milliseconds(5), [&] { done.set_value(); });
  });
  done.get_future().wait();
  EXPECT_EQ(ran, 0);
}

TEST_P(EventLoopTest, TasksMayCancelTheirOwnTimerAndStartOthers) {
  std::promise<void> done;
  EventLoop::TimerId id = EventLoop::TimerId::kNone;
  int rounds = 0;
  std::function<void()> tick = [&] {
    loop_.Cancel(id);
    if (++rounds == 5) {
      done.set_value();
    } else {
      id = loop_.After(milliseconds(1), tick);
    }
  };
  loop_.Post(tick);
  done.get_future().wait();
  EXPECT_EQ(rounds, 5);
}

TEST_P(EventLoopTest, StopDropsWhatHasNotRun) {
  const auto held = std::make_shared<int>(1);
  loop_.After(std::chrono::hours(1), [held] { FAIL() << "an hour has passed"; });
  loop_.After(base::Duration::max(), [held] { FAIL() << "for ever has passed"; });
  loop_.Stop();
  loop_.Stop();
  loop_.Post([held] { FAIL() << "posted after the end"; });
  EXPECT_EQ(loop_.After(milliseconds(0), [held] { FAIL() << "after the end"; }),
            EventLoop::TimerId::kNone);
}

TEST_P(EventLoopTest, DestructionReleasesWhatTasksHold) {
  const auto held = std::make_shared<int>(1);
  {
    auto loop = std::make_unique<EventLoop>("short", GetParam());
    loop->After(std::chrono::hours(1), [held, raw = loop.get()] { raw->Stop(); });
    // A task destroyed with the context may still reach for the loop.
    struct Late {
      explicit Late(EventLoop* l) : loop(l) {}
      ~Late() {
        loop->Cancel(loop->After(milliseconds(1), [] {}));
      }
      EventLoop* loop;
    };
    loop->Stop();
    boost::asio::post(loop->context(), [held, late = std::make_shared<Late>(loop.get())] {});
  }
  EXPECT_EQ(held.use_count(), 1);
}

TEST(EventLoopNameTest, ThreadsCarryTheNameCutToWhatTheKernelTakes) {
  EventLoop loop("a-name-of-more-than-fifteen");
  std::promise<std::string> name;
  loop.Post([&] {
    char text[16];
    pthread_getname_np(pthread_self(), text, sizeof text);
    name.set_value(text);
  });
  EXPECT_EQ(name.get_future().get(), "a-name-of-more-");
}

}  // namespace
}  // namespace enclave::net
