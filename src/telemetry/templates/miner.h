// Finds the statements of a program in the lines they print.
//
// A Miner reads a stream of messages, one at a time, and says for each which template it belongs
// to: "Connected to 10.0.0.7 in 12 ms" and "Connected to 10.0.0.9 in 3 ms" are both "Connected to
// <*> in <*> ms".
//
// How. A message is cut into pieces (scanner.h). Values that show by their form that they are
// values become `<*>` at once; the rest is the signature of the statement, whose hash finds the
// template. Only a message whose signature was never seen is compared with the templates of the
// same punctuation: where all but one word is equal, they become one as soon as that position has
// had as many different words as their kind needs (two for node-1 and web-1, several for words of
// the language). Digits inside a word (eth0) stand in the template until they differ.
//
// Ids. The id of a template is a hash of its signature: the same statement has the same id in every
// process and on every machine, with nothing kept. When templates become one, that one has an id of
// its own, the hash of the more general signature, and the old ids lead to it (Resolve). So what
// Add returns for a message is a name for it that stays true; whether two messages belong together
// is asked by resolving both. Which templates became one depends on the messages seen, and, where a
// bound was hit, on their order; Snapshot and Restore carry it over a restart.
//
// Memory. All that grows with the input stays under Options::max_bytes, whatever the input (beside
// a fixed part of less than 1 MiB): the templates not seen for longest are forgotten. One that is
// seen again is made again, with its old id.
//
// Thread safety: none; a Miner belongs to one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "telemetry/templates/scanner.h"
#include "telemetry/templates/variable.h"

namespace enclave::telemetry::templates {

class TemplateTable;

enum class TemplateId : std::uint64_t {};

std::string ToString(TemplateId id);  // sixteen hexadecimal digits

struct TemplateInfo {
  TemplateId id{};
  std::uint64_t count = 0;
  std::uint64_t first = 0;  // number of its first message, counted from 1 over all calls of Add
  std::uint64_t last = 0;
  std::string text{};  // with `<*>` for each value
};

struct MinerOptions {
  std::size_t max_templates = 16'384;
  std::size_t max_bytes = std::size_t{64} << 20U;
  std::size_t max_pieces = 256;          // of a message; what comes behind them is one value
  std::size_t max_message_bytes = 4096;  // what comes behind them is not looked at
};

class Miner {
 public:
  using Options = MinerOptions;

  explicit Miner(Options options = {});
  ~Miner();
  Miner(Miner&&) noexcept;
  Miner& operator=(Miner&&) noexcept;

  // The template of one message, whose head is split off already (line_head.h).
  TemplateId Add(std::string_view message);

  // The template that `id` leads to by now; nullopt when it was never seen, or is forgotten.
  std::optional<TemplateId> Resolve(TemplateId id) const;
  // The template of a message, without counting it; nullopt when it would be a new one.
  std::optional<TemplateId> Match(std::string_view message);

  std::string Text(TemplateId id) const;  // "" when the id leads nowhere
  std::optional<TemplateInfo> Find(TemplateId id) const;
  std::vector<TemplateInfo> Templates() const;  // most frequent first

  // The values in a message, one for each `<*>` of its template as that is now. They are views into
  // `message`. For a message that belongs to no template: the values that show by their form.
  std::vector<Variable> Variables(std::string_view message);

  std::size_t size() const;
  std::size_t bytes() const;  // of what grows with the input
  std::uint64_t messages() const { return messages_; }
  std::uint64_t forgotten() const;

  // What is known, as bytes of a format of its own. Restore fails on bytes that are no snapshot;
  // those of another version of the scanner give other ids.
  std::string Snapshot() const;
  static base::Result<Miner> Restore(std::string_view snapshot, Options options = {});

 private:
  std::string_view Cut(std::string_view message) const;
  TemplateInfo InfoOf(std::uint32_t place) const;

  Options options_;
  std::unique_ptr<TemplateTable> table_;
  std::vector<Piece> pieces_;  // of the message at hand
  std::uint64_t messages_ = 0;
};

}  // namespace enclave::telemetry::templates
