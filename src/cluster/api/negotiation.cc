#include "cluster/api/negotiation.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

namespace enclave::cluster {
namespace {

using base::ErrorKind;
using base::Fail;

// More types than any client sends.
constexpr std::size_t kMaxTypes = 64;

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// The piece before the next `separator`, which is taken off `text`.
std::string_view TakeUntil(std::string_view& text, char separator) {
  const std::size_t end = std::min(text.find(separator), text.size());
  const std::string_view piece = Trim(text.substr(0, end));
  text.remove_prefix(std::min(end + 1, text.size()));
  return piece;
}

struct MediaType {
  std::string_view type;
  std::string_view as;
  std::string_view version;
  std::string_view group;
  int quality = 1000;  // thousandths
};

MediaType ParseMediaType(std::string_view text) {
  MediaType media{.type = TakeUntil(text, ';')};
  while (!text.empty()) {
    std::string_view value = TakeUntil(text, ';');
    const std::string_view key = TakeUntil(value, '=');
    if (key == "as") media.as = value;
    if (key == "v") media.version = value;
    if (key == "g") media.group = value;
    if (key == "q") {
      double quality = 1;
      std::from_chars(value.data(), value.data() + value.size(), quality);
      media.quality = static_cast<int>(std::lround(std::clamp(quality, 0.0, 1.0) * 1000));
    }
  }
  return media;
}

std::optional<Negotiated> Serve(const MediaType& media) {
  if (media.quality == 0) return std::nullopt;
  Negotiated answer;
  if (media.type == "*/*" || media.type == "application/*") return answer;
  if (media.type != "application/json") return std::nullopt;
  if (media.as.empty()) return answer;
  answer.version = media.version;
  const bool meta =
      media.group == "meta.k8s.io" && (media.version == "v1" || media.version == "v1beta1");
  const bool discovery =
      media.group == "apidiscovery.k8s.io" && (media.version == "v2" || media.version == "v2beta1");
  if (meta && media.as == "Table") {
    answer.representation = Representation::kTable;
  } else if (meta && media.as == "PartialObjectMetadata") {
    answer.representation = Representation::kPartialMetadata;
  } else if (meta && media.as == "PartialObjectMetadataList") {
    answer.representation = Representation::kPartialMetadataList;
  } else if (discovery && media.as == "APIGroupDiscoveryList") {
    answer.representation = Representation::kAggregatedDiscovery;
    answer.content_type =
        fmt::format("application/json;g={};v={};as={}", media.group, media.version, media.as);
  } else {
    return std::nullopt;
  }
  return answer;
}

}  // namespace

base::Result<Negotiated> Negotiate(std::string_view accept) {
  if (Trim(accept).empty()) return Negotiated{};
  std::optional<Negotiated> best;
  int best_quality = 0;
  std::size_t types = 0;
  for (std::string_view rest = accept; !rest.empty() && types < kMaxTypes; ++types) {
    const MediaType media = ParseMediaType(TakeUntil(rest, ','));
    if (media.quality <= best_quality) continue;  // the first of equals wins
    if (auto answer = Serve(media)) {
      best = std::move(answer);
      best_quality = media.quality;
    }
  }
  if (best) return *std::move(best);
  return Fail(ErrorKind::kNotAcceptable,
              "only the following media types are accepted: application/json");
}

}  // namespace enclave::cluster
