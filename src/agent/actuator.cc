#include "agent/actuator.h"

#include <fmt/format.h>

#include "base/check.h"
#include "base/quote.h"
#include "otel/context.h"

namespace enclave::agent {

using base::Error;
using base::ErrorKind;
using base::Fail;
using base::Result;
using kube::At;
using kube::ObjectPtr;
using kube::StringAt;

namespace {

constexpr int kMostRaces = 5;

const kube::Kind& MustKind(const Step& step) {
  const kube::Kind* kind = KindOf(step.resource);
  CHECK(kind != nullptr, "steps are on kinds the agent knows");
  return *kind;
}

std::string Name(const Step& step) {
  return fmt::format("{} {}", step.resource,
                     step.ns.empty() ? step.name : step.ns + "/" + step.name);
}

// The annotations' keys hold dots, so paths do not reach them.
std::string AnnotationOf(const Json& object, const std::string& key) {
  const Json& annotations = At(object, "metadata.annotations");
  const auto found = annotations.is_object() ? annotations.find(key) : annotations.end();
  return annotations.is_object() && found != annotations.end() && found->is_string()
             ? found->get<std::string>()
             : "";
}

void Mark(Json& object, const Marks& marks) {
  Json& annotations = object["metadata"]["annotations"];
  if (!annotations.is_object()) annotations = Json::object();
  if (!marks.trace_id.empty()) annotations[kTraceIdAnnotation] = marks.trace_id;
  annotations[kActionIdAnnotation] = marks.action_id;
  annotations[kIncidentAnnotation] = marks.incident;
}

// The place of `pointer` in `object`, null when absent. Pointers are the agent's own.
Json ValueAt(const Json& object, const Json::json_pointer& pointer) {
  return object.contains(pointer) ? object.at(pointer) : Json();
}

bool IsThere(const Json& object, const Step& step) {
  for (const FieldEdit& edit : step.edits)
    if (ValueAt(object, Json::json_pointer(edit.pointer)) != edit.after) return false;
  return true;
}

Result<> Apply(Json& object, const Step& step) {
  try {
    for (const FieldEdit& edit : step.edits) {
      const Json::json_pointer pointer(edit.pointer);
      if (ValueAt(object, pointer) != edit.before)
        return Fail(ErrorKind::kUnprocessable,
                    fmt::format("{}: {} was changed by somebody since this was planned; the plan "
                                "is made anew",
                                Name(step), edit.pointer));
      if (!edit.after.is_null())
        object[pointer] = edit.after;
      else if (object.contains(pointer))
        object.at(pointer.parent_pointer()).erase(pointer.back());
    }
  } catch (const Json::exception& error) {
    return Fail(
        ErrorKind::kUnprocessable,
        fmt::format("{}: it has not the shape this was planned for: {}", Name(step), error.what()));
  }
  return {};
}

Result<ObjectPtr> Read(kube::Api& api, const Step& step) {
  auto object = api.Get(MustKind(step), step.ns, step.name);
  if (!object) return Fail(object.error().While("reading " + Name(step)));
  return object;
}

Result<> CheckSame(const Step& step, const kube::Object& object) {
  if (step.uid.empty() || object.uid() == step.uid) return {};
  return Fail(ErrorKind::kUnprocessable,
              fmt::format("{} is another object of the same name by now", Name(step)));
}

Result<StepResult> RunEdit(kube::Api& api, const Step& step, const Marks& marks) {
  for (int race = 0; race < kMostRaces; ++race) {
    ASSIGN_OR_RETURN(const ObjectPtr object, Read(api, step));
    RETURN_IF_ERROR(CheckSame(step, *object));
    if (AnnotationOf(object->json(), kActionIdAnnotation) == marks.action_id)
      return StepResult::kWasDone;
    Json changed = object->json();
    if (marks.undo && IsThere(changed, step)) return StepResult::kWasDone;
    RETURN_IF_ERROR(Apply(changed, step));
    Mark(changed, marks);
    const auto written = api.Update(MustKind(step), std::move(changed));
    if (written) return StepResult::kDone;
    if (written.error().kind() != ErrorKind::kConflict)
      return Fail(written.error().While("changing " + Name(step)));
  }
  return Fail(ErrorKind::kUnavailable,
              fmt::format("changing {}: others write it all the time", Name(step)));
}

// Marked first, so that the pod's last state says whose doing its end was.
Result<StepResult> RunDelete(kube::Api& api, const Step& step, const Marks& marks) {
  const kube::Kind& kind = MustKind(step);
  for (int race = 0; race < kMostRaces; ++race) {
    auto object = Read(api, step);
    if (!object && object.error().kind() == ErrorKind::kNotFound) return StepResult::kWasDone;
    if (!object) return Fail(object.error());
    if ((*object)->uid() != step.uid || (*object)->deleting()) return StepResult::kWasDone;
    if (AnnotationOf((*object)->json(), kActionIdAnnotation) != marks.action_id) {
      Json changed = (*object)->json();
      Mark(changed, marks);
      const auto marked = api.Update(kind, std::move(changed));
      if (!marked && (marked.error().kind() == ErrorKind::kConflict ||
                      marked.error().kind() == ErrorKind::kNotFound))
        continue;
      if (!marked) return Fail(marked.error().While("marking " + Name(step)));
    }
    const auto deleted = api.Delete(kind, step.ns, step.name, {.uid = step.uid});
    if (deleted) return StepResult::kDone;
    if (deleted.error().kind() != ErrorKind::kConflict &&
        deleted.error().kind() != ErrorKind::kNotFound)
      return Fail(deleted.error().While("deleting " + Name(step)));
  }
  return Fail(ErrorKind::kUnavailable,
              fmt::format("deleting {}: others write it all the time", Name(step)));
}

}  // namespace

Result<> ServerDryRun::Update(const kube::Kind& kind, const Json& object) {
  const auto answer =
      client_.Send("PUT",
                   kind.Path(kind.namespaced ? StringAt(object, "metadata.namespace") : "",
                             StringAt(object, "metadata.name")) +
                       "?dryRun=All",
                   object.dump(-1, ' ', false, Json::error_handler_t::replace), "application/json");
  if (!answer) return Fail(answer.error());
  return {};
}

Result<> ServerDryRun::Delete(const kube::Kind& kind, const std::string& ns,
                              const std::string& name) {
  const auto answer = client_.Send("DELETE", kind.Path(ns, name) + "?dryRun=All");
  if (!answer) return Fail(answer.error());
  return {};
}

Result<StepResult> RunStep(kube::Api& api, const Step& step, const Marks& marks) {
  // The server's audit log has the trace as well.
  otel::Context context = otel::Current();
  if (const auto trace = trace::TraceId::Parse(marks.trace_id)) context.span = otel::RootOf(*trace);
  const otel::ScopedContext scope(std::move(context));
  return step.verb == Step::Verb::kEdit ? RunEdit(api, step, marks) : RunDelete(api, step, marks);
}

Result<> TryStep(kube::Api& api, DryRun& dry_run, const Step& step, const Marks& marks) {
  ASSIGN_OR_RETURN(const ObjectPtr object, Read(api, step));
  RETURN_IF_ERROR(CheckSame(step, *object));
  if (step.verb == Step::Verb::kDelete) {
    if (object->deleting())
      return Fail(ErrorKind::kUnprocessable, fmt::format("{} is going already", Name(step)));
    return dry_run.Delete(MustKind(step), step.ns, step.name);
  }
  Json changed = object->json();
  RETURN_IF_ERROR(Apply(changed, step));
  Mark(changed, marks);
  return dry_run.Update(MustKind(step), changed);
}

bool MayHaveHappened(const Error& error) {
  switch (error.kind()) {
    case ErrorKind::kUnavailable:
    case ErrorKind::kDeadlineExceeded:
    case ErrorKind::kInternal:
    case ErrorKind::kCancelled:
    case ErrorKind::kResourceExhausted:
    case ErrorKind::kConflict:
      return true;
    default:
      return false;
  }
}

}  // namespace enclave::agent
