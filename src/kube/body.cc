#include "kube/body.h"

#include <fmt/format.h>

#include <algorithm>

namespace enclave::kube {
namespace {

using base::ErrorKind;
using base::Fail;

// nlohmann's parser keeps its stack on the heap, but those who walk the value recurse.
bool NestsWithin(std::string_view text, int limit) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > limit) return false;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return true;
}

// The parser quotes what it read, which may be any bytes.
std::string Printable(std::string_view text) {
  std::string result;
  for (const char c : text) result += c >= ' ' && c < 127 ? c : '?';
  return result;
}

}  // namespace

base::Result<Json> ParseJson(std::string_view text) {
  if (std::ranges::all_of(text, [](char c) { return std::string_view(" \t\r\n").contains(c); })) {
    return Fail(ErrorKind::kInvalidArgument, "the body is empty where JSON is expected");
  }
  if (!NestsWithin(text, kMaxBodyDepth)) {
    return Fail(ErrorKind::kInvalidArgument,
                fmt::format("the JSON is nested deeper than {} levels", kMaxBodyDepth));
  }
  try {
    return Json::parse(text);
  } catch (const Json::exception& exception) {
    std::string_view what = exception.what();
    if (const std::size_t end = what.find("] "); end != std::string_view::npos) {
      what.remove_prefix(end + 2);  // "[json.exception.parse_error.101] "
    }
    return Fail(ErrorKind::kInvalidArgument, "invalid JSON: " + Printable(what.substr(0, 512)));
  }
}

std::string MediaTypeOf(std::string_view content_type) {
  content_type = content_type.substr(0, content_type.find(';'));
  while (!content_type.empty() && content_type.front() == ' ') content_type.remove_prefix(1);
  while (!content_type.empty() && content_type.back() == ' ') content_type.remove_suffix(1);
  std::string type(content_type);
  std::ranges::transform(type, type.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return type;
}

base::Result<Json> DecodeBody(std::string_view content_type, std::string_view body) {
  const std::string type = MediaTypeOf(content_type);
  if (type.empty() || type == "application/json" || type.ends_with("+json")) {
    return ParseJson(body);
  }
  if (type == "application/yaml" || type == "application/x-yaml" || type == "text/yaml" ||
      type.ends_with("+yaml")) {
    return ParseYaml(body);
  }
  return Fail(ErrorKind::kUnsupportedMedia,
              fmt::format("the body of the request was in an unknown format (\"{}\") - accepted "
                          "media types include: application/json, application/yaml",
                          Printable(type).substr(0, 128)));
}

base::Result<PatchType> PatchTypeOf(std::string_view content_type) {
  const std::string type = MediaTypeOf(content_type);
  for (const PatchType candidate :
       {PatchType::kMerge, PatchType::kStrategicMerge, PatchType::kJson}) {
    if (type == ContentTypeOf(candidate)) return candidate;
  }
  return Fail(
      ErrorKind::kUnsupportedMedia,
      fmt::format("the body of the request was in an unknown format (\"{}\") - accepted "
                  "media types include: {}, {}, {}",
                  Printable(type).substr(0, 128), ContentTypeOf(PatchType::kJson),
                  ContentTypeOf(PatchType::kMerge), ContentTypeOf(PatchType::kStrategicMerge)));
}

std::string_view ContentTypeOf(PatchType type) {
  switch (type) {
    case PatchType::kMerge:
      return "application/merge-patch+json";
    case PatchType::kStrategicMerge:
      return "application/strategic-merge-patch+json";
    case PatchType::kJson:
      break;
  }
  return "application/json-patch+json";
}

}  // namespace enclave::kube
