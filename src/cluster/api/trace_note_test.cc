#include "cluster/api/trace_note.h"

#include <gtest/gtest.h>

#include "cluster/api/object_meta.h"

namespace enclave::cluster {
namespace {

using kube::Json;
using kube::PatchType;

const std::string kFormerTrace = "0af7651916cd43dd8448eb211c80319c";
const std::string kNextTrace = "4bf92f3577b34da6a3ce929d0e0e4736";
const std::string kNoTrace;

Json TracedWeb(const std::string& trace, int replicas = 1) {
  Json web = {{"metadata", {{"name", "web"}, {"labels", {{"app", "web"}}}}},
              {"spec", {{"replicas", replicas}}},
              {"status", {{"replicas", 0}}}};
  if (!trace.empty()) web["metadata"]["annotations"][kTraceIdAnnotation] = trace;
  return web;
}

// The annotation after a write of `fresh` over `old`.
std::string TraceAfter(Json fresh, const Json& old, const TraceNote& note) {
  NoteTraceOfChange(fresh, old, note);
  return TraceAnnotationOf(fresh);
}

const TraceNote kTraced{.trace_id = kNextTrace, .of_client = true};
const TraceNote kUntraced{.trace_id = kNoTrace, .of_client = true};
const TraceNote kConsequence{.trace_id = kNoTrace};

TEST(TraceNoteTest, WhatIsMadeOrChangedBelongsToTheTrace) {
  Json fresh = TracedWeb(kNoTrace);
  NoteTraceOfNew(fresh, kTraced);
  EXPECT_EQ(TraceAnnotationOf(fresh), kNextTrace);
  EXPECT_EQ(TraceAfter(TracedWeb(kFormerTrace, 2), TracedWeb(kFormerTrace), kTraced), kNextTrace);
  EXPECT_EQ(TraceAfter(TracedWeb(kNoTrace, 2), TracedWeb(kFormerTrace), kTraced), kNextTrace);
  Json labelled = TracedWeb(kFormerTrace);
  labelled["metadata"]["labels"]["tier"] = "front";
  EXPECT_EQ(TraceAfter(labelled, TracedWeb(kFormerTrace), kTraced), kNextTrace);
  EXPECT_EQ(TraceAfter(Json{{"data", {{"a", "1"}}}}, Json{{"data", {{"a", "2"}}}}, kTraced),
            kNextTrace);
}

TEST(TraceNoteTest, StatusAndNotesAreNoChange) {
  EXPECT_EQ(TraceAfter(TracedWeb(kFormerTrace), TracedWeb(kFormerTrace), kTraced), kFormerTrace);
  Json fresh = TracedWeb(kFormerTrace);
  fresh["status"]["replicas"] = 1;
  EXPECT_EQ(TraceAfter(fresh, TracedWeb(kFormerTrace), kTraced), kFormerTrace);
  fresh = TracedWeb(kFormerTrace);
  fresh["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] = "{}";
  EXPECT_EQ(TraceAfter(fresh, TracedWeb(kFormerTrace), kTraced), kFormerTrace);
  fresh = TracedWeb(kNoTrace);
  NoteTraceOfChange(fresh, TracedWeb(kNoTrace), kTraced);
  EXPECT_EQ(fresh, TracedWeb(kNoTrace)) << "and leaves no empty map behind";
}

TEST(TraceNoteTest, AChangeWithoutATraceEndsTheFormerOne) {
  Json fresh = TracedWeb(kFormerTrace, 2);
  NoteTraceOfChange(fresh, TracedWeb(kFormerTrace), kUntraced);
  EXPECT_EQ(fresh, TracedWeb(kNoTrace, 2));
  EXPECT_EQ(TraceAfter(TracedWeb(kFormerTrace, 2), TracedWeb(kFormerTrace), kConsequence),
            kFormerTrace)
      << "a controller's scaling";
}

TEST(TraceNoteTest, ABodyThatLeavesTheAnnotationOutKeepsIt) {
  EXPECT_EQ(TraceAfter(TracedWeb(kNoTrace), TracedWeb(kFormerTrace), kUntraced), kFormerTrace)
      << "kubectl replace of the same file";
  EXPECT_EQ(TraceAfter(TracedWeb(kNoTrace), TracedWeb(kFormerTrace), kTraced), kFormerTrace);
}

TEST(TraceNoteTest, WhatTheClientNamesItselfStays) {
  TraceNote named = kUntraced;
  named.named = true;
  EXPECT_EQ(TraceAfter(TracedWeb(kNextTrace, 2), TracedWeb(kFormerTrace), named), kNextTrace);
  EXPECT_EQ(TraceAfter(TracedWeb(kNoTrace), TracedWeb(kFormerTrace), named), "");
}

TEST(TraceNoteTest, ADryRunNotesNothing) {
  TraceNote dry = kTraced;
  dry.dry_run = true;
  EXPECT_EQ(TraceAfter(TracedWeb(kFormerTrace, 2), TracedWeb(kFormerTrace), dry), kFormerTrace);
  Json fresh = TracedWeb(kNoTrace);
  NoteTraceOfNew(fresh, dry);
  EXPECT_EQ(fresh, TracedWeb(kNoTrace));
  dry = kUntraced;
  dry.dry_run = true;
  EXPECT_EQ(TraceAfter(TracedWeb(kFormerTrace, 2), TracedWeb(kFormerTrace), dry), kFormerTrace);
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
