// Pictures of a diagnosis: the topology with the path from cause to symptom, and small plots of
// the series that moved. Self-contained: nothing is loaded from elsewhere, and nothing runs.
//
// Same input, same picture. All text is escaped: names and log lines come from outside.
#pragma once

#include <string>
#include <string_view>

#include "incident/context.h"
#include "rca/diagnosis.h"

namespace enclave::rca {

// Bounds, so that a picture of a thousand services is one that can be looked at: the services of
// the path and those with evidence come first, then their neighbours.
inline constexpr std::size_t kMostDrawnServices = 60;
inline constexpr std::size_t kMostPlots = 12;

std::string ToSvg(const incident::Context& context, const Diagnosis& diagnosis);
// A page with the picture, the ranking and the evidence of the first hypotheses.
std::string ToHtml(const incident::Context& context, const Diagnosis& diagnosis);

// "2023-01-29 08:51:06Z"
std::string FormatTime(std::int64_t time_ns);
// As text and attributes of XML: < > & " ' and control characters, which XML has none of.
std::string EscapeXml(std::string_view text);

}  // namespace enclave::rca
