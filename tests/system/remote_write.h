// Samples on their way into a Prometheus or an observatory: remote write 1.0
// (https://prometheus.io/docs/specs/prw/remote_write_spec/).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace enclave::system_test {

struct WrittenSeries {
  std::map<std::string, std::string> labels;             // __name__ among them
  std::vector<std::pair<std::int64_t, double>> samples;  // ms since 1970, value
};

// The body of one request, compressed.
std::string RemoteWriteBody(const std::vector<WrittenSeries>& series);
// Sends it; the HTTP status.
int RemoteWrite(const std::string& address, int port, const std::vector<WrittenSeries>& series);

}  // namespace enclave::system_test
