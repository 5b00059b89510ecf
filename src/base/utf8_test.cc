#include "base/utf8.h"

#include <gtest/gtest.h>

namespace enclave::base {
namespace {

TEST(Utf8Test, TakesCharactersOfEverySize) {
  EXPECT_TRUE(IsUtf8(""));
  EXPECT_TRUE(IsUtf8("plain"));
  EXPECT_TRUE(IsUtf8("caf\u00e9 \u20ac \U0001f600, and on past eight bytes"));
  EXPECT_EQ(CharacterSize("\u20ac"), 3U);
  EXPECT_EQ(CharacterSize(""), 0U);
}

TEST(Utf8Test, RefusesWhatTheStandardRefuses) {
  EXPECT_FALSE(IsUtf8("long enough, then \xff"));
  EXPECT_FALSE(IsUtf8("\xc3"));              // cut off
  EXPECT_FALSE(IsUtf8("\x80"));              // begins in the middle
  EXPECT_FALSE(IsUtf8("\xc0\xaf"));          // longer than needed
  EXPECT_FALSE(IsUtf8("\xe0\x80\xaf"));      // longer than needed
  EXPECT_FALSE(IsUtf8("\xed\xa0\x80"));      // half of a pair
  EXPECT_FALSE(IsUtf8("\xf4\x90\x80\x80"));  // past the last character
}

}  // namespace
}  // namespace enclave::base
