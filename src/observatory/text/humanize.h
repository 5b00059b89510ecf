// Numbers as people read them: the humanize functions of Prometheus' templates, and numbers as Go
// prints them.
#pragma once

#include <string>

namespace enclave::observatory::text {

std::string Humanize(double value);             // 1234567 -> 1.235M
std::string Humanize1024(double value);         // 1048576 -> 1Mi
std::string HumanizeDuration(double seconds);   // 3661 -> 1h 1m 1s
std::string HumanizePercentage(double ratio);   // 0.1234 -> 12.34%
std::string HumanizeTimestamp(double seconds);  // 0 -> 1970-01-01 00:00:00 +0000 UTC

// As Go's %v: shortest, with an exponent below 1e-4 and from 1e21.
std::string FormatGoFloat(double value);

}  // namespace enclave::observatory::text
