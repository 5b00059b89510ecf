// How long each objective has been met or missed, in monotonic time, from readings that come one
// after the other. A reading that failed says nothing about any of them: what was met until then is
// not held to be met any longer, what was missed still is.
//
// Threading: one executor.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/ports.h"
#include "base/executor.h"
#include "base/result.h"

namespace enclave::agent {

class ObjectiveWatch {
 public:
  void Update(base::MonoTime now, const base::Result<std::vector<Objective>>& reading);

  bool known() const { return known_; }
  const std::vector<Objective>& all() const { return all_; }
  const Objective* Find(const std::string& name) const;  // of the last reading; null: not in it
  // Met, or missed, in every reading for at least `span`.
  bool WellFor(const std::string& name, base::Duration span, base::MonoTime now) const;
  bool BrokenFor(const std::string& name, base::Duration span, base::MonoTime now) const;
  std::optional<base::MonoTime> BrokenSince(const std::string& name) const;

 private:
  struct Since {
    bool well = true;
    base::MonoTime time{};
  };
  bool For(const std::string& name, bool well, base::Duration span, base::MonoTime now) const;
  bool known_ = false;
  std::vector<Objective> all_;
  std::map<std::string, Since> since_;
};

}  // namespace enclave::agent
