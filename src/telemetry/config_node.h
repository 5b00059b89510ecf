// Configuration files in YAML, read strictly: every value knows its line, and what nobody asked for
// is an error that names it. For files in the formats of Prometheus (scrape configurations, rules).
//
// Bounds: kMaxConfigDepth levels; aliases and merges are refused (no such file needs them, and
// refusing them keeps memory in proportion to the text). Equal keys are an error.
//
// Values; any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/executor.h"
#include "base/result.h"

namespace enclave::telemetry {

inline constexpr std::size_t kMaxConfigDepth = 32;

struct ConfigNode {
  enum class Kind : std::uint8_t { kNull, kScalar, kList, kMap };
  Kind kind = Kind::kNull;
  bool quoted = false;  // a scalar that is text whatever it looks like
  int line = 0;         // from 1
  std::string key{};    // of an entry of a map
  std::string text{};   // of a scalar
  std::vector<ConfigNode> children{};

  bool is_null() const { return kind == Kind::kNull; }
};

// One document; an empty text is a null. kInvalidArgument, "FILE:LINE: why".
base::Result<ConfigNode> ParseConfig(std::string_view text, std::string_view file);

// The node as one text, equal for equal nodes, whatever their lines and quotes.
std::string Dump(const ConfigNode& node);

// Reads the entries of one map. The first error stays and makes the rest do nothing, so that
// callers check once, with Finish. Entries that are absent or null leave `out` as it is.
//
// The node outlives the reader.
class ConfigReader {
 public:
  // `what` is how messages name the map: "a rule group".
  ConfigReader(const ConfigNode& map, std::string_view what, std::string_view file);

  bool Has(std::string_view key) const;
  // The line of the entry; of the map when there is no such entry.
  int LineOf(std::string_view key) const;

  void Text(std::string_view key, std::string* out);
  void Bool(std::string_view key, bool* out);
  void Unsigned(std::string_view key, std::uint64_t* out);
  // Prometheus' durations: 1h30m, 15s, 500ms, 0.
  void Duration(std::string_view key, base::Duration* out);
  // Prometheus' sizes: 512KB, 10MiB, 4096.
  void Bytes(std::string_view key, std::uint64_t* out);
  void Texts(std::string_view key, std::vector<std::string>* out);
  void TextMap(std::string_view key, std::map<std::string, std::string>* out);
  // Each element of a list.
  void Each(std::string_view key, const std::function<base::Result<>(const ConfigNode&)>& read);
  // The value as it is; for what the others do not cover.
  void Value(std::string_view key, const std::function<base::Result<>(const ConfigNode&)>& read);

  // Marks a key as known and unread.
  void Ignore(std::string_view key);
  void Fail(int line, std::string_view why);

  // The first error; or that of a key nobody read.
  base::Result<> Finish();

 private:
  const ConfigNode* Take(std::string_view key);
  const ConfigNode* TakeScalar(std::string_view key);

  const ConfigNode& map_;
  std::string what_;
  std::string file_;
  std::vector<std::string> known_;
  base::Result<> status_{};
};

// "FILE:LINE: why", kInvalidArgument.
base::Error ConfigError(std::string_view file, int line, std::string_view why);

// A duration of Prometheus: units y w d h m s ms in this order, each at most once, or "0".
base::Result<base::Duration> ParseConfigDuration(std::string_view text);
// "1h30m", "0s".
std::string FormatConfigDuration(base::Duration duration);

}  // namespace enclave::telemetry
