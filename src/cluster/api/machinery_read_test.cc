#include <algorithm>

#include "cluster/api/continue_token.h"
#include "cluster/api/machinery_fixture.h"

namespace enclave::cluster {
namespace {

using base::ErrorKind;
using kube::EventType;
using kube::Json;
using kube::Revision;

class MachineryReadTest : public MachineryFixture {
 protected:
  MachineryReadTest() {
    for (int i = 0; i < 7; ++i) Make(kube::kConfigMap, ConfigMap("m" + std::to_string(i), "1"));
  }
  const Resource& maps() { return *registry->Find(kube::kConfigMap); }

  static std::string Names(const Page& page) {
    std::string names;
    for (const auto& item : page.items) names += item->name() + " ";
    return names;
  }
};

TEST_F(MachineryReadTest, PagesAreOfOneRevision) {
  const Filter all{.ns = "shop"};
  const auto first = machinery->List(maps(), all, 3);
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(Names(*first), "m0 m1 m2 ");
  EXPECT_EQ(first->remaining, 4);
  ASSERT_TRUE(api->Delete(kube::kConfigMap, "shop", "m3", {}).has_value());
  Make(kube::kConfigMap, ConfigMap("m2a", "1"));
  const auto second = machinery->List(maps(), all, 3, first->continue_token);
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(Names(*second), "m3 m4 m5 ");
  EXPECT_EQ(second->revision, first->revision);
  const auto third = machinery->List(maps(), all, 3, second->continue_token);
  EXPECT_EQ(Names(*third), "m6 ");
  EXPECT_EQ(third->continue_token, "");
  EXPECT_EQ(Names(*machinery->List(maps(), all)), "m0 m1 m2 m2a m4 m5 m6 ");
}

TEST_F(MachineryReadTest, ATokenExpiresAndIsNotTakenFromElsewhere) {
  const Filter all{.ns = "shop"};
  const std::string token = machinery->List(maps(), all, 3)->continue_token;
  ErrorOf(machinery->List(maps(), {.ns = "other"}, 3, token), ErrorKind::kExpired);
  ErrorOf(machinery->List(maps(), all, 3, "nonsense"), ErrorKind::kInvalidArgument);
  clock.RunFor(std::chrono::minutes(6));
  ErrorOf(machinery->List(maps(), all, 3, token), ErrorKind::kExpired);
}

TEST_F(MachineryReadTest, TokensComeBackAsTheyWere) {
  const ContinueToken token{Revision{42}, "shop", "name"};
  EXPECT_EQ(*DecodeContinue(EncodeContinue(token)), token);
  EXPECT_FALSE(DecodeContinue("").has_value());
  EXPECT_FALSE(DecodeContinue(std::string(5000, 'a')).has_value());
}

TEST_F(MachineryReadTest, SelectorsOnFields) {
  Filter one{.ns = "shop", .fields = *kube::FieldSelector::Parse("metadata.name=m4")};
  EXPECT_EQ(Names(*machinery->List(maps(), one)), "m4 ");
  one.fields = *kube::FieldSelector::Parse("metadata.name!=m4,metadata.name!=m5");
  EXPECT_EQ(machinery->List(maps(), one)->items.size(), 5u);
  one.fields = *kube::FieldSelector::Parse("data.key=1");
  EXPECT_THAT(ErrorOf(machinery->List(maps(), one), ErrorKind::kInvalidArgument),
              testing::HasSubstr("field label not supported: data.key"));
  ErrorOf(machinery->Watch(maps(), one, Revision::kNone, [](const auto&) {}),
          ErrorKind::kInvalidArgument);
}

TEST_F(MachineryReadTest, AWatcherSeesWhatEntersAndLeavesItsSelection) {
  std::vector<std::pair<EventType, std::string>> seen;
  std::vector<Revision> revisions;
  Filter filter{.ns = "shop", .labels = *kube::LabelSelector::Parse("team=a")};
  auto watch = machinery->Watch(maps(), filter, Revision::kNone, [&](const kube::WatchEvent& e) {
    seen.emplace_back(e.type, e.object->name());
    revisions.push_back(e.revision);
    EXPECT_EQ(e.object->revision(), e.revision);
  });
  ASSERT_TRUE(watch.has_value());
  const auto label = [&](const char* team) {
    const auto patched = api->Patch(kube::kConfigMap, "shop", "m1", kube::PatchType::kMerge,
                                    {{"metadata", {{"labels", {{"team", team}}}}}});
    ASSERT_TRUE(patched.has_value());
  };
  label("b");
  label("a");
  ASSERT_TRUE(api->Patch(kube::kConfigMap, "shop", "m1", kube::PatchType::kMerge,
                         {{"data", {{"key", "2"}}}})
                  .has_value());
  label("b");
  label("a");
  ASSERT_TRUE(api->Delete(kube::kConfigMap, "shop", "m1", {}).has_value());
  const std::vector<std::pair<EventType, std::string>> expected = {{EventType::kAdded, "m1"},
                                                                   {EventType::kModified, "m1"},
                                                                   {EventType::kDeleted, "m1"},
                                                                   {EventType::kAdded, "m1"},
                                                                   {EventType::kDeleted, "m1"}};
  EXPECT_EQ(seen, expected);
  EXPECT_TRUE(std::ranges::is_sorted(revisions));
}

TEST_F(MachineryReadTest, EventsOfTheLocalApiComeOnTheExecutor) {
  const auto list = api->List(kube::kConfigMap, {.ns = "shop"});
  std::vector<std::string> seen;
  auto handle =
      api->Watch(kube::kConfigMap, {.ns = "shop"}, list->revision, clock,
                 [&](const kube::WatchEvent& event) { seen.push_back(event.object->name()); });
  ASSERT_TRUE(handle.has_value());
  Make(kube::kConfigMap, ConfigMap("n1", "1"));
  EXPECT_TRUE(seen.empty());
  clock.RunFor({});
  EXPECT_THAT(seen, testing::ElementsAre("n1"));
  Make(kube::kConfigMap, ConfigMap("n2", "1"));
  handle->reset();
  clock.RunFor({});
  EXPECT_THAT(seen, testing::ElementsAre("n1")) << "no event comes after the end of the watch";
}

}  // namespace
}  // namespace enclave::cluster
