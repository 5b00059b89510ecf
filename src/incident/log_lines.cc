#include "incident/log_lines.h"

#include "incident/signal.h"

namespace enclave::incident {
namespace {

using telemetry::templates::Level;
using telemetry::templates::LevelOf;
using telemetry::templates::LineHead;
using telemetry::templates::SplitFront;

constexpr std::size_t kLongestExample = 500;
constexpr std::size_t kMostWords = 40;
constexpr std::size_t kKnownStreams = 4096;

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

// Appends the words of a message that hold no digit, the others as *: a coarse template, good
// enough to tell statements of one program apart.
void AppendMasked(std::string_view message, std::string& masked) {
  std::size_t words = 0;
  std::size_t at = 0;
  while (at < message.size() && words < kMostWords) {
    while (at < message.size() && message[at] == ' ') ++at;
    std::size_t end = at;
    bool has_digit = false;
    while (end < message.size() && message[end] != ' ') has_digit |= IsDigit(message[end++]);
    if (end == at) break;
    if (words > 0) masked += ' ';
    if (has_digit)
      masked += '*';
    else
      masked += message.substr(at, end - at);
    at = end;
    ++words;
  }
}

// A place has a line number; a logger's name alone is none.
bool IsPlace(std::string_view location) {
  const std::size_t at = location.find_last_of("#:");
  return at != std::string_view::npos && at + 1 < location.size() && IsDigit(location[at + 1]);
}

}  // namespace

std::uint32_t LogLines::ServiceOfStream(const telemetry::Labels& stream) {
  if (streams_.empty()) streams_.resize(kKnownStreams);
  // Sources keep the labels of a stream in one place, or put all in one place: only a hint.
  const auto address = reinterpret_cast<std::uintptr_t>(&stream);
  Known& known = streams_[(address >> 4 ^ address >> 16) % kKnownStreams];
  if (known.at == &stream && known.labels == stream) return known.service;
  const std::string name = ServiceOf(stream);
  known = {&stream, stream, services_.Intern(name.empty() ? "unknown_service" : name)};
  return known.service;
}

void LogLines::Add(const telemetry::Labels& stream, const telemetry::LogRecord& record) {
  ++seen_;
  const std::uint32_t service = ServiceOfStream(stream);
  const std::uint32_t bin = timeline_.BinOf(record.time_ns);
  if (bin == Timeline::kOutside) return;
  const std::size_t count = std::size_t{service} * timeline_.bins() + bin;
  if (count >= counts_.size()) counts_.resize((std::size_t{service} + 1) * timeline_.bins());
  counts_[count]++;

  LineHead head = SplitFront(record.line);
  const bool is_place = IsPlace(head.location);
  std::uint32_t text = 0;
  if (is_place) {
    text = texts_.Intern(head.location);
  } else {
    TakeTraceIds(&head);
    masked_.assign(head.location);
    masked_ += ' ';
    AppendMasked(head.message, masked_);
    text = texts_.Intern(masked_);
  }
  Level level = LevelOf(head.level);
  if (level == Level::kUnknown) level = LevelOf(record.metadata.Get("level"));
  if (voices_.size() >= kMostVoices) {
    ++dropped_;
    return;
  }
  const auto [voice, is_new] =
      numbers_.Take(PairIndex::Join(service, text),
                    static_cast<std::uint64_t>(level) << 1 | static_cast<std::uint64_t>(is_place));
  if (is_new)
    voices_.push_back({.service = service, .text = text, .level = level, .is_place = is_place});
  Voice& said = voices_[voice];
  // The first line, or the first of the incident that leads to a request.
  if (is_new || (!said.example_trace && record.trace_id && bin >= timeline_.first_onset())) {
    said.example = std::string_view(record.line).substr(0, kLongestExample);
    said.example_trace = record.trace_id;
  }
  lines_.push_back({.voice = voice,
                    .bin = bin,
                    .time_ns = record.time_ns,
                    .trace_id = record.trace_id,
                    .span = record.span_id ? record.span_id->value() : 0});
}

}  // namespace enclave::incident
