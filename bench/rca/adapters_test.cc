// The translations of both formats, on small files in the shape of the packs'.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "bench/rca/nezha.h"
#include "bench/rca/pack.h"
#include "bench/rca/petshop.h"

namespace enclave::bench::rca {
namespace {

using telemetry::Matcher;
using telemetry::Span;
using telemetry::SpanKind;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::int64_t kSecond = 1'000'000'000;

class PackDirectory {
 public:
  PackDirectory()
      : root_(std::filesystem::path(::testing::TempDir()) /
              ::testing::UnitTest::GetInstance()->current_test_info()->name()) {
    std::filesystem::remove_all(root_);
  }
  ~PackDirectory() { std::filesystem::remove_all(root_); }
  void Write(const std::string& path, std::string_view text) {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path, std::ios::binary) << text;
  }
  std::string path() const { return root_.string(); }

 private:
  std::filesystem::path root_;
};

// The values of the one series that matches.
std::vector<double> ValuesOf(LoadedCase& loaded, const telemetry::Matchers& matchers) {
  const auto set = loaded.metrics.Select(matchers, {0, INT64_MAX});
  EXPECT_EQ((*set)->size(), 1u);
  std::vector<double> values;
  if ((*set)->size() != 1) return values;
  std::vector<telemetry::Sample> samples;
  EXPECT_TRUE((*set)->Read(0, samples));
  for (const auto& sample : samples) values.push_back(sample.value);
  return values;
}

Matcher Name(const std::string& name) {
  return Matcher::Equal("__name__", name);
}

constexpr std::string_view kTrace =
    "TraceID,SpanID,ParentID,PodName,OperationName,StartTimeUnixNano,EndTimeUnixNano,Duration\n"
    "6aa1c0e2f45814cb65c150554d759c59,c199d78b6d94487e,root,web-6f6cfc45b-h5m2n,/*,"
    "1674982306057000000,1674982306627000000,570000\n"
    "6aa1c0e2f45814cb65c150554d759c59,90b73e089aed4888,c199d78b6d94487e,web-6f6cfc45b-h5m2n,"
    "HTTP GET,1674982306058000000,1674982306626000000,568000\n"
    "6aa1c0e2f45814cb65c150554d759c59,36d1c55667cc59b5,90b73e089aed4888,cart-7b6dc75c45-2z9p2,"
    "/items,1674982306059000000,1674982306620000000,561000\n"
    "6aa1c0e2f45814cb65c150554d759c59,46d1c55667cc59b5,36d1c55667cc59b5,cart-7b6dc75c45-2z9p2,"
    "SELECT,1674982306060000000,1674982306070000000,10000\n"
    "6aa1c0e2f45814cb65c150554d759c59,46d1c55667cc59b5,36d1c55667cc59b5,cart-7b6dc75c45-2z9p2,"
    "SELECT,1674982306060000000,1674982306070000000,10000\n"
    "6aa1c0e2f45814cb65c150554d759c59,56d1c55667cc59b5,36d1c55667cc59b5,cart-7b6dc75c45-2z9p2,"
    "SELECT,1674982306060000000,1674982306059000000,10000\n"
    "nonsense\n";

constexpr std::string_view kLog =
    "Timestamp,TimeUnixNano,Node,PodName,Container,TraceID,SpanID,Log\n"
    "2023-01-29T08:51:46Z,1674982306100000000,10.0.0.7,cart-7b6dc75c45-2z9p2,server,"
    "6aa1c0e2f45814cb65c150554d759c59,36d1c55667cc59b5,"
    "\"{\"\"log\"\":\"\"INFO say \\\"\"hi\\\"\", twice\\n\"\",\"\"stream\"\":\"\"stdout\"\"}\"\n"
    "2023-01-29T08:51:46Z,-1674982306100000000,10.0.0.7,cart-7b6dc75c45-2z9p2,server,a,b,x\n"
    "2023-01-29T08:51:47Z,1674982307100000000,10.0.0.7,cart-7b6dc75c45-2z9p2,server,,,plain\n";

constexpr std::string_view kPodHead =
    "Time,TimeStamp,PodName,CpuUsage(m),CpuUsageRate(%),MemoryUsage(Mi),PodClientLatencyP90(s),"
    "PodSuccessRate(%)\n";

std::string NezhaCases() {
  return R"({"dataset":"d","candidates":["cart","web"],"cases":[{"id":"c1","date":"2023-01-29",
    "inject_time":1674982300,"service":"cart","pod":"cart-7b6dc75c45-2z9p2",
    "fault_type":"return","inner":["A#1","A#3"],
    "files":{"metric_dir":"m","trace":["t/08_51_trace.csv","t/08_52_trace.csv"],
             "log":["l/08_51_log.csv"],"traceid":["i/08_51_traceid.csv"]},
    "normal":{"trace":null,"log":"n/08_40_log.csv"},"missing":["t/08_52_trace.csv"]}]})";
}

void WriteNezha(PackDirectory& pack) {
  pack.Write("cases.json", NezhaCases());
  pack.Write("t/08_51_trace.csv", kTrace);
  pack.Write("l/08_51_log.csv", kLog);
  pack.Write("n/08_40_log.csv",
             "Timestamp,TimeUnixNano,Node,PodName,Container,TraceID,SpanID,Log\n"
             "x,1674981600000000000,10.0.0.7,cart-7b6dc75c45-2z9p2,server,,,calm\n");
  pack.Write("m/cart-7b6dc75c45-2z9p2_metric.csv",
             std::string(kPodHead) +
                 "2023-01-29 08:50:09.5 +0000 UTC m=+0.1,1,cart,250,50,2,0.25,0\n"
                 "2023-01-29 08:51:09.5 +0000 UTC m=+60.1,1,cart,,x,2,NaN,0\n"
                 "2023-01-29 09:51:09.5 +0000 UTC m=+60.1,1,cart,999,99,9,9,9\n"
                 "yesterday,1,cart,999,99,9,9,9\n");
  pack.Write("m/dependency.csv", "Source,Target,Weight\nweb,cart,1\ncart,10.0.0.9,1\n");
  pack.Write("m/source_50.csv",
             "time,timestamp,web_cart\n2023-01-29 08:50:09 +0000 UTC m=+0.1,1,0.004\n");
  pack.Write("m/front_service.csv",
             "Time,TimeStamp,ServiceName,SuccessRate(%),LatencyP50(s)\n"
             "2023-01-29 08:50:09 +0000 UTC m=+0.1,1,Frontend,98,0.5\n");
}

LoadedCase LoadFirst(const PackDirectory& directory) {
  const auto pack = ReadPack(directory.path());
  EXPECT_TRUE(pack) << (pack ? "" : pack.error().message());
  auto loaded = LoadCase(directory.path(), pack->cases.front());
  EXPECT_TRUE(loaded) << (loaded ? "" : loaded.error().message());
  return *std::move(loaded);
}

TEST(NezhaTest, SpansGetKindsFromWhereTheirNeighboursAre) {
  PackDirectory directory;
  WriteNezha(directory);
  LoadedCase loaded = LoadFirst(directory);
  const auto spans =
      loaded.traces.Trace(*trace::TraceId::Parse("6aa1c0e2f45814cb65c150554d759c59"));
  ASSERT_THAT(*spans, SizeIs(4));
  EXPECT_EQ((*spans)[0].kind, SpanKind::kServer);
  EXPECT_FALSE((*spans)[0].parent_id);
  EXPECT_EQ((*spans)[1].kind, SpanKind::kClient);
  EXPECT_EQ((*spans)[2].kind, SpanKind::kServer);
  EXPECT_EQ(telemetry::ServiceName((*spans)[2].resource), "cart");
  EXPECT_EQ((*spans)[2].parent_id, (*spans)[1].span_id);
  EXPECT_EQ((*spans)[3].kind, SpanKind::kInternal);
  EXPECT_EQ((*spans)[3].name, "SELECT");
  EXPECT_EQ(loaded.alert_service, "web");
}

TEST(NezhaTest, LinesAreTheProgramsOwnWithTheirSpan) {
  PackDirectory directory;
  WriteNezha(directory);
  LoadedCase loaded = LoadFirst(directory);
  std::vector<std::string> lines;
  ASSERT_TRUE(loaded.logs.Query(
      {.range = {0, INT64_MAX}}, [&](const telemetry::Labels& stream, const auto& record) {
        lines.push_back(record.line);
        EXPECT_EQ(stream.Get("service_name"), "cart");
        EXPECT_EQ(stream.Get("k8s_node_name"), "10.0.0.7");
        if (lines.size() == 2) {
          EXPECT_EQ(record.span_id, trace::SpanId::Parse("36d1c55667cc59b5"));
        }
        return true;
      }));
  EXPECT_THAT(lines, ElementsAre("calm", "INFO say \"hi\", twice", "plain"));
}

TEST(NezhaTest, MetricsAreInTheUnitsOfTheConventionsAndEndWithTheWindow) {
  PackDirectory directory;
  WriteNezha(directory);
  LoadedCase loaded = LoadFirst(directory);
  const auto pod = Matcher::Equal("k8s_pod_name", "cart-7b6dc75c45-2z9p2");
  EXPECT_THAT(ValuesOf(loaded, {Name("k8s_pod_cpu_usage"), pod}), ElementsAre(0.25));
  EXPECT_THAT(ValuesOf(loaded, {Name("k8s_pod_cpu_limit_utilization_ratio"), pod}),
              ElementsAre(0.5));
  EXPECT_THAT(ValuesOf(loaded, {Name("k8s_pod_memory_usage_bytes"), pod}),
              ElementsAre(2097152, 2097152));
  EXPECT_THAT(
      ValuesOf(loaded, {Name("user_request_success_ratio"), Matcher::Equal("service_name", "web")}),
      ElementsAre(0.98));
  EXPECT_THAT(
      ValuesOf(loaded,
               {Name("mesh_request_duration_seconds"), Matcher::Equal("source", "web"),
                Matcher::Equal("destination", "cart"), Matcher::Equal("reporter", "source")}),
      ElementsAre(0.004));
  EXPECT_THAT(loaded.topology, ElementsAre(incident::Call{"web", "cart"}));
}

TEST(NezhaTest, WindowsAndWhatIsMissingOrMalformed) {
  PackDirectory directory;
  WriteNezha(directory);
  const LoadedCase loaded = LoadFirst(directory);
  EXPECT_EQ(loaded.alert_time_ns, 1674982300 * kSecond);
  // From the first named minute, 08:51, to the end of the last.
  EXPECT_EQ(loaded.available.from_ns, 1674982260 * kSecond);
  EXPECT_EQ(loaded.available.to_ns, 1674982380 * kSecond);
  EXPECT_THAT(loaded.normal,
              ElementsAre(incident::Window{1674981600 * kSecond, 1674981600 * kSecond + 1}));
  EXPECT_THAT(loaded.missing, ElementsAre("t/08_52_trace.csv"));
  std::map<std::string, std::size_t> skipped;
  for (const SkippedRows& rows : loaded.skipped) skipped[rows.file + ": " + rows.why] = rows.rows;
  EXPECT_EQ(skipped["t/08_51_trace.csv: span seen before"], 1u);
  EXPECT_EQ(skipped["t/08_51_trace.csv: impossible times"], 1u);
  EXPECT_EQ(skipped["t/08_51_trace.csv: malformed row"], 1u);
  EXPECT_EQ(skipped["l/08_51_log.csv: impossible time"], 1u);
  EXPECT_EQ(skipped["m/cart-7b6dc75c45-2z9p2_metric.csv: no time"], 1u);
  EXPECT_EQ(skipped["m/cart-7b6dc75c45-2z9p2_metric.csv: a field that is no number"], 1u);
}

TEST(NezhaTest, LabelsStayApart) {
  const auto pack = ParsePack(NezhaCases(), "d", "cases.json");
  ASSERT_TRUE(pack);
  EXPECT_EQ(pack->truths.at("c1").service, "cart");
  EXPECT_THAT(pack->truths.at("c1").inner, ElementsAre("A#1", "A#3"));
  EXPECT_THAT(pack->candidates.at("c1"), ElementsAre("cart", "web"));
  EXPECT_FALSE(pack->labels_are_symptoms);
}

TEST(PackTest, ErrorsNameFileAndCase) {
  const auto error = [](std::string_view json) {
    const auto pack = ParsePack(json, "d", "cases.json");
    return pack ? std::string("none") : pack.error().message();
  };
  EXPECT_THAT(error("[]"), HasSubstr("cases.json: no JSON object"));
  EXPECT_THAT(error(R"({"cases":[{"id":"a","inject_time":"x"}]})"),
              HasSubstr("cases.json: case 1: a: inject_time"));
  EXPECT_THAT(error(R"({"cases":[{"inject_time":5}]})"), HasSubstr("without an id"));
  EXPECT_THAT(error(R"({"cases":[{"id":"a","inject_time":5,"files":{"graph":"../x"}}]})"),
              HasSubstr("leads out of the pack"));
}

TEST(PackTest, PacksAreFoundBelow) {
  PackDirectory directory;
  WriteNezha(directory);
  EXPECT_THAT(FindPacks(std::filesystem::path(directory.path()).parent_path().string()),
              ::testing::Contains(directory.path()));
  EXPECT_THAT(FindPacks(directory.path()), ElementsAre(directory.path()));
  EXPECT_THAT(FindPacks("/nowhere"), IsEmpty());
}

TEST(PetShopTest, StatisticsBecomeSeriesAndTheGraphCalls) {
  PackDirectory directory;
  directory.Write("cases.json", R"({"dataset":"p","cases":[{"id":"h/1","inject_time":1681399159,
    "service":"db","fault_type":"latency","target":{"node":"Site","metric":"latency"},
    "files":{"metric":["i/metrics.csv"],"graph":"graph.csv","normal":"n/metrics.csv"},
    "candidates":["Site","db"],"missing":[]}]})");
  constexpr std::string_view kHead =
      "microservice,Site,Site,db,db\nmetric,latency,availability,requests,latency\n"
      "statistic,p95,Average,Sum,Average\nunix_timestamp,,,,\n";
  directory.Write("i/metrics.csv", std::string(kHead) +
                                       "1681398600.0,0.5,99,600,\n"
                                       "1681398900.0,0.7,98,300,0.1\n"
                                       "never,1,1,1,1\n1681399200.0,1,1,1\n");
  directory.Write("n/metrics.csv", std::string(kHead) + "1693922400.0,0.1,100,900,0.1\n");
  directory.Write("graph.csv", ",Site,db\nSite,0.0,1.0\ndb,0.0,0.0\n");
  LoadedCase loaded = LoadFirst(directory);
  const auto site = Matcher::Equal("service_name", "Site");
  EXPECT_THAT(ValuesOf(loaded, {Name("http_server_request_duration_seconds"), site,
                                Matcher::Equal("quantile", "0.95")}),
              ElementsAre(0.5, 0.7, 0.1));
  EXPECT_THAT(ValuesOf(loaded, {Name("http_server_request_availability_ratio"), site,
                                Matcher::Equal("statistic", "average")}),
              ElementsAre(0.99, 0.98, 1));
  EXPECT_THAT(ValuesOf(loaded, {Name("http_server_requests_per_second")}), ElementsAre(2, 1, 3));
  EXPECT_THAT(loaded.topology, ElementsAre(incident::Call{"Site", "db"}));
  EXPECT_EQ(loaded.alert_service, "Site");
  EXPECT_EQ(loaded.alert_name, "latency");
  EXPECT_EQ(loaded.available.from_ns, 1681398600 * kSecond);
  EXPECT_EQ(loaded.available.to_ns, 1681399200 * kSecond);
  EXPECT_THAT(loaded.normal,
              ElementsAre(incident::Window{1693922400 * kSecond, 1693922700 * kSecond}));
  ASSERT_THAT(loaded.skipped, SizeIs(2));
  EXPECT_EQ(loaded.skipped[0].first_line, 7u);
}

}  // namespace
}  // namespace enclave::bench::rca
