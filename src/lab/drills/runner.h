// One drill, from the steady state to the judgement: waits until all is well, breaks it, watches
// users and agent second by second, judges, and puts everything back.
//
// Threading: one thread runs it and blocks; all it does passes through the World. An end that
// somebody asks for (Pace::Wait gives false) still puts everything back.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "lab/drills/judge.h"

namespace enclave::lab::drills {

enum class Phase : std::uint8_t { kSteady, kBroken, kDetected, kDiagnosed, kActing, kWell, kOver };
std::string_view ToString(Phase phase);

struct ToldLine {
  base::WallTime time{};
  std::string text{};
};

// How a drill stands, for those who watch.
struct Live {
  const Drill& drill;
  const Seen& seen;
  Phase phase = Phase::kSteady;
  base::WallTime began{};
  base::WallTime now{};
  const std::vector<Reading>& calm;   // before it was broken
  const std::vector<ToldLine>& told;  // the last lines
  const std::string& waits;  // what a steady state still lacks; "" when nothing is broken yet
};

class Show {
 public:
  virtual ~Show() = default;
  virtual void Line(base::WallTime time, const std::string& text) = 0;
  virtual void Tick(const Live& live) = 0;  // once a second
};

struct RunOptions {
  // Nobody repairs: once it has been broken for a while the drill itself puts it back. For trying
  // out the faults.
  bool unattended = false;
  base::Duration shown_broken = std::chrono::seconds(15);  // unattended
  base::Duration steady_timeout = std::chrono::minutes(4);
  base::Duration well = std::chrono::seconds(8);  // in a row, before it counts as recovered
};

class Runner {
 public:
  // All outlive the runner. `manifests` are the desired state of the drills' namespaces.
  Runner(const World& world, const std::vector<Objective>& objectives,
         const std::vector<Json>& manifests, Show& show, const RunOptions& options);

  Seen Run(const Drill& drill);
  // What drills break in a namespace, also one that was killed amid it, is put back: processes go
  // on, and objects are as their manifests say. Gives the objects that were written.
  base::Result<std::vector<std::string>> PutBack(const std::string& ns);
  // The same, and then all objectives met for `hold`. `on_reading` hears of each reading, and what
  // is missing yet. kDeadlineExceeded, kCancelled.
  using OnReading = std::function<void(const Reading& reading, const std::string& missing)>;
  base::Result<> Settle(const std::string& ns, base::Duration hold,
                        const OnReading& on_reading = {});

 private:
  struct State;

  base::Result<> Break(State* state);
  base::Result<> CarryDue(State* state);
  void Watch(State* state);
  void Look(State* state);
  bool Finished(const State& state) const;
  void Close(State* state);
  void Tell(State* state, const std::string& text);
  void Tick(State* state);

  const World world_;
  const SloWatch slo_;
  const std::vector<Json>& manifests_;
  Show& show_;
  const RunOptions options_;
};

}  // namespace enclave::lab::drills
