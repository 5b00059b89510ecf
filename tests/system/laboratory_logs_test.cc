// Every line that a service prints for a request is found by the request's TraceID, once. A few
// requests by default, a thousand with --slow.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <sstream>

#include "system/eventually.h"
#include "system/http_probe.h"
#include "system/laboratory.h"
#include "system/slow.h"

namespace enclave::system_test {
namespace {

using std::chrono::seconds;

// How often each line, by its span and message, is there.
using Lines = std::map<std::string, int>;

std::string LineName(const std::string& span, const std::string& message) {
  return span + " " + message;
}

class LaboratoryLogsTest : public LaboratoryTest {
 protected:
  // What the services have printed, by trace.
  static std::map<std::string, Lines> Printed() {
    std::map<std::string, Lines> traces;
    const Json pods = kubectl_->Get("-n boutique pods");
    for (const Json& pod : At(pods, "items")) {
      const std::string name = StringAt(pod, "metadata.name");
      std::istringstream lines(kubectl_->Must("-n boutique logs --tail=-1 " + name));
      for (std::string text; std::getline(lines, text);) {
        const Json line = Json::parse(text, nullptr, /*allow_exceptions=*/false);
        const std::string trace = StringAt(line, "trace_id");
        if (trace.empty()) continue;
        ++traces[trace][LineName(StringAt(line, "span_id"), StringAt(line, "message"))];
      }
    }
    return traces;
  }

  static Lines Found(const std::string& trace) {
    Lines lines;
    const Json answer = Ask("/loki/api/v1/query_range?limit=5000&query=" +
                            PercentEscaped("{service_name=~\".+\"} | trace_id=\"" + trace + "\""));
    for (const Json& stream : At(answer, "data.result"))
      for (const Json& value : At(stream, "values")) {
        const std::string text = value.at(1).get<std::string>();
        // Lines that were taken from a container's output are the whole record.
        const Json record = Json::parse(text, nullptr, /*allow_exceptions=*/false);
        const std::string message = record.is_object() ? StringAt(record, "message") : text;
        ++lines[LineName(StringAt(stream, "stream.span_id"), message)];
      }
    return lines;
  }
};

TEST_F(LaboratoryLogsTest, EveryLineOfARequestIsFoundByItsTrace) {
  const int actions = Slow() ? 1000 : 100;
  const Json seen = Load(actions, 11, 40);
  EXPECT_EQ(IntAt(seen, "all.actions"), actions) << seen.dump();
  std::map<std::string, Lines> printed = Printed();
  EXPECT_GE(printed.size(), static_cast<std::size_t>(actions));
  std::size_t lines = 0;
  std::size_t missing = 0;
  std::size_t doubled = 0;
  std::string examples;
  for (const auto& [trace, wanted] : printed) {
    Lines found;
    // Records leave each service about once a second.
    Eventually(seconds(10), [&, &trace = trace, &wanted = wanted] {
      found = Found(trace);
      for (const auto& [line, count] : wanted)
        if (found[line] < count) return false;
      return true;
    });
    for (const auto& [line, count] : wanted) {
      lines += static_cast<std::size_t>(count);
      const int there = found[line];
      if (there < count) missing += static_cast<std::size_t>(count - there);
      if (there > count) doubled += static_cast<std::size_t>(there - count);
      if (there != count && examples.size() < 2000)
        examples += fmt::format("{} {}: printed {}, found {}\n", trace, line, count, there);
    }
  }
  EXPECT_EQ(missing, 0u) << examples;
  EXPECT_EQ(doubled, 0u) << examples;
  fmt::print("enclave tests: {} lines of {} traces: {} missing, {} twice\n", lines, printed.size(),
             missing, doubled);
}

}  // namespace
}  // namespace enclave::system_test
