#include "system/remote_write.h"

#include <snappy.h>

#include <protozero/pbf_writer.hpp>

#include "system/http_probe.h"

namespace enclave::system_test {

std::string RemoteWriteBody(const std::vector<WrittenSeries>& series) {
  std::string plain;
  protozero::pbf_writer request(plain);
  for (const WrittenSeries& one : series) {
    protozero::pbf_writer time_series(request, 1);
    for (const auto& [name, value] : one.labels) {
      protozero::pbf_writer label(time_series, 1);
      label.add_string(1, name);
      label.add_string(2, value);
    }
    for (const auto& [time_ms, value] : one.samples) {
      protozero::pbf_writer sample(time_series, 2);
      sample.add_double(1, value);
      sample.add_int64(2, time_ms);
    }
  }
  std::string body;
  snappy::Compress(plain.data(), plain.size(), &body);
  return body;
}

int RemoteWrite(const std::string& address, int port, const std::vector<WrittenSeries>& series) {
  return HttpSend(address, port,
                  {.method = "POST",
                   .path = "/api/v1/write",
                   .headers = {{"Content-Type", "application/x-protobuf"},
                               {"Content-Encoding", "snappy"},
                               {"X-Prometheus-Remote-Write-Version", "0.1.0"}},
                   .body = RemoteWriteBody(series)})
      .status;
}

}  // namespace enclave::system_test
