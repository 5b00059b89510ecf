// The store as a whole: overload, full and failing disks, one process at a time.
#include "observatory/store/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <latch>
#include <thread>

#include <rocksdb/env.h>

#include "observatory/store/test_support.h"
#include "observatory/store/turn_queue.h"

namespace enclave::observatory::store {
namespace {

using base::ErrorKind;
using telemetry::Labels;
using telemetry::Matcher;
using ::testing::HasSubstr;
using ::testing::SizeIs;

const Labels& Series() {
  static const Labels labels = {{"__name__", "up"}};
  return labels;
}

base::Result<telemetry::Refused> TryWrite(Store& store, std::int64_t time_ms) {
  telemetry::Batch batch;
  AddSeries(batch, Series(), {{time_ms, 1}});
  return store.sink().Write(std::move(batch));
}

// A disk that is full while told so: files that were opened for writing take nothing.
class FullDisk final : public rocksdb::EnvWrapper {
 public:
  FullDisk() : EnvWrapper(rocksdb::Env::Default()) {}
  const char* Name() const override { return "FullDisk"; }
  void set_full(bool full) { full_ = full; }

  rocksdb::Status NewWritableFile(const std::string& name,
                                  std::unique_ptr<rocksdb::WritableFile>* file,
                                  const rocksdb::EnvOptions& options) override {
    if (full_) return rocksdb::Status::NoSpace("the test's disk is full");
    std::unique_ptr<rocksdb::WritableFile> inner;
    const rocksdb::Status status = target()->NewWritableFile(name, &inner, options);
    if (status.ok()) *file = std::make_unique<File>(std::move(inner), full_);
    return status;
  }

 private:
  class File final : public rocksdb::WritableFileWrapper {
   public:
    File(std::unique_ptr<rocksdb::WritableFile> inner, const std::atomic<bool>& full)
        : WritableFileWrapper(inner.get()), inner_(std::move(inner)), full_(full) {}
    rocksdb::Status Append(const rocksdb::Slice& data) override {
      if (full_) return rocksdb::Status::NoSpace("the test's disk is full");
      return inner_->Append(data);
    }
    rocksdb::Status Append(const rocksdb::Slice& data,
                           const rocksdb::DataVerificationInfo& info) override {
      if (full_) return rocksdb::Status::NoSpace("the test's disk is full");
      return inner_->Append(data, info);
    }
    rocksdb::Status Sync() override {
      if (full_) return rocksdb::Status::NoSpace("the test's disk is full");
      return inner_->Sync();
    }

   private:
    std::unique_ptr<rocksdb::WritableFile> inner_;
    const std::atomic<bool>& full_;
  };

  std::atomic<bool> full_ = false;
};

TEST(StoreTest, AFullDiskRefusesWritesKeepsReadsAndRecovers) {
  FullDisk disk;
  const TemporaryDirectory directory;
  SetClock clock;
  StoreOptions options = TestOptions(directory);
  options.env = &disk;
  auto store = OpenStore(options, clock);
  ASSERT_TRUE(TryWrite(*store, 1000));
  disk.set_full(true);
  const auto refused = TryWrite(*store, 2000);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind(), ErrorKind::kUnavailable);
  EXPECT_FALSE(store->stats().writable);
  // A new series in a write that failed is as if it had never been.
  telemetry::Batch batch;
  AddSeries(batch, {{"__name__", "never"}}, {{1, 1}});
  clock.Advance(std::chrono::seconds(2));
  EXPECT_FALSE(store->sink().Write(std::move(batch)));
  const telemetry::Matchers up = {Matcher::Equal("__name__", "up")};
  EXPECT_THAT(ReadSamples(*store, up)[Series()], SizeIs(1));

  disk.set_full(false);
  clock.Advance(std::chrono::seconds(2));
  const auto again = TryWrite(*store, 3000);
  ASSERT_TRUE(again) << again.error().ToString();
  EXPECT_TRUE(store->stats().writable);
  EXPECT_THAT(ReadSamples(*store, up)[Series()], SizeIs(2));
  EXPECT_EQ(store->stats().series, 1U);
  store.reset();
  store = OpenStore(options, clock);
  const auto kept = ReadSamples(*store, up)[Series()];
  EXPECT_EQ(kept.front().first, 1000);
  EXPECT_EQ(kept.back().first, 3000);
  store.reset();
}

TEST(StoreTest, LittleFreeSpaceRefusesWritesBeforeTheDiskIsFull) {
  const TemporaryDirectory directory;
  SetClock clock;
  StoreOptions options = TestOptions(directory);
  std::uint64_t free = 1ULL << 40;
  options.free_bytes = [&] { return free; };
  auto store = OpenStore(options, clock);
  ASSERT_TRUE(TryWrite(*store, 1000));
  free = 1 << 20;
  const auto refused = TryWrite(*store, 2000);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind(), ErrorKind::kUnavailable);
  EXPECT_THAT(refused.error().message(), HasSubstr("1 MiB left"));
  free = 1ULL << 40;
  EXPECT_TRUE(TryWrite(*store, 2000));
}

TEST(StoreTest, OnlyOneOpensIt) {
  const TemporaryDirectory directory;
  SetClock clock;
  const auto store = OpenStore(TestOptions(directory), clock);
  const auto second = Store::Open(TestOptions(directory), clock);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind(), ErrorKind::kUnavailable);
  EXPECT_THAT(second.error().message(), HasSubstr("another process"));
}

TEST(TurnQueueTest, WritesThatWaitAreCommittedTogetherAndTheQueueIsBounded) {
  std::latch begun(1);
  std::promise<void> go;
  std::vector<std::size_t> groups;
  TurnQueue queue(4, 100, 100, [&](std::vector<QueuedWrite*>& group) {
    groups.push_back(group.size());
    if (groups.size() > 1) return;
    begun.count_down();
    go.get_future().wait();
  });
  const auto write = [&] {
    QueuedWrite one{.items = 10};
    EXPECT_TRUE(queue.Write(one));
  };
  std::vector<std::thread> writers;
  writers.emplace_back(write);
  begun.wait();
  for (int i = 0; i < 3; ++i) writers.emplace_back(write);
  while (queue.waiting() < 4) std::this_thread::yield();
  QueuedWrite too_many{.items = 1};
  EXPECT_FALSE(queue.Write(too_many));
  go.set_value();
  for (std::thread& writer : writers) writer.join();
  // Those that waited went together, though one may have come after the others were taken.
  EXPECT_GE(groups.size(), 2U);
  EXPECT_LE(groups.size(), 4U);
  EXPECT_EQ(queue.waiting(), 0U);
}

TEST(TurnQueueTest, ATaskIsAlone) {
  std::atomic<int> inside = 0;
  TurnQueue queue(100, 1000, 1000, [&](std::vector<QueuedWrite*>&) {
    EXPECT_EQ(++inside, 1);
    --inside;
  });
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i)
    threads.emplace_back([&, i] {
      for (int n = 0; n < 200; ++n) {
        QueuedWrite one{.items = 1};
        if (i % 3 != 0)
          EXPECT_TRUE(queue.Write(one));
        else
          queue.Run([&] {
            EXPECT_EQ(++inside, 1);
            --inside;
          });
      }
    });
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace enclave::observatory::store
