// Finds the statements of a program in the lines they print.
//
// A Miner reads a stream of messages, one at a time, and says for each which template it belongs
// to: "Connected to 10.0.0.7 in 12 ms" and "Connected to 10.0.0.9 in 3 ms" are both "Connected to
// <*> in <*> ms".
//
// How. A message is cut into pieces (scanner.h). Values that show by their form that they are
// values become
// `<*>` at once; what is left is the signature of the statement, and its hash finds the template.
// Only a message with a signature that was never seen is compared with the templates of the same
// punctuation: a word that differs where all else is equal makes the two templates one as soon as
// the position has had as many different words as its kind needs (two for node-1 against web-1,
// several for plain words of the language). Digits inside a word (eth0) stay as they are until they
// differ.
//
// Ids. The id of a template is a hash of its signature, so the same statement has the same id in
// every process, on every machine, without anything kept. When templates become one, the new one
// has an id of its own, that of the more general signature, and the old ids lead to it (Resolve).
// So the id returned by Add for a line is a name for ever, but two lines belong together when
// Resolve says so at the end. Snapshot and Restore carry generalisations over a restart, so that
// they need not be found again.
//
// Memory. Never more than Options::max_bytes for all that grows with the input, whatever the input:
// the templates not seen for longest are forgotten. A forgotten template that is seen again is made
// again, with its id.
//
// Thread safety: none; one Miner belongs to one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "telemetry/templates/scanner.h"
#include "telemetry/templates/variable.h"

namespace enclave::telemetry::templates {

enum class TemplateId : std::uint64_t {};

// Sixteen hexadecimal digits.
std::string ToString(TemplateId id);

struct TemplateInfo {
  TemplateId id{};
  std::uint64_t count = 0;
  std::uint64_t first =
      0;  // the number of its first message, counting from 1 over all calls of Add
  std::uint64_t last = 0;
  std::string text{};
};

class Miner {
 public:
  struct Options {
    std::size_t max_templates = 16'384;
    std::size_t max_bytes = std::size_t{64} << 20U;
    std::size_t max_pieces = 256;       // of a message; what comes behind them is one value
    std::size_t max_line_bytes = 4096;  // what comes behind them is not looked at
  };

  Miner();
  explicit Miner(Options options);

  // The template of one message (the head already split off, see line_head.h).
  TemplateId Add(std::string_view message);

  // The template that `id` leads to now; nullopt when it was never seen, or was forgotten.
  std::optional<TemplateId> Resolve(TemplateId id) const;

  // The template with `<*>` for each value; "" when the id leads nowhere.
  std::string Text(TemplateId id) const;

  // The values of a message, in the order of the `<*>` of the template it belongs to now. Does not
  // count the message. A message whose template was forgotten has the values that show by their
  // form.
  std::vector<Variable> Variables(std::string_view message);

  std::optional<TemplateInfo> Find(TemplateId id) const;
  std::vector<TemplateInfo> Templates() const;  // most frequent first, then by id

  std::size_t size() const { return index_.size(); }
  std::size_t bytes() const { return bytes_; }  // of what grows with the input
  std::uint64_t messages() const { return messages_; }
  std::uint64_t forgotten() const { return forgotten_; }

  // All templates and where old ids lead, as bytes for Restore.
  std::string Snapshot() const;
  static base::Result<Miner> Restore(std::string_view snapshot, Options options);

 private:
  struct Slot;
  struct Template;
  struct Bucket;

  Options options_;
  std::vector<Piece> pieces_;
};

}  // namespace enclave::telemetry::templates
