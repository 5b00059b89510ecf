#include "kube/patch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"

namespace enclave::kube {
namespace {

using base::ErrorKind;
using ::testing::HasSubstr;

Json J(std::string_view text) {
  return Json::parse(text);
}

ErrorKind KindOf(const base::Result<Json>& result) {
  EXPECT_FALSE(result) << *result;
  return result ? ErrorKind::kInternal : result.error().kind();
}

Json Nested(int depth, Json inner) {
  for (int i = 0; i < depth; ++i) inner = Json{{"a", std::move(inner)}};
  return inner;
}

struct Case {
  const char* target;
  const char* patch;
  const char* result;
};

// RFC 7386, appendix A.
TEST(MergePatch, ExamplesOfTheRfc) {
  for (const auto& [target, patch, result] : std::initializer_list<Case>{
           {R"({"a":"b"})", R"({"a":"c"})", R"({"a":"c"})"},
           {R"({"a":"b"})", R"({"b":"c"})", R"({"a":"b","b":"c"})"},
           {R"({"a":"b"})", R"({"a":null})", R"({})"},
           {R"({"a":"b","b":"c"})", R"({"a":null})", R"({"b":"c"})"},
           {R"({"a":["b"]})", R"({"a":"c"})", R"({"a":"c"})"},
           {R"({"a":"c"})", R"({"a":["b"]})", R"({"a":["b"]})"},
           {R"({"a":{"b":"c"}})", R"({"a":{"b":"d","c":null}})", R"({"a":{"b":"d"}})"},
           {R"({"a":[{"b":"c"}]})", R"({"a":[1]})", R"({"a":[1]})"},
           {R"(["a","b"])", R"(["c","d"])", R"(["c","d"])"},
           {R"({"a":"b"})", R"(["c"])", R"(["c"])"},
           {R"({"a":"foo"})", R"(null)", R"(null)"},
           {R"({"a":"foo"})", R"("bar")", R"("bar")"},
           {R"({"e":null})", R"({"a":1})", R"({"e":null,"a":1})"},
           {R"([1,2])", R"({"a":"b","c":null})", R"({"a":"b"})"},
           {R"({})", R"({"a":{"bb":{"ccc":null}}})", R"({"a":{"bb":{}}})"},
       }) {
    EXPECT_EQ(*ApplyMergePatch(J(target), J(patch)), J(result)) << target << patch;
  }
}

TEST(MergePatch, BoundsDepth) {
  EXPECT_TRUE(ApplyMergePatch(Json::object(), Nested(kMaxPatchDepth, 1)));
  EXPECT_EQ(KindOf(ApplyMergePatch(Json::object(), Nested(kMaxPatchDepth + 1, 1))),
            ErrorKind::kTooLarge);
}

TEST(MergePatch, DiffGivesTheOther) {
  const Json before = J(R"({"a":1,"b":{"c":[1],"d":2},"e":"x"})");
  const Json after = J(R"({"a":2,"b":{"c":[2],"f":{}},"g":true})");
  const Json patch = DiffMergePatch(before, after);
  EXPECT_EQ(*ApplyMergePatch(before, patch), after);
  EXPECT_EQ(patch, J(R"({"a":2,"b":{"c":[2],"d":null,"f":{}},"e":null,"g":true})"));
  EXPECT_EQ(DiffMergePatch(before, before), Json::object());
}

TEST(JsonPatch, EveryOperation) {
  for (const auto& [target, patch, result] : std::initializer_list<Case>{
           {R"({"a":1})", R"([{"op":"add","path":"/b","value":2}])", R"({"a":1,"b":2})"},
           {R"({"a":[1,3]})", R"([{"op":"add","path":"/a/1","value":2}])", R"({"a":[1,2,3]})"},
           {R"({"a":[1]})", R"([{"op":"add","path":"/a/-","value":2}])", R"({"a":[1,2]})"},
           {R"({"a":[1]})", R"([{"op":"add","path":"/a/1","value":2}])", R"({"a":[1,2]})"},
           {R"({"a":1})", R"([{"op":"remove","path":"/a"}])", R"({})"},
           {R"({"a":[1,2,3]})", R"([{"op":"remove","path":"/a/1"}])", R"({"a":[1,3]})"},
           {R"({"a":1})", R"([{"op":"replace","path":"/a","value":{}}])", R"({"a":{}})"},
           {R"({"a":1})", R"([{"op":"replace","path":"","value":{"b":1}}])", R"({"b":1})"},
           {R"({"a":{"b":1}})", R"([{"op":"move","from":"/a/b","path":"/c"}])",
            R"({"a":{},"c":1})"},
           {R"({"a":[1,2]})", R"([{"op":"move","from":"/a/0","path":"/a/1"}])", R"({"a":[2,1]})"},
           {R"({"a":1})", R"([{"op":"move","from":"/a","path":"/a"}])", R"({"a":1})"},
           {R"({"a":[1]})", R"([{"op":"copy","from":"/a","path":"/b"}])", R"({"a":[1],"b":[1]})"},
           {R"({"a/b":{"~":1}})", R"([{"op":"test","path":"/a~1b/~0","value":1}])",
            R"({"a/b":{"~":1}})"},
           {R"({"":1})", R"([{"op":"replace","path":"/","value":2}])", R"({"":2})"},
           {R"({})", R"([{"op":"test","path":"/x","value":null}])", R"({})"},
           {R"({"1":{}})", R"([{"op":"add","path":"/1/01","value":2}])", R"({"1":{"01":2}})"},
           {R"({})", R"([])", R"({})"},
       }) {
    const auto patched = ApplyJsonPatch(J(target), J(patch));
    ASSERT_TRUE(patched) << patch << patched.error().ToString();
    EXPECT_EQ(*patched, J(result)) << patch;
  }
}

TEST(JsonPatch, WhatDoesNotFitIsUnprocessable) {
  for (const char* patch : {
           R"([{"op":"test","path":"/a","value":2}])",
           R"([{"op":"test","path":"/x","value":2}])",
           R"([{"op":"remove","path":"/x"}])",
           R"([{"op":"remove","path":""}])",
           R"([{"op":"remove","path":"/l/1"}])",
           R"([{"op":"remove","path":"/l/-"}])",
           R"([{"op":"replace","path":"/x","value":1}])",
           R"([{"op":"replace","path":"/l/01","value":1}])",
           R"([{"op":"add","path":"/x/y","value":1}])",
           R"([{"op":"add","path":"/a/y","value":1}])",
           R"([{"op":"add","path":"/l/2","value":1}])",
           R"([{"op":"add","path":"/l/x","value":1}])",
           R"([{"op":"move","from":"/x","path":"/y"}])",
           R"([{"op":"move","from":"/o","path":"/o/p"}])",
           R"([{"op":"copy","from":"/x","path":"/y"}])",
       }) {
    EXPECT_EQ(KindOf(ApplyJsonPatch(J(R"({"a":1,"l":[0],"o":{}})"), J(patch))),
              ErrorKind::kUnprocessable)
        << patch;
  }
}

TEST(JsonPatch, WhatIsNoPatchIsInvalid) {
  for (const char* patch : {
           R"({})",
           R"([1])",
           R"([{}])",
           R"([{"op":"add","path":"/a"}])",
           R"([{"op":"add","value":1}])",
           R"([{"op":"add","path":3,"value":1}])",
           R"([{"op":"add","path":"a","value":1}])",
           R"([{"op":"add","path":"/a~2","value":1}])",
           R"([{"op":"add","path":"/a~","value":1}])",
           R"([{"op":"grow","path":"/a"}])",
           R"([{"op":"move","path":"/a"}])",
       }) {
    const auto result = ApplyJsonPatch(J(R"({"a":1})"), J(patch));
    EXPECT_EQ(KindOf(result), ErrorKind::kInvalidArgument) << patch;
  }
  const auto second = ApplyJsonPatch(
      J("{}"), J(R"([{"op":"add","path":"/a","value":1},{"op":"remove","path":"/b"}])"));
  EXPECT_THAT(second.error().message(), HasSubstr("operation 1"));
}

TEST(JsonPatch, IsBounded) {
  Json many = Json::array();
  for (std::size_t i = 0; i <= kMaxPatchOperations; ++i) {
    many.push_back({{"op", "add"}, {"path", "/a"}, {"value", 1}});
  }
  EXPECT_EQ(KindOf(ApplyJsonPatch(J("{}"), many)), ErrorKind::kTooLarge);

  Json doubling = Json::array();
  for (int i = 0; i < 60; ++i) {
    doubling.push_back({{"op", "copy"}, {"from", "/l"}, {"path", "/l/-"}});
  }
  EXPECT_EQ(KindOf(ApplyJsonPatch(J(R"({"l":[1]})"), doubling)), ErrorKind::kTooLarge);

  EXPECT_EQ(
      KindOf(ApplyJsonPatch(
          J("{}"), Json::array({{{"op", "add"}, {"path", "/a"}, {"value", Nested(200, 1)}}}))),
      ErrorKind::kTooLarge);
}

// --- strategic merge ---

Json Smp(std::string_view target, std::string_view patch) {
  const auto result = ApplyStrategicMergePatch(J(target), J(patch));
  EXPECT_TRUE(result) << patch << ": " << result.error().ToString();
  return result ? *result : Json();
}

constexpr const char* kWeb = R"({
  "spec": {"replicas": 2, "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}},
   "template": {"spec": {
    "containers": [
      {"name": "c1", "image": "a:1", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
       "ports": [{"containerPort": 80, "protocol": "TCP"}, {"containerPort": 81, "protocol": "TCP"}],
       "args": ["x", "y"], "volumeMounts": [{"name": "v", "mountPath": "/v"}]},
      {"name": "c2", "image": "b:1"}],
    "volumes": [{"name": "v", "emptyDir": {}}, {"name": "w", "configMap": {"name": "cm"}}],
    "tolerations": [{"key": "k"}]}}}})";

Json At1(const Json& web, const char* pointer) {
  return web.at(Json::json_pointer(std::string("/spec/template/spec/") + pointer));
}

TEST(StrategicMerge, MergesContainersByName) {
  const Json web = Smp(kWeb, R"({"spec":{"template":{"spec":{"containers":[
      {"name":"c1","image":"a:2"}]}}}})");
  EXPECT_EQ(At1(web, "containers").size(), 2u);
  EXPECT_EQ(At1(web, "containers/0/image"), "a:2");
  EXPECT_EQ(At1(web, "containers/0/env").size(), 2u);
  EXPECT_EQ(At1(web, "containers/1/image"), "b:1");
}

TEST(StrategicMerge, MergesEnvAndPortsByTheirKeys) {
  const Json web = Smp(kWeb, R"({"spec":{"template":{"spec":{"containers":[{"name":"c1",
      "env":[{"name":"B","value":"3"},{"name":"C","value":"4"}],
      "ports":[{"containerPort":81,"name":"http"}], "args":["z"]}],
      "tolerations":[{"key":"other"}]}}}})");
  EXPECT_EQ(At1(web, "containers/0/env"),
            J(R"([{"name":"A","value":"1"},{"name":"B","value":"3"},{"name":"C","value":"4"}])"));
  EXPECT_EQ(At1(web, "containers/0/ports"), J(R"([{"containerPort":80,"protocol":"TCP"},
                  {"containerPort":81,"protocol":"TCP","name":"http"}])"));
  EXPECT_EQ(At1(web, "containers/0/args"), J(R"(["z"])"));
  EXPECT_EQ(At1(web, "tolerations"), J(R"([{"key":"other"}])"));
}

// What kubectl apply sends for a manifest without env B, port 81, container c2 and volume w.
TEST(StrategicMerge, AnApplyThatRemovesRemovesExactlyThat) {
  const char* patch = R"({"spec":{"template":{"spec":{
      "$setElementOrder/containers":[{"name":"c1"}],
      "$setElementOrder/volumes":[{"name":"v"}],
      "containers":[
        {"$setElementOrder/env":[{"name":"A"}],"$setElementOrder/ports":[{"containerPort":80}],
         "name":"c1","env":[{"$patch":"delete","name":"B"}],
         "ports":[{"$patch":"delete","containerPort":81}]},
        {"$patch":"delete","name":"c2"}],
      "volumes":[{"$patch":"delete","name":"w"}]}}}})";
  const Json web = Smp(kWeb, patch);
  Json expected = J(kWeb);
  Json& spec = expected["spec"]["template"]["spec"];
  spec["containers"].erase(1);
  spec["containers"][0]["env"].erase(1);
  spec["containers"][0]["ports"].erase(1);
  spec["volumes"].erase(1);
  EXPECT_EQ(web, expected);
  EXPECT_EQ(Smp(web.dump(), patch), web) << "applied twice it changes nothing";
}

TEST(StrategicMerge, TheLastElementTakesTheFieldWithIt) {
  const Json web =
      Smp(R"({"spec":{"containers":[{"name":"c","env":[{"name":"A"}]}]}})",
          R"({"spec":{"containers":[{"name":"c","env":[{"$patch":"delete","name":"A"}]}]}})");
  EXPECT_EQ(web, J(R"({"spec":{"containers":[{"name":"c"}]}})"));
}

TEST(StrategicMerge, OrderFollowsThePatch) {
  EXPECT_EQ(
      Smp(R"({"containers":[{"name":"a"},{"name":"s"},{"name":"b"}]})",
          R"({"$setElementOrder/containers":[{"name":"b"},{"name":"a"},{"name":"n"}],
                    "containers":[{"name":"n","image":"i"}]})"),
      J(R"({"containers":[{"name":"s"},{"name":"b"},{"name":"a"},{"name":"n","image":"i"}]})"));
  EXPECT_EQ(Smp(R"({"containers":[{"name":"a"},{"name":"s"},{"name":"b"}]})",
                R"({"$setElementOrder/containers":[{"name":"a"},{"name":"b"}]})"),
            J(R"({"containers":[{"name":"a"},{"name":"s"},{"name":"b"}]})"));
  EXPECT_EQ(Smp(R"({"metadata":{"finalizers":["x","y"]}})",
                R"({"metadata":{"$setElementOrder/finalizers":["y","x"]}})"),
            J(R"({"metadata":{"finalizers":["y","x"]}})"));
  // New elements without an order go where the patch puts them.
  EXPECT_EQ(
      Smp(R"({"containers":[{"name":"a"}]})", R"({"containers":[{"name":"n"},{"name":"a"}]})"),
      J(R"({"containers":[{"name":"n"},{"name":"a"}]})"));
}

TEST(StrategicMerge, PrimitiveSets) {
  EXPECT_EQ(
      Smp(R"({"metadata":{"finalizers":["x","y"]}})", R"({"metadata":{"finalizers":["z","x"]}})"),
      J(R"({"metadata":{"finalizers":["z","x","y"]}})"));
  EXPECT_EQ(Smp(R"({"metadata":{"finalizers":["x","y"]}})",
                R"({"metadata":{"$deleteFromPrimitiveList/finalizers":["x","q"]}})"),
            J(R"({"metadata":{"finalizers":["y"]}})"));
  EXPECT_EQ(Smp(R"({"metadata":{"finalizers":["x"]}})",
                R"({"metadata":{"$deleteFromPrimitiveList/finalizers":["x"]}})"),
            J(R"({"metadata":{}})"));
  EXPECT_EQ(
      Smp(R"({"metadata":{}})", R"({"metadata":{"$deleteFromPrimitiveList/finalizers":["x"]}})"),
      J(R"({"metadata":{}})"));
}

TEST(StrategicMerge, RetainKeys) {
  const Json web = Smp(kWeb, R"({"spec":{"strategy":{"$retainKeys":["type"],"type":"Recreate"}}})");
  EXPECT_EQ(web["spec"]["strategy"], J(R"({"type":"Recreate"})"));
  const Json volumes = Smp(kWeb, R"({"spec":{"template":{"spec":{"volumes":[
      {"$retainKeys":["name","secret"],"name":"w","secret":{"secretName":"s"}}]}}}})");
  EXPECT_EQ(At1(volumes, "volumes/1"), J(R"({"name":"w","secret":{"secretName":"s"}})"));
}

TEST(StrategicMerge, ObjectDirectives) {
  const char* target = R"({"a":{"x":1,"y":2}})";
  EXPECT_EQ(Smp(target, R"({"a":{"$patch":"replace","z":3}})"), J(R"({"a":{"z":3}})"));
  EXPECT_EQ(Smp(target, R"({"a":{"$patch":"delete"}})"), J(R"({"a":{}})"));
  EXPECT_EQ(Smp(target, R"({"a":{"$patch":"merge","x":null}})"), J(R"({"a":{"y":2}})"));
  EXPECT_EQ(Smp(target, R"({"$patch":"replace","b":1})"), J(R"({"b":1})"));
  EXPECT_EQ(Smp(target, R"({"b":{"c":null,"d":{"e":null}}})"),
            J(R"({"a":{"x":1,"y":2},"b":{"d":{}}})"));
  EXPECT_EQ(Smp(R"({"a":"s"})", R"({"a":{"b":1}})"), J(R"({"a":{"b":1}})"));
}

TEST(StrategicMerge, ListDirectives) {
  const char* target = R"({"containers":[{"name":"a","image":"1"},{"name":"b"}]})";
  EXPECT_EQ(Smp(target, R"({"containers":[{"$patch":"replace"},{"name":"c"}]})"),
            J(R"({"containers":[{"name":"c"}]})"));
  EXPECT_EQ(Smp(target, R"({"containers":[{"$patch":"merge","name":"a","x":1}]})"),
            J(R"({"containers":[{"name":"a","image":"1","x":1},{"name":"b"}]})"));
  EXPECT_EQ(Smp(target, R"({"containers":[{"$patch":"delete","name":"nobody"}]})"), J(target));
  EXPECT_EQ(Smp(target, R"({"containers":null})"), J("{}"));
  EXPECT_EQ(
      Smp(target, R"({"containers":[{"name":"n","image":"1"},{"name":"n","image":"2"}]})"),
      J(R"({"containers":[{"name":"n","image":"2"},{"name":"a","image":"1"},{"name":"b"}]})"));
}

TEST(StrategicMerge, ServicesConditionsOwners) {
  EXPECT_EQ(Smp(R"({"spec":{"ports":[{"port":80,"targetPort":1},{"port":81}]}})",
                R"({"spec":{"ports":[{"port":80,"targetPort":2}]}})"),
            J(R"({"spec":{"ports":[{"port":80,"targetPort":2},{"port":81}]}})"));
  EXPECT_EQ(Smp(R"({"status":{"conditions":[{"type":"Ready","status":"False"},{"type":"X"}]}})",
                R"({"status":{"conditions":[{"type":"Ready","status":"True"}]}})"),
            J(R"({"status":{"conditions":[{"type":"Ready","status":"True"},{"type":"X"}]}})"));
  EXPECT_EQ(Smp(R"({"metadata":{"ownerReferences":[{"uid":"1","name":"a"}]}})",
                R"({"metadata":{"ownerReferences":[{"uid":"2"},{"$patch":"delete","uid":"1"}]}})"),
            J(R"({"metadata":{"ownerReferences":[{"uid":"2"}]}})"));
  // Lists without a rule are replaced, nulls inside them are absent fields.
  EXPECT_EQ(Smp(R"({"subsets":[{"a":1}]})", R"({"subsets":[{"b":null,"c":1}]})"),
            J(R"({"subsets":[{"c":1}]})"));
}

TEST(StrategicMerge, ContradictionsAreInvalid) {
  for (const char* patch : {
           R"([])",
           R"({"$patch":"explode"})",
           R"({"$patch":7})",
           R"({"containers":[{"image":"x"}]})",
           R"({"containers":["x"]})",
           R"({"containers":[{"$patch":"delete"}]})",
           R"({"containers":[{"$patch":"explode","name":"a"}]})",
           R"({"$setElementOrder/containers":[{"name":"a"}],"containers":[{"name":"b"}]})",
           R"({"$setElementOrder/containers":[{"name":"a"},{"name":"b"}],
               "containers":[{"name":"b"},{"name":"a"}]})",
           R"({"$setElementOrder/containers":{},"containers":[]})",
           R"({"$setElementOrder/containers":3})",
           R"({"$retainKeys":["a"],"b":1})",
           R"({"$retainKeys":"a"})",
           R"({"metadata":{"finalizers":[{}]}})",
           R"({"metadata":{"$deleteFromPrimitiveList/finalizers":"x"}})",
       }) {
    EXPECT_EQ(KindOf(ApplyStrategicMergePatch(J(R"({"containers":[{"name":"a"}]})"), J(patch))),
              ErrorKind::kInvalidArgument)
        << patch;
  }
  EXPECT_EQ(KindOf(ApplyStrategicMergePatch(J("{}"), Nested(kMaxPatchDepth + 1, 1))),
            ErrorKind::kTooLarge);
}

// A patch made of random pieces, applied twice, gives what it gave once.
TEST(StrategicMerge, IsIdempotent) {
  base::SeededRandom random(7);
  const auto element = [&] {
    Json value = {{"name", std::string(1, static_cast<char>('a' + random.Below(5)))}};
    if (random.Below(2) == 0) value["image"] = random.Below(3);
    if (random.Below(4) == 0) value["$patch"] = "delete";
    if (random.Below(3) == 0) {
      value["env"] =
          Json::array({{{"name", std::string(1, static_cast<char>('p' + random.Below(3)))},
                        {"value", random.Below(3)}}});
    }
    return value;
  };
  for (int round = 0; round < 1000; ++round) {
    Json target = {{"containers", Json::array()}};
    for (char name = 'a'; name < 'e'; ++name) {
      if (random.Below(2) == 0) {
        target["containers"].push_back({{"name", std::string(1, name)}, {"x", 1}});
      }
    }
    Json patch = {{"containers", Json::array()}, {"metadata", {{"finalizers", {"f", "g"}}}}};
    for (std::uint64_t n = random.Below(4); n > 0; --n) patch["containers"].push_back(element());
    // An element both deleted and set is a contradiction.
    std::map<std::string, bool> seen;
    bool contradiction = false;
    for (const Json& e : patch["containers"]) {
      contradiction |= !seen.emplace(e["name"].get<std::string>(), true).second;
    }
    if (contradiction) continue;
    const auto once = ApplyStrategicMergePatch(target, patch);
    ASSERT_TRUE(once) << patch;
    const auto twice = ApplyStrategicMergePatch(*once, patch);
    ASSERT_TRUE(twice) << patch;
    EXPECT_EQ(*once, *twice) << target << patch;
  }
}

TEST(StrategicMerge, LargeListsStayLinear) {
  Json target = Json::array();
  Json patch = Json::array();
  for (int i = 0; i < 5'000; ++i) {
    target.push_back({{"name", "n" + std::to_string(i)}});
    patch.push_back({{"name", "n" + std::to_string(5'000 - i)}, {"value", i}});
  }
  const auto result = ApplyStrategicMergePatch({{"env", target}}, {{"env", patch}});
  ASSERT_TRUE(result);
  EXPECT_EQ((*result)["env"].size(), 5'001u);
}

}  // namespace
}  // namespace enclave::kube
