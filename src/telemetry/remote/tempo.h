// Traces from a Tempo over its HTTP API.
//
// Tempo searches for traces and gives spans by trace. A window is read by searching slices of it,
// halved while a slice has more traces than one answer holds, and then each trace once, several at
// a time. A second that has more traces than one answer holds is read as far as that answer goes.
//
// Thread safety: any thread but the loop's own, as calls block. Ownership: the loop outlives the
// client. Errors name the URL.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "net/event_loop.h"
#include "telemetry/remote/endpoint.h"
#include "telemetry/source.h"

namespace enclave::telemetry::remote {

class HttpQuery;

struct TempoOptions {
  std::size_t page_traces = 1000;          // of one search
  std::size_t max_traces = 200'000;        // of one visit or search
  std::size_t at_a_time = 8;               // traces asked for at once
  std::int64_t slice_ns = 60'000'000'000;  // of a window, per search; whole seconds
};

class Tempo final : public TraceSource {
 public:
  static base::Result<std::unique_ptr<Tempo>> Create(net::EventLoop& loop, Endpoint endpoint,
                                                     TempoOptions options = {});
  ~Tempo() override;

  // kResourceExhausted after max_traces; all before have been visited.
  base::Result<> Visit(TimeRangeNs range, const SpanVisitor& visit) override;
  base::Result<std::vector<Span>> Trace(trace::TraceId trace_id) override;
  base::Result<std::vector<Span>> FindSpans(const SpanQuery& query) override;
  base::Result<std::vector<std::string>> Services(TimeRangeNs range) override;
  base::Result<std::vector<std::string>> Operations(const std::string& service,
                                                    TimeRangeNs range) override;

 private:
  Tempo(net::EventLoop& loop, std::unique_ptr<HttpQuery> http, TempoOptions options);
  base::Result<std::vector<trace::TraceId>> Search(const std::string& query, TimeRangeNs range,
                                                   std::size_t most, bool* cut);
  base::Result<> Read(const std::vector<trace::TraceId>& ids,
                      const std::function<bool(std::vector<Span> spans)>& take);

  net::EventLoop& loop_;
  const std::unique_ptr<HttpQuery> http_;
  const TempoOptions options_;
};

}  // namespace enclave::telemetry::remote
