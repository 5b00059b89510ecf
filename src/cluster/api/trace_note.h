// The annotation `enclave.dev/trace-id`: which trace last changed an object on purpose.
//
// The server sets it with what a traced request creates or changes. A change is one of anything but
// status and annotations: an update of the status is a consequence, and what clients note about
// themselves (kubectl's last-applied-configuration) changes nothing. So that the annotation never
// names a trace that has nothing to do with how the object is now, a client's change without a
// trace takes it away. What the client writes there itself stays.
//
// A dry run notes nothing: `kubectl diff` shows what the client would change, and no more.
//
// Pure functions; any thread.
#pragma once

#include <string>
#include <string_view>

#include "kube/api.h"
#include "kube/object.h"

namespace enclave::cluster {

struct TraceNote {
  std::string_view trace_id{};  // "": none
  bool of_client = false;       // false: a consequence of an earlier change; the annotation stays
  bool named = false;           // the client wrote the annotation itself
  bool dry_run = false;
};

// "" when there is none.
const std::string& TraceAnnotationOf(const kube::Json& object);

void NoteTraceOfNew(kube::Json& fresh, const TraceNote& note);
void NoteTraceOfChange(kube::Json& fresh, const kube::Json& old, const TraceNote& note);

// Whether a patch writes the annotation by its name. One that replaces all annotations, as `kubectl
// rollout undo` does with those of a former revision, does not.
bool PatchNamesTrace(kube::PatchType type, const kube::Json& patch);

}  // namespace enclave::cluster
