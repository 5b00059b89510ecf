// The ports through which a drill reaches the world: the cluster, the machine that its pods run on,
// what the observatory and the agent are asked, and time.
//
// Calls block; one thread uses them all.
#pragma once

#include <string>

#include "base/executor.h"
#include "base/result.h"
#include "kube/api.h"

namespace enclave::lab::drills {

class Pace : public base::Clock {
 public:
  // Lets time pass; false, at once, when somebody asked for an end.
  virtual bool Wait(base::Duration duration) = 0;
};

// Somebody who answers a GET with JSON.
class Asker {
 public:
  virtual ~Asker() = default;
  virtual base::Result<kube::Json> Ask(const std::string& target) = 0;
};

// The processes of a cluster whose node is this machine.
class Host {
 public:
  virtual ~Host() = default;
  // To the program of each container of the pod. kNotFound when none runs here.
  virtual base::Result<> Signal(const std::string& pod_uid, int signal) = 0;
  // Starts processes that are busy within the limits of the pod's first container, for at most five
  // minutes.
  virtual base::Result<> Burn(const std::string& pod_uid, int processes) = 0;
  virtual base::Result<> BringVisitors(int users, base::Duration lasts) = 0;
  // What was stopped goes on, what was started ends. Does nothing when nothing is left.
  virtual void PutBack() = 0;
  // What is stopped in the pod goes on, whoever stopped it: a drill that was killed has left it so.
  virtual void Continue(const std::string& pod_uid) = 0;
};

struct World {
  kube::Api& cluster;
  Asker& observatory;
  Asker* agent;  // null: there is none
  Host& host;
  Pace& pace;
};

}  // namespace enclave::lab::drills
