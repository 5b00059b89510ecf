#include "cluster/api/trace_note.h"

#include <gtest/gtest.h>

#include "cluster/api/object_meta.h"

namespace enclave::cluster {
namespace {

using kube::Json;
using kube::PatchType;

const std::string kOld = "0af7651916cd43dd8448eb211c80319c";
const std::string kNew = "4bf92f3577b34da6a3ce929d0e0e4736";
const std::string kNone;

Json Web(const std::string& trace, int replicas = 1) {
  Json web = {{"metadata", {{"name", "web"}, {"labels", {{"app", "web"}}}}},
              {"spec", {{"replicas", replicas}}},
              {"status", {{"replicas", 0}}}};
  if (!trace.empty()) web["metadata"]["annotations"][kTraceIdAnnotation] = trace;
  return web;
}

// The annotation after a write of `fresh` over `old`.
std::string After(Json fresh, const Json& old, const TraceNote& note) {
  NoteTraceOfChange(fresh, old, note);
  return TraceAnnotationOf(fresh);
}

const TraceNote kTraced{.trace_id = kNew, .of_client = true};
const TraceNote kUntraced{.trace_id = kNone, .of_client = true};
const TraceNote kConsequence{.trace_id = kNone};

TEST(TraceNoteTest, WhatIsMadeOrChangedBelongsToTheTrace) {
  Json fresh = Web(kNone);
  NoteTraceOfNew(fresh, kTraced);
  EXPECT_EQ(TraceAnnotationOf(fresh), kNew);
  EXPECT_EQ(After(Web(kOld, 2), Web(kOld), kTraced), kNew);
  EXPECT_EQ(After(Web(kNone, 2), Web(kOld), kTraced), kNew);
  Json labelled = Web(kOld);
  labelled["metadata"]["labels"]["tier"] = "front";
  EXPECT_EQ(After(labelled, Web(kOld), kTraced), kNew);
  EXPECT_EQ(After(Json{{"data", {{"a", "1"}}}}, Json{{"data", {{"a", "2"}}}}, kTraced), kNew);
}

TEST(TraceNoteTest, StatusAndNotesAreNoChange) {
  EXPECT_EQ(After(Web(kOld), Web(kOld), kTraced), kOld);
  Json fresh = Web(kOld);
  fresh["status"]["replicas"] = 1;
  EXPECT_EQ(After(fresh, Web(kOld), kTraced), kOld);
  fresh = Web(kOld);
  fresh["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] = "{}";
  EXPECT_EQ(After(fresh, Web(kOld), kTraced), kOld);
  fresh = Web(kNone);
  NoteTraceOfChange(fresh, Web(kNone), kTraced);
  EXPECT_EQ(fresh, Web(kNone)) << "and leaves no empty map behind";
}

TEST(TraceNoteTest, AChangeWithoutATraceEndsTheFormerOne) {
  Json fresh = Web(kOld, 2);
  NoteTraceOfChange(fresh, Web(kOld), kUntraced);
  EXPECT_EQ(fresh, Web(kNone, 2));
  EXPECT_EQ(After(Web(kOld, 2), Web(kOld), kConsequence), kOld) << "a controller's scaling";
}

TEST(TraceNoteTest, ABodyThatLeavesTheAnnotationOutKeepsIt) {
  EXPECT_EQ(After(Web(kNone), Web(kOld), kUntraced), kOld) << "kubectl replace of the same file";
  EXPECT_EQ(After(Web(kNone), Web(kOld), kTraced), kOld);
}

TEST(TraceNoteTest, WhatTheClientNamesItselfStays) {
  TraceNote named = kUntraced;
  named.named = true;
  EXPECT_EQ(After(Web(kNew, 2), Web(kOld), named), kNew);
  EXPECT_EQ(After(Web(kNone), Web(kOld), named), "");
}

TEST(TraceNoteTest, ADryRunNotesNothing) {
  TraceNote dry = kTraced;
  dry.dry_run = true;
  EXPECT_EQ(After(Web(kOld, 2), Web(kOld), dry), kOld);
  Json fresh = Web(kNone);
  NoteTraceOfNew(fresh, dry);
  EXPECT_EQ(fresh, Web(kNone));
  dry = kUntraced;
  dry.dry_run = true;
  EXPECT_EQ(After(Web(kOld, 2), Web(kOld), dry), kOld);
}

TEST(TraceNoteTest, PatchesThatNameIt) {
  const Json merge = {{"metadata", {{"annotations", {{kTraceIdAnnotation, nullptr}}}}}};
  EXPECT_TRUE(PatchNamesTrace(PatchType::kMerge, merge));
  EXPECT_TRUE(PatchNamesTrace(PatchType::kStrategicMerge, merge));
  EXPECT_FALSE(PatchNamesTrace(PatchType::kMerge, Json{{"spec", {{"replicas", 2}}}}));
  EXPECT_FALSE(PatchNamesTrace(PatchType::kMerge, Json()));
  EXPECT_TRUE(PatchNamesTrace(
      PatchType::kJson,
      Json::parse(
          R"([{"op": "add", "path": "/metadata/annotations/enclave.dev~1trace-id", "value": "x"}])")));
  EXPECT_FALSE(PatchNamesTrace(
      PatchType::kJson,
      Json::parse(R"([{"op": "replace", "path": "/metadata/annotations", "value": {}}, 7])")));
}

}  // namespace
}  // namespace enclave::cluster
