#include "telemetry/labels.h"

#include <gtest/gtest.h>

namespace enclave::telemetry {
namespace {

TEST(LabelsTest, AreSortedUniqueAndWithoutEmptyValues) {
  const Labels labels{{"job", "web"}, {"code", "200"}, {"job", "api"}, {"pod", ""}};
  EXPECT_EQ(labels.size(), 2u);
  EXPECT_EQ(labels.Get("job"), "api");
  EXPECT_EQ(labels.Get("pod"), "");
  EXPECT_EQ(labels, (Labels{{"code", "200"}, {"job", "api"}}));
}

TEST(LabelsTest, SetReplacesInsertsAndRemoves) {
  Labels labels{{"b", "1"}};
  labels.Set("a", "2");
  labels.Set("b", "3");
  EXPECT_EQ(labels, (Labels{{"a", "2"}, {"b", "3"}}));
  labels.Remove("a");
  EXPECT_EQ(labels, (Labels{{"b", "3"}}));
}

TEST(LabelsTest, PrintAsPrometheusDoes) {
  EXPECT_EQ(Labels().ToString(), "{}");
  EXPECT_EQ((Labels{{"__name__", "up"}}).ToString(), "up");
  EXPECT_EQ((Labels{{"__name__", "up"}, {"job", "a\"b\\c\n"}}).ToString(),
            R"(up{job="a\"b\\c\n"})");
}

TEST(LabelsTest, KeepAndDropAreComplements) {
  const Labels labels{{"a", "1"}, {"b", "2"}, {"c", "3"}};
  EXPECT_EQ(labels.Keep({"a", "c"}), (Labels{{"a", "1"}, {"c", "3"}}));
  EXPECT_EQ(labels.Drop({"a", "c"}), (Labels{{"b", "2"}}));
}

TEST(LabelsTest, HashTellsNamesFromValues) {
  EXPECT_NE((Labels{{"ab", "c"}}).Hash(), (Labels{{"a", "bc"}}).Hash());
  EXPECT_EQ((Labels{{"a", "1"}, {"b", "2"}}).Hash(), (Labels{{"b", "2"}, {"a", "1"}}).Hash());
}

}  // namespace
}  // namespace enclave::telemetry
