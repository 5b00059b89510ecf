#include "kube/watch_decoder.h"

#include <fmt/format.h>

#include <utility>

#include "kube/body.h"
#include "kube/status.h"

namespace enclave::kube {
namespace {

using base::ErrorKind;
using base::Fail;

base::Result<WatchEvent> DecodeLine(std::string_view line) {
  auto json = ParseJson(line);
  if (!json) return Fail(ErrorKind::kInternal, "watch event: " + json.error().message());
  const std::string type = StringAt(*json, "type");
  const auto object = json->is_object() ? json->find("object") : json->end();
  if (object == json->end() || !object->is_object()) {
    return Fail(ErrorKind::kInternal, "a watch event has no object");
  }
  if (type == "ERROR") {
    return WatchEvent{EventType::kError, nullptr, Revision::kNone, FromStatus(*object)};
  }
  WatchEvent event{EventType::kAdded, nullptr, Revision::kNone, std::nullopt};
  if (type == "MODIFIED") {
    event.type = EventType::kModified;
  } else if (type == "DELETED") {
    event.type = EventType::kDeleted;
  } else if (type == "BOOKMARK") {
    event.type = EventType::kBookmark;
  } else if (type != "ADDED") {
    return Fail(ErrorKind::kInternal,
                fmt::format("unknown type \"{}\" of a watch event", type.substr(0, 32)));
  }
  event.object = std::make_shared<const Object>(std::move(*object));
  event.revision = event.object->revision();
  return event;
}

}  // namespace

base::Result<std::vector<WatchEvent>> WatchDecoder::Feed(std::string_view data) {
  std::vector<WatchEvent> events;
  while (true) {
    const std::size_t newline = data.find('\n');
    const std::string_view piece = data.substr(0, newline);
    if (line_.size() + piece.size() > kMaxLine) {
      return Fail(ErrorKind::kTooLarge,
                  fmt::format("a watch event is larger than {} bytes", kMaxLine));
    }
    if (newline == std::string_view::npos) {
      line_ += piece;
      return events;
    }
    data.remove_prefix(newline + 1);
    const std::string line = std::exchange(line_, {}) + std::string(piece);
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    ASSIGN_OR_RETURN(WatchEvent event, DecodeLine(line));
    const bool last = event.type == EventType::kError;
    events.push_back(std::move(event));
    if (last) return events;
  }
}

}  // namespace enclave::kube
