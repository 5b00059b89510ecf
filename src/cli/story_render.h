// A story for people, and for programs. Pure functions of the story: no clock, no terminal.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "cli/story.h"

namespace enclave::cli {

// How a text is made to stand out; with none of them it stays as it is.
struct StoryColours {
  std::string (*good)(std::string_view) = [](std::string_view text) { return std::string(text); };
  std::string (*bad)(std::string_view) = [](std::string_view text) { return std::string(text); };
  std::string (*dim)(std::string_view) = [](std::string_view text) { return std::string(text); };
  std::string (*mark)(std::string_view) = [](std::string_view text) { return std::string(text); };
};

// In order of time, each line with its time since the first, spans indented as they call each
// other:
//
//      +0 ms  terminal  kubectl set image deploy/cart ...                         41.2 ms
//   +12.1 ms  change    patch deployments.apps boutique/cart  by kubernetes-admin
//    +1.52 s  request   frontend  GET /cart                                       30.1 ms  error
std::string RenderStory(const Story& story, const StoryColours& colours);

// Everything that is known; nanoseconds as text.
nlohmann::json StoryToJson(const Story& story);

}  // namespace enclave::cli
