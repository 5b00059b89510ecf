#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "json_writer.h"
#include "loki_api.h"
#include "loki_reply.h"
#include "reply.h"

namespace enclave::observatory::api {
namespace {

using base::ErrorKind;

constexpr std::int64_t kHourNs = 3600'000'000'000;

void WriteStreams(JsonWriter* json, const logql::Streams& streams) {
  json->BeginArray();
  for (const logql::Stream& stream : streams) {
    json->BeginObject().Key("stream").LabelSet(stream.labels).Key("values").BeginArray();
    for (const logql::Entry& entry : stream.entries)
      json->BeginArray().String(fmt::format_int(entry.time_ns).str()).String(entry.line).EndArray();
    json->EndArray().EndObject();
  }
  json->EndArray();
}

void WriteSeries(JsonWriter* json, const std::vector<logql::Series>& all, bool matrix) {
  json->BeginArray();
  for (const logql::Series& series : all) {
    json->BeginObject().Key("metric").LabelSet(series.labels);
    json->Key(matrix ? "values" : "value");
    if (matrix) json->BeginArray();
    for (const logql::Point& point : series.points)
      json->Point(point.time_ns / 1'000'000, point.value);
    if (matrix) json->EndArray();
    json->EndObject();
  }
  json->EndArray();
}

struct ResultWriter {
  JsonWriter* json;
  std::size_t lines = 0;

  void Type(std::string_view name) { json->Key("resultType").String(name).Key("result"); }
  void operator()(const logql::Streams& streams) {
    Type("streams");
    WriteStreams(json, streams);
    for (const logql::Stream& stream : streams) lines += stream.entries.size();
  }
  void operator()(const logql::Vector& vector) {
    Type("vector");
    WriteSeries(json, vector.series, false);
  }
  void operator()(const logql::Matrix& matrix) {
    Type("matrix");
    WriteSeries(json, matrix.series, true);
  }
  void operator()(const logql::Scalar& scalar) {
    Type("scalar");
    json->Point(scalar.point.time_ns / 1'000'000, scalar.point.value);
  }
};

net::Response ResultReply(const logql::Result& result) {
  SuccessReply reply;
  JsonWriter& json = reply.json();
  json.BeginObject();
  ResultWriter writer{&json};
  std::visit(writer, result);
  json.Key("stats").BeginObject().Key("summary").BeginObject();
  json.Key("totalEntriesReturned").Integer(static_cast<std::int64_t>(writer.lines));
  json.EndObject().EndObject().EndObject();
  return reply.Done();
}

// Loki's own choice when a query names none: about 250 points, at least a second apart.
std::int64_t DefaultStep(telemetry::TimeRangeNs range) {
  constexpr std::int64_t kSecondNs = 1'000'000'000;
  const std::int64_t step = (range.to - range.from) / 250;
  return std::max(kSecondNs, step / kSecondNs * kSecondNs);
}

}  // namespace

net::Response LokiApi::Query(const Call& call, bool range) {
  const Parameters parameters = Parameters::Of(call.request);
  const std::string query = parameters.Get("query");
  if (query.empty())
    return LokiError({ErrorKind::kInvalidArgument, "the parameter query is missing"});
  const auto limit = ParseLimit(parameters.Get("limit"));
  if (!limit) return LokiError(limit.error());
  telemetry::Direction direction = telemetry::Direction::kBackward;
  std::string named = parameters.Get("direction");
  std::ranges::transform(named, named.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  if (named == "forward")
    direction = telemetry::Direction::kForward;
  else if (!named.empty() && named != "backward")
    return LokiError({ErrorKind::kInvalidArgument, "direction is forward or backward"});
  const std::size_t most = limit->value_or(100);
  if (!range) {
    std::int64_t time = clock_.WallNow().time_since_epoch().count();
    if (parameters.Has("time")) {
      const auto given = ParseLokiTime(parameters.Get("time"));
      if (!given) return LokiError(given.error());
      time = *given;
    }
    const auto result = engine_.Query(query, time, most, direction, call.stop);
    return result ? ResultReply(*result) : LokiError(result.error());
  }
  const auto times = RangeOf(parameters, kHourNs);
  if (!times) return LokiError(times.error());
  std::int64_t step = DefaultStep(*times);
  if (parameters.Has("step")) {
    const auto given = ParseGoDuration(parameters.Get("step"));
    if (!given) return LokiError(given.error().While("step"));
    step = *given;
  }
  if (step <= 0)
    return LokiError({ErrorKind::kInvalidArgument,
                      "zero or negative query resolution step widths are not accepted. Try a "
                      "positive integer"});
  const auto result =
      engine_.QueryRange(query, times->from, times->to, step, most, direction, call.stop);
  return result ? ResultReply(*result) : LokiError(result.error());
}

}  // namespace enclave::observatory::api
