// What memory of earlier incidents is worth to the engine, measured.
//
// Every case is remembered as it is, with its label as what a person confirmed. Then come repeats:
// the same cases with something wrong or missing, asked without memory and with it; asked once with
// all that is remembered, and once with everything but the case itself, so that only its likes can
// help. And lies: a memory in which each incident is remembered many times, with a wrong cause that
// people confirmed and the true one refuted.
//
// Thread safety: none. The memory is a real one, in a directory that it makes and removes.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/result.h"
#include "bench/rca/evaluate.h"
#include "memory/evaluate.h"
#include "memory/memory.h"

namespace enclave::bench::rca {

// A memory, and a clock that says the time of whoever asks.
class Recollection {
 public:
  static base::Result<std::unique_ptr<Recollection>> Create();
  ~Recollection();
  Recollection(const Recollection&) = delete;
  Recollection& operator=(const Recollection&) = delete;

  // `diagnosis` was made without memory; the cause is what a person says afterwards.
  base::Result<> Remember(const std::string& id, const incident::Context& context,
                          const enclave::rca::Diagnosis& diagnosis, const memory::Cause& cause);
  // `times` memories that look almost like the incident, in which people confirmed `wrong` and
  // refuted `cause`.
  base::Result<> Poison(const std::string& id, const incident::Context& context,
                        const enclave::rca::Diagnosis& diagnosis, const memory::Cause& wrong,
                        const memory::Cause& cause, std::size_t times);
  // The diagnosis again, with what is remembered but for the incident called `without`.
  base::Result<enclave::rca::Diagnosis> Reconsider(const incident::Context& context,
                                                   const enclave::rca::Diagnosis& diagnosis,
                                                   const std::string& without = "");
  memory::Memory& memory() { return *memory_; }

 private:
  class AskedAt final : public base::Clock {
   public:
    base::WallTime WallNow() const override {
      return base::WallTime(std::chrono::nanoseconds(now_ns));
    }
    base::MonoTime Now() const override { return base::MonoTime(std::chrono::nanoseconds(now_ns)); }
    std::int64_t now_ns = 0;
  };

  explicit Recollection(std::string directory) : directory_(std::move(directory)) {}

  std::string directory_;
  AskedAt clock_;
  std::unique_ptr<memory::Memory> memory_;
};

struct Repeats {
  std::size_t asked = 0;
  std::size_t right_without = 0;
  std::size_t right_with = 0;
  std::size_t mended = 0;   // wrong without, right with
  std::size_t blind = 0;    // wrong without, and there is no evidence to remember anything by
  std::size_t spoiled = 0;  // right without, wrong with
  // By the likes of the case alone.
  std::size_t right_with_likes = 0;
  std::size_t spoiled_by_likes = 0;
  void Add(bool has_evidence, bool without, bool with, bool with_likes);
  void Add(const Repeats& other);
};

struct Lies {
  std::size_t asked = 0;
  std::size_t right_without = 0;
  std::size_t right_with = 0;
  std::size_t clear = 0;          // the evidence is plain (rca/diagnose.h)
  std::size_t clear_changed = 0;  // of those, cases that lies gave another first place
  void Add(const Lies& other);
};

// By how many nats of confidence the first leads over the second; infinite without a second.
double LeadOf(const enclave::rca::Diagnosis& diagnosis);
// Whether what a diagnosis without memory puts first is plain evidence (rca/diagnose.h).
bool IsPlain(const enclave::rca::Diagnosis& diagnosis);

struct MemoryReport {
  struct OfPack {
    memory::LeaveOneOut twins{};     // by service and fault type
    std::vector<Repeats> repeats{};  // as `variants`
    std::vector<Lies> lies{};        // the same
  };
  std::vector<std::string> variants{};
  std::vector<OfPack> packs{};
};

// Takes the cases one by one and asks at the end, when all are remembered.
class MemoryEvaluator {
 public:
  MemoryEvaluator(std::size_t packs, std::vector<std::string> variants);

  // One case of a pack: as it is, and its repeats in the order of the variants (without a context:
  // could not be asked).
  void Add(std::size_t pack, const CaseEntry& entry, const Truth& truth, const Answer& plain,
           std::vector<Answer> repeats);
  base::Result<MemoryReport> Run();

 private:
  struct Kept {
    std::size_t pack;
    std::string id;
    memory::Cause cause;
    Answer plain;
    std::vector<Answer> repeats;
  };
  base::Result<> AskRepeats(Recollection& recollection, MemoryReport& report) const;
  base::Result<> AskLies(MemoryReport& report) const;

  const std::size_t packs_;
  const std::vector<std::string> variants_;
  std::vector<Kept> kept_;
};

}  // namespace enclave::bench::rca
