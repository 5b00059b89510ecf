#include "observatory/store/log_block.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "observatory/store/log_filter.h"

namespace enclave::observatory::store {
namespace {

LogRows RandomRows(base::Random& random, std::size_t count) {
  LogRowsBuilder builder;
  std::int64_t time = 1'700'000'000'000'000'000;
  for (std::size_t i = 0; i < count; ++i) {
    time += static_cast<std::int64_t>(random.Below(1'000'000)) - 100'000;
    const telemetry::Labels metadata =
        telemetry::Labels::From({{"level", random.Text("abc", 1)}, {"pod", random.Text("xy", 2)}});
    LogIds ids;
    if (random.Below(2) == 0) ids.trace = trace::TraceId::Make(random);
    if (random.Below(2) == 0) ids.span = trace::SpanId::Make(random);
    builder.Add(time, random.Below(1000), random.Text("abcdefgh \n", random.Below(80)),
                random.Below(3) == 0 ? nullptr : &metadata, ids);
  }
  return builder.Finish();
}

std::string Print(const LogRows& rows) {
  std::string text;
  for (const LogRow& row : rows.rows) {
    const telemetry::Labels* metadata = rows.MetadataOf(row);
    const LogIds* ids = rows.IdsOf(row);
    text += std::to_string(row.time_ns) + " " + std::to_string(row.seq) + " " +
            std::string(rows.Line(row)) + (metadata != nullptr ? metadata->ToString() : "-") +
            (ids != nullptr && ids->trace ? ids->trace->ToString() : "-") +
            (ids != nullptr && ids->span ? ids->span->ToString() : "-") + "\n";
  }
  return text;
}

TEST(LogBlockTest, RowsComeBackAsTheyWere) {
  base::SeededRandom random(7);
  for (const std::size_t count : {0UL, 1UL, 2UL, 50UL, 700UL}) {
    const LogRows rows = RandomRows(random, count);
    std::string columns;
    std::string lines;
    EncodeLogColumns(rows, 0, rows.rows.size(), columns, lines);
    const std::string bytes = EncodeLogBlock(columns, lines);
    const auto block = LogBlockReader::Open(bytes);
    ASSERT_TRUE(block);
    auto unpacked = block->Lines();
    ASSERT_TRUE(unpacked);
    EXPECT_EQ(*unpacked, lines);
    const auto again = block->Rows(std::move(*unpacked));
    ASSERT_TRUE(again) << again.error().message();
    EXPECT_EQ(Print(*again), Print(rows));
  }
}

TEST(LogBlockTest, ABlockIsAnyRangeOfRows) {
  base::SeededRandom random(8);
  const LogRows rows = RandomRows(random, 100);
  std::string columns;
  std::string lines;
  EncodeLogColumns(rows, 20, 60, columns, lines);
  const auto part = DecodeLogColumns(columns, lines);
  ASSERT_TRUE(part);
  LogRows expected = rows;
  expected.rows.assign(rows.rows.begin() + 20, rows.rows.begin() + 60);
  EXPECT_EQ(Print(*part), Print(expected));
}

TEST(LogBlockTest, EveryDamagedByteIsAnErrorOrAnotherBlockNeverACrash) {
  base::SeededRandom random(9);
  const LogRows rows = RandomRows(random, 20);
  std::string columns;
  std::string lines;
  EncodeLogColumns(rows, 0, rows.rows.size(), columns, lines);
  for (std::size_t i = 0; i <= columns.size(); ++i) {
    EXPECT_FALSE(DecodeLogColumns(columns.substr(0, i), i < columns.size() ? lines : lines + "x"));
    for (int bit = 0; bit < 8 && i < columns.size(); ++bit) {
      std::string damaged = columns;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << bit));
      (void)DecodeLogColumns(damaged, lines).has_value();
    }
  }
}

TEST(LogBlockTest, ALengthThatLiesTakesNoMemory) {
  std::string bytes("\x01", 1);
  for (int i = 0; i < 2; ++i) bytes += "\xff\xff\xff\xff\x0f";  // 4 GiB
  bytes += std::string("\x01z", 2);
  const auto block = LogBlockReader::Open(bytes);
  ASSERT_TRUE(block);
  EXPECT_FALSE(block->Lines());
}

TEST(LogRowsTest, TheSameRecordIsKeptOnce) {
  LogRowsBuilder builder;
  const telemetry::Labels error{{"level", "error"}};
  const telemetry::Labels info{{"level", "info"}};
  builder.Add(2, 1, "a", &error, {});
  builder.Add(1, 1, "b", &error, {});
  builder.Add(2, 2, "a", &error, {});  // again
  builder.Add(2, 2, "a", &info, {});
  builder.Add(2, 2, "c", &error, {});
  const LogRows rows = builder.Finish();
  EXPECT_EQ(Print(rows),
            "1 1 b{level=\"error\"}--\n2 1 a{level=\"error\"}--\n2 2 a{level=\"info\"}--\n"
            "2 2 c{level=\"error\"}--\n");
}

TEST(LogFilterTest, NeverDeniesWhatIsThere) {
  base::SeededRandom random(10);
  for (const std::size_t bytes : {0UL, 3UL, 100UL, 5000UL, 200000UL}) {
    const std::string text = random.Text("abcdefghijklmnopqrstuvwxyz0123456789 =", bytes);
    const std::string filter = BuildLogFilter(text);
    EXPECT_LE(filter.size(), 4096u);
    for (int i = 0; i < 100 && bytes > 0; ++i) {
      const std::size_t at = random.Below(bytes);
      EXPECT_TRUE(LogFilterMayContain(filter, text.substr(at, random.Below(12))));
    }
  }
}

TEST(LogFilterTest, DeniesMostOfWhatIsNot) {
  const std::string filter = BuildLogFilter("GET /cart 200 in 3ms; GET /product/66VCHSJNUP 200");
  EXPECT_EQ(filter.size(), 64u);
  EXPECT_FALSE(LogFilterMayContain(filter, "timeout"));
  EXPECT_FALSE(LogFilterMayContain(filter, "panic: nil"));
  EXPECT_TRUE(LogFilterMayContain(filter, "product/66"));
  EXPECT_TRUE(LogFilterMayContain(filter, "zz")) << "too short to tell";
  EXPECT_TRUE(LogFilterMayContain("odd", "timeout")) << "not a filter";
}

}  // namespace
}  // namespace enclave::observatory::store
