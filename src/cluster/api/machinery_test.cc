#include "cluster/api/machinery.h"

#include "cluster/api/machinery_fixture.h"

namespace enclave::cluster {
namespace {

using base::ErrorKind;
using kube::Json;
using kube::StringAt;
using testing::HasSubstr;
using testing::MatchesRegex;

class MachineryTest : public MachineryFixture {};

TEST_F(MachineryTest, CreateStampsWhatIsTheServers) {
  Json deployment = Deployment("web");
  deployment["metadata"]["uid"] = "mine";
  deployment["metadata"]["generation"] = 9;
  deployment["status"] = {{"replicas", 4}};
  const auto made = Make(kube::kDeployment, deployment);
  ASSERT_NE(made, nullptr);
  EXPECT_NE(made->uid(), "mine");
  EXPECT_EQ(made->uid().size(), 36u);
  EXPECT_EQ(StringAt(made->json(), "metadata.creationTimestamp"), "2023-11-14T22:13:20Z");
  EXPECT_EQ(kube::IntAt(made->json(), "metadata.generation"), 1);
  EXPECT_EQ(StringAt(made->json(), "metadata.namespace"), "shop");
  EXPECT_EQ(StringAt(made->json(), "apiVersion"), "apps/v1");
  EXPECT_EQ(StringAt(made->json(), "kind"), "Deployment");
  EXPECT_TRUE(kube::At(made->json(), "status").is_null());
  EXPECT_NE(made->revision(), kube::Revision::kNone);
}

TEST_F(MachineryTest, GeneratedNamesHaveFiveSafeCharacters) {
  Json pod = Pod("x");
  pod["metadata"].erase("name");
  pod["metadata"]["generateName"] = "web-";
  const auto one = Make(kube::kPod, pod);
  const auto two = Make(kube::kPod, pod);
  EXPECT_THAT(one->name(), MatchesRegex("web-[bcdfghjklmnpqrstvwxz2456789]{5}"));
  EXPECT_NE(one->name(), two->name());
}

TEST_F(MachineryTest, CreateRefusesDuplicatesAndBadObjects) {
  Make(kube::kConfigMap, ConfigMap("a", "1"));
  EXPECT_EQ(ErrorOf(api->Create(kube::kConfigMap, "shop", ConfigMap("a", "2")),
                    ErrorKind::kAlreadyExists),
            "configmaps \"a\" already exists");
  EXPECT_EQ(
      ErrorOf(api->Create(kube::kConfigMap, "none", ConfigMap("b", "2")), ErrorKind::kNotFound),
      "namespaces \"none\" not found");
  EXPECT_THAT(ErrorOf(api->Create(kube::kConfigMap, "shop", ConfigMap("B_", "2")),
                      ErrorKind::kUnprocessable),
              HasSubstr("ConfigMap \"B_\" is invalid: metadata.name: Invalid value: \"B_\": a "
                        "lowercase RFC 1123 subdomain"));
  Json versioned = ConfigMap("c", "1");
  versioned["metadata"]["resourceVersion"] = "7";
  ErrorOf(api->Create(kube::kConfigMap, "shop", versioned), ErrorKind::kInvalidArgument);
  Json elsewhere = ConfigMap("c", "1");
  elsewhere["metadata"]["namespace"] = "other";
  EXPECT_THAT(
      ErrorOf(api->Create(kube::kConfigMap, "shop", elsewhere), ErrorKind::kInvalidArgument),
      HasSubstr("does not match the namespace sent on the request"));
  Json other_kind = ConfigMap("c", "1");
  other_kind["kind"] = "Secret";
  EXPECT_THAT(
      ErrorOf(api->Create(kube::kConfigMap, "shop", other_kind), ErrorKind::kInvalidArgument),
      HasSubstr("cannot be handled as a ConfigMap"));
  ErrorOf(api->Create(kube::kConfigMap, "shop", Json::array()), ErrorKind::kInvalidArgument);
}

TEST_F(MachineryTest, UpdateIsOptimisticOnlyWhenItHoldsARevision) {
  const auto first = Make(kube::kConfigMap, ConfigMap("a", "1"));
  Json stale = first->json();
  Json fresh = first->json();
  fresh["data"]["key"] = "2";
  const auto second = api->Update(kube::kConfigMap, fresh);
  ASSERT_TRUE(second.has_value());
  EXPECT_GT((*second)->revision(), first->revision());
  stale["data"]["key"] = "3";
  EXPECT_THAT(ErrorOf(api->Update(kube::kConfigMap, stale), ErrorKind::kConflict),
              HasSubstr("the object has been modified; please apply your changes"));
  stale["metadata"].erase("resourceVersion");
  ASSERT_TRUE(api->Update(kube::kConfigMap, stale).has_value());
  EXPECT_EQ(StringAt(Find(kube::kConfigMap, "a")->json(), "data.key"), "3");
  stale["metadata"]["uid"] = "another";
  EXPECT_THAT(ErrorOf(api->Update(kube::kConfigMap, stale), ErrorKind::kConflict),
              HasSubstr("Precondition failed: UID in precondition: another"));
  EXPECT_EQ(ErrorOf(api->Update(kube::kConfigMap,
                                [] {
                                  Json absent = ConfigMap("b", "1");
                                  absent["metadata"]["namespace"] = "shop";
                                  return absent;
                                }()),
                    ErrorKind::kNotFound),
            "configmaps \"b\" not found");
}

TEST_F(MachineryTest, WhatChangesNothingIsNotWritten) {
  const auto first = Make(kube::kDeployment, Deployment("web"));
  // With zero values and other spellings, as typed clients write it.
  Json same = first->json();
  same["metadata"]["creationTimestamp"] = nullptr;
  same["spec"]["template"]["metadata"]["creationTimestamp"] = nullptr;
  same["spec"]["template"]["spec"]["hostNetwork"] = false;
  const auto second = api->Update(kube::kDeployment, same);
  ASSERT_TRUE(second.has_value()) << second.error().message();
  EXPECT_EQ((*second)->revision(), first->revision());
  EXPECT_EQ(store.revision(), first->revision());
}

TEST_F(MachineryTest, GenerationCountsChangesOfSpecOnly) {
  Json object = Make(kube::kDeployment, Deployment("web"))->json();
  object["metadata"]["labels"] = {{"a", "b"}};
  auto written = api->Update(kube::kDeployment, object);
  EXPECT_EQ(kube::IntAt((*written)->json(), "metadata.generation"), 1);
  object = (*written)->json();
  object["spec"]["replicas"] = 3;
  written = api->Update(kube::kDeployment, object);
  EXPECT_EQ(kube::IntAt((*written)->json(), "metadata.generation"), 2);
  object = (*written)->json();
  object["status"] = {{"replicas", 3}};
  written = api->Update(kube::kDeployment, object, "status");
  EXPECT_EQ(kube::IntAt((*written)->json(), "metadata.generation"), 2);
}

TEST_F(MachineryTest, SpecAndStatusHaveEachTheirOwnDoor) {
  Json object = Make(kube::kDeployment, Deployment("web"))->json();
  object["status"] = {{"replicas", 9}};
  object["spec"]["replicas"] = 2;
  auto written = api->Update(kube::kDeployment, object);
  EXPECT_TRUE(kube::At((*written)->json(), "status").is_null());
  EXPECT_EQ(kube::IntAt((*written)->json(), "spec.replicas"), 2);
  object = (*written)->json();
  object["status"] = {{"replicas", 1}};
  object["spec"]["replicas"] = 5;
  object["metadata"]["labels"] = {{"x", "y"}};
  written = api->Update(kube::kDeployment, object, "status");
  EXPECT_EQ(kube::IntAt((*written)->json(), "status.replicas"), 1);
  EXPECT_EQ(kube::IntAt((*written)->json(), "spec.replicas"), 2);
  EXPECT_TRUE(kube::At((*written)->json(), "metadata.labels").is_null());
}

TEST_F(MachineryTest, PatchesMergeByTheirOwnRules) {
  Make(kube::kDeployment, Deployment("web"));
  const auto patch = [&](kube::PatchType type, const char* text) {
    return api->Patch(kube::kDeployment, "shop", "web", type, Json::parse(text));
  };
  ASSERT_TRUE(patch(kube::PatchType::kStrategicMerge,
                    R"({"spec": {"template": {"spec": {"containers": [
                        {"name": "side", "image": "s:v1"}]}}}})")
                  .has_value());
  const auto merged = patch(kube::PatchType::kMerge, R"({"metadata": {"labels": {"a": "b"}}})");
  ASSERT_TRUE(merged.has_value());
  EXPECT_EQ(kube::At((*merged)->json(), "spec.template.spec.containers").size(), 2u);
  EXPECT_EQ(StringAt((*merged)->json(), "metadata.labels.a"), "b");
  const auto json =
      patch(kube::PatchType::kJson, R"([{"op": "replace", "path": "/spec/replicas", "value": 7}])");
  ASSERT_TRUE(json.has_value());
  EXPECT_EQ(kube::IntAt((*json)->json(), "spec.replicas"), 7);
  ErrorOf(patch(kube::PatchType::kMerge, R"({"metadata": {"resourceVersion": "1"}})"),
          ErrorKind::kConflict);
  EXPECT_THAT(ErrorOf(patch(kube::PatchType::kMerge, R"({"spec": {"replicas": "many"}})"),
                      ErrorKind::kInvalidArgument),
              HasSubstr("cannot unmarshal string \"many\" into field spec.replicas"));
  ErrorOf(patch(kube::PatchType::kMerge, R"({"metadata": {"name": "other"}})"),
          ErrorKind::kInvalidArgument);
}

TEST_F(MachineryTest, FinalizersHoldADeletedObject) {
  Json map = ConfigMap("a", "1");
  map["metadata"]["finalizers"] = Json::array({"enclave.dev/hold"});
  Make(kube::kConfigMap, map);
  const auto deleted = api->Delete(kube::kConfigMap, "shop", "a", {});
  ASSERT_TRUE(deleted.has_value());
  EXPECT_TRUE((*deleted)->deleting());
  auto still = Find(kube::kConfigMap, "a");
  ASSERT_NE(still, nullptr);
  Json more = still->json();
  more["metadata"]["finalizers"].push_back("enclave.dev/more");
  EXPECT_THAT(ErrorOf(api->Update(kube::kConfigMap, more), ErrorKind::kUnprocessable),
              HasSubstr("no new finalizers can be added if the object is being deleted"));
  EXPECT_THAT(ErrorOf(api->Create(kube::kConfigMap, "shop", ConfigMap("a", "2")),
                      ErrorKind::kAlreadyExists),
              HasSubstr("object is being deleted"));
  Json free = still->json();
  free["metadata"].erase("finalizers");
  ASSERT_TRUE(api->Update(kube::kConfigMap, free).has_value());
  EXPECT_EQ(Find(kube::kConfigMap, "a"), nullptr);
}

TEST_F(MachineryTest, PropagationIsWrittenAsAFinalizer) {
  Make(kube::kDeployment, Deployment("fore"));
  Make(kube::kDeployment, Deployment("orphan"));
  Make(kube::kDeployment, Deployment("back"));
  auto deleted = api->Delete(kube::kDeployment, "shop", "fore", {.propagation = "Foreground"});
  EXPECT_EQ(kube::At((*deleted)->json(), "metadata.finalizers"),
            Json::array({"foregroundDeletion"}));
  EXPECT_EQ(kube::IntAt((*deleted)->json(), "metadata.generation"), 2);
  deleted = api->Delete(kube::kDeployment, "shop", "orphan", {.propagation = "Orphan"});
  EXPECT_EQ(kube::At((*deleted)->json(), "metadata.finalizers"), Json::array({"orphan"}));
  ASSERT_TRUE(
      api->Delete(kube::kDeployment, "shop", "back", {.propagation = "Background"}).has_value());
  EXPECT_EQ(Find(kube::kDeployment, "back"), nullptr);
  ErrorOf(api->Delete(kube::kDeployment, "shop", "fore", {.propagation = "Sideways"}),
          ErrorKind::kUnprocessable);
}

TEST_F(MachineryTest, DeletePreconditions) {
  const auto made = Make(kube::kConfigMap, ConfigMap("a", "1"));
  ErrorOf(api->Delete(kube::kConfigMap, "shop", "a", {.uid = "other"}), ErrorKind::kConflict);
  ErrorOf(api->Delete(kube::kConfigMap, "shop", "a", {.revision = kube::Revision{1}}),
          ErrorKind::kConflict);
  ASSERT_TRUE(
      api->Delete(kube::kConfigMap, "shop", "a", {.uid = made->uid(), .revision = made->revision()})
          .has_value());
  ErrorOf(api->Delete(kube::kConfigMap, "shop", "a", {}), ErrorKind::kNotFound);
}

TEST_F(MachineryTest, PodsGetTimeToEnd) {
  Make(kube::kPod, Pod("unbound"));
  ASSERT_TRUE(api->Delete(kube::kPod, "shop", "unbound", {}).has_value());
  EXPECT_EQ(Find(kube::kPod, "unbound"), nullptr);

  Json bound = Make(kube::kPod, Pod("bound"))->json();
  bound["spec"]["nodeName"] = "here";
  ASSERT_TRUE(api->Update(kube::kPod, bound, "binding").has_value());
  auto pod = Find(kube::kPod, "bound");
  EXPECT_EQ(StringAt(pod->json(), "spec.nodeName"), "here");
  ErrorOf(api->Update(kube::kPod, bound, "binding"), ErrorKind::kConflict);

  auto deleted = api->Delete(kube::kPod, "shop", "bound", {});
  EXPECT_EQ(kube::IntAt((*deleted)->json(), "metadata.deletionGracePeriodSeconds"), 30);
  EXPECT_EQ(StringAt((*deleted)->json(), "metadata.deletionTimestamp"), "2023-11-14T22:13:50Z");
  const auto again = api->Delete(kube::kPod, "shop", "bound", {});
  EXPECT_EQ((*again)->revision(), (*deleted)->revision()) << "nothing new was asked";
  deleted = api->Delete(kube::kPod, "shop", "bound", {.grace_period_seconds = 5});
  EXPECT_EQ(kube::IntAt((*deleted)->json(), "metadata.deletionGracePeriodSeconds"), 5);
  EXPECT_EQ(StringAt((*deleted)->json(), "metadata.deletionTimestamp"), "2023-11-14T22:13:25Z");
  deleted = api->Delete(kube::kPod, "shop", "bound", {.grace_period_seconds = 60});
  EXPECT_EQ(kube::IntAt((*deleted)->json(), "metadata.deletionGracePeriodSeconds"), 5)
      << "the end only comes nearer";
  ASSERT_TRUE(api->Delete(kube::kPod, "shop", "bound", {.grace_period_seconds = 0}).has_value());
  EXPECT_EQ(Find(kube::kPod, "bound"), nullptr);
}

TEST_F(MachineryTest, NamespacesEndInTwoSteps) {
  Make(kube::kConfigMap, ConfigMap("a", "1"));
  const auto deleted = api->Delete(kube::kNamespace, "", "shop", {});
  ASSERT_TRUE(deleted.has_value());
  EXPECT_EQ(StringAt((*deleted)->json(), "status.phase"), "Terminating");
  EXPECT_THAT(ErrorOf(api->Create(kube::kConfigMap, "shop", ConfigMap("b", "1")),
                      ErrorKind::kPermissionDenied),
              HasSubstr("because it is being terminated"));
  ASSERT_TRUE(api->Delete(kube::kConfigMap, "shop", "a", {}).has_value());
  Json last = (*deleted)->json();
  last["spec"]["finalizers"] = Json::array();
  ASSERT_TRUE(api->Update(kube::kNamespace, last, "finalize").has_value());
  ErrorOf(api->Get(kube::kNamespace, "", "shop"), ErrorKind::kNotFound);
  EXPECT_THAT(
      ErrorOf(api->Create(kube::kConfigMap, "shop", ConfigMap("b", "1")), ErrorKind::kNotFound),
      HasSubstr("namespaces \"shop\" not found"));
  MakeNamespace("default");
  ErrorOf(api->Delete(kube::kNamespace, "", "default", {}), ErrorKind::kPermissionDenied);
}

TEST_F(MachineryTest, DryRunAnswersAndWritesNothing) {
  const auto before = store.revision();
  const WriteOptions options{.dry_run = true};
  const WriteResult created = Write([&](WriteCallback done) {
    machinery->Create(registry->Find(kube::kService), "shop", Service("web"), options,
                      std::move(done));
  });
  ASSERT_TRUE(created.object.has_value());
  EXPECT_FALSE(StringAt((*created.object)->json(), "spec.clusterIP").empty());
  EXPECT_EQ(store.revision(), before);
  // The address was not kept: it is the real one's.
  const auto real = Make(kube::kService, Service("web"));
  EXPECT_EQ(StringAt(real->json(), "spec.clusterIP"),
            StringAt((*created.object)->json(), "spec.clusterIP"));
}

TEST_F(MachineryTest, ServiceAddressesAreTheirOwn) {
  // Fifteen are free in a range of 32: 16 are kept for those who ask, one is the broadcast's.
  std::set<std::string> addresses;
  for (int i = 0; i < 15; ++i) {
    const auto made = Make(kube::kService, Service("s" + std::to_string(i)));
    ASSERT_NE(made, nullptr);
    addresses.insert(StringAt(made->json(), "spec.clusterIP"));
  }
  EXPECT_EQ(addresses.size(), 15u);
  ErrorOf(api->Create(kube::kService, "shop", Service("more")), ErrorKind::kResourceExhausted);
  const std::string freed = StringAt(Find(kube::kService, "s3")->json(), "spec.clusterIP");
  ASSERT_TRUE(api->Delete(kube::kService, "shop", "s3", {}).has_value());
  EXPECT_EQ(StringAt(Make(kube::kService, Service("more"))->json(), "spec.clusterIP"), freed);

  Json asked = Service("asked");
  asked["spec"]["clusterIP"] = "127.77.240.1";
  EXPECT_EQ(kube::At(Make(kube::kService, asked)->json(), "spec.clusterIPs"),
            Json::array({"127.77.240.1"}));
  asked["metadata"]["name"] = "asked-too";
  EXPECT_THAT(ErrorOf(api->Create(kube::kService, "shop", asked), ErrorKind::kUnprocessable),
              HasSubstr("provided IP is already allocated"));
  asked["spec"]["clusterIP"] = "10.0.0.1";
  ErrorOf(api->Create(kube::kService, "shop", asked), ErrorKind::kUnprocessable);
  Json headless = Service("headless");
  headless["spec"]["clusterIP"] = "None";
  EXPECT_EQ(StringAt(Make(kube::kService, headless)->json(), "spec.clusterIP"), "None");

  // A new process knows what is taken from what is stored.
  Resource services = *registry->Find(kube::kService);
  services.claims = *ServiceAddresses::Make("127.77.240.0/27");
  registry->Add(std::move(services));
  Machinery next(store, *registry, clock, random);
  LocalApi next_api(next, "system:test");
  ErrorOf(next_api.Create(kube::kService, "shop", Service("late")), ErrorKind::kResourceExhausted);
}

TEST_F(MachineryTest, NothingComesIntoANamespaceThatBeganToGoMeanwhile) {
  // It goes between the computing of the create and its commit.
  Resource maps = *registry->Find(kube::kConfigMap);
  maps.prepare_create = [this](Json&, const WriteContext&) {
    ASSERT_TRUE(api->Delete(kube::kNamespace, "", "shop", {}).has_value());
  };
  registry->Add(std::move(maps));
  EXPECT_THAT(ErrorOf(api->Create(kube::kConfigMap, "shop", ConfigMap("late", "1")),
                      ErrorKind::kPermissionDenied),
              HasSubstr("because it is being terminated"));
  EXPECT_EQ(Find(kube::kConfigMap, "late"), nullptr);
}

TEST_F(MachineryTest, PatchesTellOfUnknownFields) {
  Make(kube::kConfigMap, ConfigMap("a", "1"));
  const auto patch = [&](FieldValidation validation) {
    return Write([&](WriteCallback done) {
      machinery->Patch(registry->Find(kube::kConfigMap), "shop", "a", "", kube::PatchType::kMerge,
                       Json{{"dat", "x"}}, {.field_validation = validation}, std::move(done));
    });
  };
  const WriteResult warned = patch(FieldValidation::kWarn);
  ASSERT_TRUE(warned.object.has_value()) << warned.object.error().message();
  EXPECT_THAT(warned.warnings, testing::ElementsAre("unknown field \"dat\""));
  EXPECT_TRUE(warned.unchanged) << "nothing else was in it";
  EXPECT_TRUE(patch(FieldValidation::kIgnore).warnings.empty());
  EXPECT_THAT(ErrorOf(patch(FieldValidation::kStrict).object, ErrorKind::kInvalidArgument),
              HasSubstr("strict decoding error: unknown field \"dat\""));
}

TEST_F(MachineryTest, APodMayHaveForeverToEndButNoLonger) {
  Json pod = Pod("web");
  pod["spec"]["nodeName"] = "here";
  Make(kube::kPod, pod);
  const auto deleted =
      api->Delete(kube::kPod, "shop", "web",
                  {.grace_period_seconds = std::numeric_limits<std::int64_t>::max()});
  ASSERT_TRUE(deleted.has_value()) << deleted.error().message();
  EXPECT_EQ(kube::IntAt((*deleted)->json(), "metadata.deletionGracePeriodSeconds"), 1 << 30);
  EXPECT_EQ(StringAt((*deleted)->json(), "metadata.deletionTimestamp"), "2057-11-23T11:50:24Z");
}

TEST_F(MachineryTest, AServiceKeepsItsAddressWhenAnUpdateLeavesItOut) {
  const auto made = Make(kube::kService, Service("web"));
  Json bare = Service("web");
  bare["metadata"]["namespace"] = "shop";
  bare["spec"]["ports"][0]["port"] = 81;
  const auto updated = api->Update(kube::kService, bare);
  ASSERT_TRUE(updated.has_value()) << updated.error().message();
  EXPECT_EQ(StringAt((*updated)->json(), "spec.clusterIP"),
            StringAt(made->json(), "spec.clusterIP"));
  bare["spec"]["clusterIP"] = "127.77.240.2";
  EXPECT_THAT(ErrorOf(api->Update(kube::kService, bare), ErrorKind::kUnprocessable),
              HasSubstr("may not change once set"));
}

TEST_F(MachineryTest, ScaleIsAViewOfTheSameObject) {
  Make(kube::kDeployment, Deployment("web"));
  const auto resource = registry->Find(kube::kDeployment);
  const Json view =
      resource->FindSubresource("scale")->view(Find(kube::kDeployment, "web")->json());
  EXPECT_EQ(StringAt(view, "kind"), "Scale");
  EXPECT_EQ(StringAt(view, "status.selector"), "app=web");
  const auto scale = [&](const char* patch) {
    return api->Patch(kube::kDeployment, "shop", "web", kube::PatchType::kMerge, Json::parse(patch),
                      "scale");
  };
  const auto scaled = scale(R"({"spec": {"replicas": 4}})");
  ASSERT_TRUE(scaled.has_value()) << scaled.error().message();
  EXPECT_EQ(kube::IntAt((*scaled)->json(), "spec.replicas"), 4);
  EXPECT_EQ(kube::IntAt((*scaled)->json(), "metadata.generation"), 2);
  ErrorOf(scale(R"({"spec": {"replicas": -1}})"), ErrorKind::kUnprocessable);
  ErrorOf(scale(R"({"metadata": {"resourceVersion": "1"}})"), ErrorKind::kConflict);
}

TEST_F(MachineryTest, UnknownFieldsAreWarnedAboutOrRefused) {
  Json map = ConfigMap("a", "1");
  map["dta"] = 1;
  const auto create = [&](FieldValidation validation) {
    return Write([&](WriteCallback done) {
      machinery->Create(registry->Find(kube::kConfigMap), "shop", map,
                        {.field_validation = validation}, std::move(done));
    });
  };
  EXPECT_THAT(ErrorOf(create(FieldValidation::kStrict).object, ErrorKind::kInvalidArgument),
              HasSubstr("strict decoding error: unknown field \"dta\""));
  const WriteResult warned = create(FieldValidation::kWarn);
  ASSERT_TRUE(warned.object.has_value());
  EXPECT_THAT(warned.warnings, testing::ElementsAre("unknown field \"dta\""));
  EXPECT_TRUE(kube::At((*warned.object)->json(), "dta").is_null());
}

TEST_F(MachineryTest, ATracedChangeIsNotedInTheObject) {
  const std::string trace(32, 'a');
  const auto patch = [&](const char* text) {
    return Write([&](WriteCallback done) {
      machinery->Patch(registry->Find(kube::kConfigMap), "shop", "a", "", kube::PatchType::kMerge,
                       Json::parse(text), {.trace_id = trace}, std::move(done));
    });
  };
  const auto made = Make(kube::kConfigMap, ConfigMap("a", "1"));
  const WriteResult nothing = patch("{}");
  EXPECT_EQ((*nothing.object)->revision(), made->revision());
  const WriteResult changed = patch(R"({"data": {"key": "2"}})");
  EXPECT_EQ(kube::At((*changed.object)->json(), "metadata.annotations")["enclave.dev/trace-id"],
            trace);
}

TEST_F(MachineryTest, ACollectionIsDeletedByItsSelector) {
  for (int i = 0; i < 200; ++i) {
    Json map = ConfigMap("m" + std::to_string(i), "1");
    map["metadata"]["labels"] = {{"odd", i % 2 == 1 ? "yes" : "no"}};
    Make(kube::kConfigMap, map);
  }
  std::optional<std::size_t> deleted;
  const Filter filter{.ns = "shop", .labels = *kube::LabelSelector::Parse("odd=yes")};
  machinery->DeleteCollection(registry->Find(kube::kConfigMap), filter, {}, {},
                              [&](base::Result<std::vector<kube::ObjectPtr>> all) {
                                ASSERT_TRUE(all.has_value());
                                deleted = all->size();
                              });
  EXPECT_EQ(deleted, 100u);
  EXPECT_EQ(api->List(kube::kConfigMap, {.ns = "shop"})->items.size(), 100u);
}

TEST_F(MachineryTest, AKindAddedLaterIsServedLikeAnyOther) {
  Resource widgets;
  widgets.kind = {"example.com", "v1", "Widget", "widgets", true};
  widgets.singular = "widget";
  registry->Add(widgets);
  const auto made = api->Create(widgets.kind, "shop",
                                {{"metadata", {{"name", "w"}}}, {"anything", {{"goes", true}}}});
  ASSERT_TRUE(made.has_value()) << made.error().message();
  EXPECT_TRUE(kube::BoolAt((*made)->json(), "anything.goes"));
  EXPECT_EQ(StringAt((*made)->json(), "apiVersion"), "example.com/v1");
  registry->Remove(widgets.kind);
  ErrorOf(api->Get(widgets.kind, "shop", "w"), ErrorKind::kNotFound);
}

}  // namespace
}  // namespace enclave::cluster
