#include "cluster/api/trace_note.h"

#include <algorithm>
#include <array>

#include "cluster/api/object_meta.h"

namespace enclave::cluster {
namespace {

using kube::At;
using kube::Json;

void SetTraceAnnotation(Json& object, std::string_view trace_id) {
  Json& annotations = object["metadata"]["annotations"];
  if (!annotations.is_object()) annotations = Json::object();
  annotations[kTraceIdAnnotation] = trace_id;
}

void RemoveTraceAnnotation(Json& object) {
  Json& metadata = object["metadata"];
  const auto annotations = metadata.find("annotations");
  if (annotations == metadata.end() || !annotations->is_object()) return;
  if (annotations->erase(kTraceIdAnnotation) > 0 && annotations->empty()) {
    metadata.erase(annotations);
  }
}

// Whether the objects differ in members other than these.
template <std::size_t N>
bool DifferBeside(const Json& a, const Json& b, const std::array<std::string_view, N>& ignored) {
  const auto is_ignored = [&](const std::string& key) {
    return std::ranges::find(ignored, key) != ignored.end();
  };
  const auto differs = [&](const Json& one, const Json& other, bool values) {
    for (const auto& [key, value] : one.items()) {
      if (is_ignored(key)) continue;
      const auto found = other.find(key);
      if (found == other.end() || (values && *found != value)) return true;
    }
    return false;
  };
  return differs(a, b, true) || differs(b, a, false);
}

bool ChangedOnPurpose(const Json& fresh, const Json& old) {
  constexpr std::array<std::string_view, 2> kApart = {"status", "metadata"};
  constexpr std::array<std::string_view, 4> kNotes = {"annotations", "managedFields",
                                                      "resourceVersion", "generation"};
  return DifferBeside(fresh, old, kApart) ||
         DifferBeside(At(fresh, "metadata"), At(old, "metadata"), kNotes);
}

}  // namespace

const std::string& TraceAnnotationOf(const Json& object) {
  static const std::string kNone;
  const Json& annotations = At(object, "metadata.annotations");
  if (!annotations.is_object()) return kNone;
  const auto found = annotations.find(kTraceIdAnnotation);
  return found != annotations.end() && found->is_string() ? found->get_ref<const std::string&>()
                                                          : kNone;
}

void NoteTraceOfNew(Json& fresh, const TraceNote& note) {
  if (!note.trace_id.empty() && !note.dry_run) SetTraceAnnotation(fresh, note.trace_id);
}

void NoteTraceOfChange(Json& fresh, const Json& old, const TraceNote& note) {
  const bool changed = !note.dry_run && ChangedOnPurpose(fresh, old);
  if (changed && !note.trace_id.empty()) return SetTraceAnnotation(fresh, note.trace_id);
  if (!note.of_client || note.named) return;
  const std::string& before = TraceAnnotationOf(old);
  if (changed || before.empty()) return RemoveTraceAnnotation(fresh);
  SetTraceAnnotation(fresh, before);
}

bool PatchNamesTrace(kube::PatchType type, const Json& patch) {
  if (type != kube::PatchType::kJson) {
    const Json& annotations = At(patch, "metadata.annotations");
    return annotations.is_object() && annotations.contains(kTraceIdAnnotation);
  }
  if (!patch.is_array()) return false;
  return std::ranges::any_of(patch, [](const Json& operation) {
    return kube::StringAt(operation, "path") == "/metadata/annotations/enclave.dev~1trace-id";
  });
}

}  // namespace enclave::cluster
