#include "telemetry/templates/miner.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"

namespace enclave::telemetry::templates {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

// The templates of the lines, each line by what its id leads to at the end.
std::vector<std::string> TextsOf(const std::vector<std::string>& lines) {
  Miner miner;
  std::vector<TemplateId> ids;
  for (const std::string& line : lines) ids.push_back(miner.Add(line));
  std::vector<std::string> texts;
  for (const TemplateId id : ids) texts.push_back(miner.Text(id));
  return texts;
}

std::string TextOf(const std::string& line) {
  return TextsOf({line}).front();
}

struct Form {
  const char* line;
  const char* text;
};
void PrintTo(const Form& form, std::ostream* out) {
  *out << form.line;
}

class FormTest : public testing::TestWithParam<Form> {};
TEST_P(FormTest, IsFoundInOneLine) {
  EXPECT_EQ(TextOf(GetParam().line), GetParam().text);
}

INSTANTIATE_TEST_SUITE_P(
    Values, FormTest,
    testing::Values(Form{"took 12 ms", "took <*> ms"}, Form{"took 12ms", "took <*>ms"},
                    Form{"took 1m30s in all", "took <*> in all"}, Form{"took <1 sec", "took <*>"},
                    Form{"at -3.5e-7, 99% done", "at <*>, <*> done"},
                    Form{"wrote 5.2 KB of 10MiB", "wrote <*> of <*>"},
                    Form{"peer 10.0.0.7:8080 left", "peer <*>:<*> left"},
                    Form{"peer /10.0.0.7:8080 left", "peer /<*>:<*> left"},
                    Form{"peer fe80::1c:7 via 00:1b:44:11:3a:b7", "peer <*> via <*>"},
                    Form{"from db-7.shop.example:5432", "from <*>:<*>"},
                    Form{"request 3f2b8c1e-9f00-4d2c-8a55-0123456789ab ok", "request <*> ok"},
                    Form{"at 0xdeadbeef and deadbeef42", "at <*> and <*>"},
                    Form{"open /var/lib/shop/a.db: denied", "open <*>: denied"},
                    Form{"open C:\\Data\\a.db now", "open <*> now"},
                    Form{"get https://shop.example/cart?id=7 failed", "get https://<*> failed"},
                    Form{"since 2024-01-02T10:11:12.5Z or 10:11:12", "since <*> or <*>"},
                    Form{"since Tue Jan  2 10:11:12 CET 2024.", "since <*>."},
                    Form{"user=7 name=com.shop.Cart ok=true", "user=<*> name=<*> ok=true"},
                    Form{"points 1, 2, 3 and 4", "points <*>, <*>, <*> and <*>"},
                    Form{"order 20240117 of cart-93412", "order <*> of cart-<*>"},
                    Form{"left......7", "left......<*>"}));

INSTANTIATE_TEST_SUITE_P(
    Words, FormTest,
    testing::Values(Form{"cannot read/write it", "cannot read/write it"},
                    Form{"link eth0 is up", "link eth0 is up"},
                    Form{"main.cc:17 says no", "main.cc:<*> says no"},
                    Form{"Can't do: it's 'not' ready!", "Can't do: it's 'not' ready!"},
                    Form{"a  b\tc", "a  b\tc"}, Form{"", ""}, Form{"  ---  ", "---"},
                    Form{"state changed: LEADING", "state changed: LEADING"},
                    Form{"beef or cafe", "beef or cafe"}));

TEST(Miner, DigitsOfAWordAreAValueOnceTheyDiffer) {
  EXPECT_THAT(TextsOf({"link eth0 is up", "link eth1 is up"}),
              ElementsAre("link eth<*> is up", "link eth<*> is up"));
  EXPECT_THAT(TextsOf({"block rdd_2_0 found", "block rdd_2_1 found", "block rdd_14_1 found"}),
              testing::Each("block rdd_<*> found"));
}

TEST(Miner, IdentifiersThatDifferAreOneValue) {
  EXPECT_THAT(TextsOf({"pod web-1 of team is gone", "pod db-4-a7 of team is gone"}),
              testing::Each("pod <*> of team is gone"));
  EXPECT_THAT(TextsOf({"set the title to \"a b c\" now", "set the title to \"other words\" now"}),
              testing::Each("set the title to \"<*>\" now"));
}

TEST(Miner, WordsNeedManyDifferentOnesToBeAValue) {
  std::vector<std::string> few;
  std::vector<std::string> many;
  for (const char* state : {"starting", "running", "stopping"})
    few.push_back(fmt::format("the worker is {} again", state));
  for (const char* name : {"anna", "bert", "carla", "dora", "emil", "fritz", "gerda", "hans"})
    many.push_back(fmt::format("login of {} failed", name));
  EXPECT_THAT(std::set<std::string>({TextsOf(few)[0], TextsOf(few)[1], TextsOf(few)[2]}),
              SizeIs(3));
  EXPECT_THAT(TextsOf(many), testing::Each("login of <*> failed"));
}

TEST(Miner, TruthValuesStayApart) {
  const auto texts = TextsOf({"cache enabled: true for 7", "cache enabled: false for 9"});
  EXPECT_THAT(texts, ElementsAre("cache enabled: true for <*>", "cache enabled: false for <*>"));
}

TEST(Miner, RowsOfAnyLengthAreOneTemplate) {
  EXPECT_THAT(TextsOf({"channels 1 2 3 open", "channels 4 5 6 7 8 open"}),
              testing::Each("channels <*> open"));
  EXPECT_THAT(TextsOf({"channels 1 2 3 open", "channels 4 5 6 open"}),
              testing::Each("channels <*> <*> <*> open"));
}

TEST(Miner, ARestatementOfASizeMayBeMissing) {
  EXPECT_THAT(TextsOf({"done, 88 bytes sent", "done, 7340032 bytes (7.3 MB) sent"}),
              testing::Each("done, <*> bytes<*>sent"));
}

TEST(Miner, VariablesHaveTypesAndValues) {
  Miner miner;
  const std::string line =
      "GET /cart/items from 10.0.0.7:8080 took 12 ms, 5.5 KB, id 0x7f, user \"ann b\", node-17";
  miner.Add(line);
  miner.Add("GET /x/y from 10.0.0.8:80 took 3 ms, 1 KB, id 0x1, user \"bob c\", node-4");
  const auto variables = miner.Variables(line);
  std::vector<std::string> shown;
  for (const Variable& variable : variables)
    shown.push_back(fmt::format("{} {}{}", ToString(variable.type), variable.text,
                                variable.value ? fmt::format(" = {}", *variable.value) : ""));
  EXPECT_THAT(shown, ElementsAre("path /cart/items", "ip 10.0.0.7", "number 8080 = 8080",
                                 "duration 12 = 0.012", "size 5.5 KB = 5500", "hex 0x7f",
                                 "quoted ann b", "number 17 = 17"));
}

TEST(Miner, EveryValueOfARowIsAVariable) {
  Miner miner;
  miner.Add("points 1, 2, 3");
  EXPECT_THAT(miner.Variables("points 4, 5, 6"), SizeIs(3));
  miner.Add("points 1, 2, 3, 4");
  const auto row = miner.Variables("points 4, 5, 6");
  ASSERT_THAT(row, SizeIs(1));
  EXPECT_EQ(row[0].type, VariableType::kList);
  EXPECT_EQ(row[0].text, "4, 5, 6");
}

TEST(Miner, CountsAndPlaces) {
  Miner miner;
  miner.Add("a started");
  miner.Add("b 1 ended");
  miner.Add("b 2 ended");
  const auto all = miner.Templates();
  ASSERT_THAT(all, SizeIs(2));
  EXPECT_EQ(all[0].text, "b <*> ended");
  EXPECT_EQ(all[0].count, 2u);
  EXPECT_EQ(all[0].first, 2u);
  EXPECT_EQ(all[0].last, 3u);
  EXPECT_EQ(miner.Match("b 77 ended"), all[0].id);
  EXPECT_EQ(miner.Match("c ended"), std::nullopt);
  EXPECT_EQ(miner.messages(), 3u);
}

// ---- ids ----

TEST(Miner, IdsFollowFromTheStatement) {
  Miner one;
  Miner other;
  other.Add("something else that comes first");
  EXPECT_EQ(one.Add("read 7 rows"), other.Add("read 9 rows"));
  EXPECT_NE(one.Add("read 7 rows"), one.Add("wrote 7 rows"));
  // A change of this number breaks what is kept elsewhere under ids: do it only on purpose.
  EXPECT_EQ(ToString(one.Add("read 7 rows")), "a33498b5c75ad8b1");
}

TEST(Miner, OldIdsLeadToTheTemplateThatBecameMoreGeneral) {
  Miner miner;
  const TemplateId web = miner.Add("pod web-1 of team is gone");
  const TemplateId db = miner.Add("pod db-4-a7 of team is gone");
  EXPECT_NE(web, db);
  EXPECT_EQ(miner.Resolve(web), db);
  EXPECT_EQ(miner.Add("pod web-1 of team is gone"), db);
  EXPECT_EQ(miner.Find(web)->count, 3u);
  EXPECT_EQ(miner.Text(web), "pod <*> of team is gone");
  EXPECT_EQ(miner.Text(TemplateId(7)), "");
}

// ---- properties ----

std::vector<std::string> ManyLines(std::uint64_t seed, std::size_t count) {
  base::SeededRandom random(seed);
  const auto below = [&](std::uint64_t n) { return random.Next() % n; };
  const std::vector<const char*> users = {"anna", "bert",  "carla", "dora",
                                          "emil", "fritz", "gerda", "hans"};
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < count; ++i) {
    switch (below(7)) {
      case 0:
        lines.push_back(
            fmt::format("connected to 10.0.0.{}:{} in {} ms", below(250), below(9999), below(100)));
        break;
      case 1:
        lines.push_back(fmt::format("user {} logged in", users[below(users.size())]));
        break;
      case 2:
        lines.push_back(fmt::format("worker-{} is {}", below(40), below(2) == 0 ? "up" : "down"));
        break;
      case 3:
        lines.push_back(fmt::format("sent {} bytes{} to /srv/data/{}.bin", below(1000),
                                    below(2) == 0 ? "" : " (1.5 KB)", below(99)));
        break;
      case 4:
        lines.push_back(fmt::format("cache miss for key {:x}-{:x}", random.Next(), below(7)));
        break;
      case 5:
        lines.push_back("nothing to do");
        break;
      default:
        lines.push_back(fmt::format("tag=\"{} {}\" flags=0x{:x}", users[below(users.size())],
                                    below(3), below(500)));
    }
  }
  return lines;
}

std::map<std::string, std::uint64_t> CountsOf(const std::vector<std::string>& lines) {
  Miner miner;
  for (const std::string& line : lines) miner.Add(line);
  std::map<std::string, std::uint64_t> counts;
  for (const TemplateInfo& info : miner.Templates()) counts[ToString(info.id)] = info.count;
  return counts;
}

TEST(MinerProperty, TheOrderOfLinesDoesNotMatter) {
  std::vector<std::string> lines = ManyLines(1, 2000);
  const auto counts = CountsOf(lines);
  EXPECT_THAT(counts, SizeIs(8));
  base::SeededRandom random(2);
  for (int round = 0; round < 5; ++round) {
    for (std::size_t i = lines.size() - 1; i > 0; --i)
      std::swap(lines[i], lines[random.Next() % (i + 1)]);
    EXPECT_EQ(CountsOf(lines), counts);
  }
}

TEST(MinerProperty, ARestartChangesNothing) {
  const std::vector<std::string> lines = ManyLines(3, 2000);
  Miner whole;
  Miner first;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    whole.Add(lines[i]);
    if (i < 1000) first.Add(lines[i]);
  }
  auto second = Miner::Restore(first.Snapshot());
  ASSERT_TRUE(second.has_value()) << second.error().ToString();
  EXPECT_EQ(second->Snapshot(), first.Snapshot());
  for (std::size_t i = 1000; i < lines.size(); ++i) second->Add(lines[i]);
  const auto expected = whole.Templates();
  const auto found = second->Templates();
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].id, expected[i].id);
    EXPECT_EQ(found[i].text, expected[i].text);
    EXPECT_EQ(found[i].count, expected[i].count);
    EXPECT_EQ(found[i].first, expected[i].first);
    EXPECT_EQ(found[i].last, expected[i].last);
  }
}

TEST(Miner, DamagedSnapshotsAreAnError) {
  Miner miner;
  for (const std::string& line : ManyLines(4, 100)) miner.Add(line);
  const std::string snapshot = miner.Snapshot();
  EXPECT_FALSE(Miner::Restore("").has_value());
  EXPECT_FALSE(Miner::Restore("something").has_value());
  EXPECT_FALSE(Miner::Restore(snapshot + "x").has_value());
  for (std::size_t cut = 0; cut < snapshot.size(); cut += 7)
    EXPECT_FALSE(Miner::Restore(snapshot.substr(0, cut)).has_value());
}

TEST(MinerProperty, MemoryStaysBoundedWhateverComes) {
  Miner::Options options;
  options.max_templates = 500;
  options.max_bytes = 200'000;
  Miner miner(options);
  base::SeededRandom random(5);
  for (int i = 0; i < 20'000; ++i) {
    std::string line;
    const std::size_t words = 1 + random.Next() % 30;
    for (std::size_t w = 0; w < words; ++w) {
      for (std::size_t c = random.Next() % 12 + 1; c > 0; --c)
        line.push_back(static_cast<char>('!' + random.Next() % 94));
      line.push_back(' ');
    }
    miner.Add(line);
    ASSERT_LE(miner.bytes(), options.max_bytes);
    ASSERT_LE(miner.size(), options.max_templates);
  }
  EXPECT_GT(miner.forgotten(), 1000u);
}

TEST(Miner, WhatIsSeenOftenIsNotForgotten) {
  Miner::Options options;
  options.max_templates = 10;
  Miner miner(options);
  const TemplateId id = miner.Add("the one that stays");
  for (char a = 'a'; a <= 'z'; ++a) {
    miner.Add(fmt::format("{0}{0}{0} alone {0}{0}", a));
    miner.Add("the one that stays");
  }
  EXPECT_EQ(miner.Find(id)->count, 27u);
  EXPECT_EQ(miner.size(), 10u);
  EXPECT_GT(miner.forgotten(), 10u);
}

TEST(Miner, LongMessagesAreCut) {
  Miner miner;
  std::string line = "begin";
  for (int i = 0; i < 5000; ++i) line += fmt::format(" x=w{}", i);
  const TemplateId id = miner.Add(line);
  EXPECT_LE(miner.Text(id).size(), 4096u);
  EXPECT_TRUE(miner.Text(id).ends_with("<*>"));
  EXPECT_THAT(miner.Variables(""), IsEmpty());
}

}  // namespace
}  // namespace enclave::telemetry::templates
