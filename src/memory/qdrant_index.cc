#include "memory/qdrant_index.h"

#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "memory/evidence_words.h"
#include "net/http.h"

namespace enclave::memory {
namespace {

using base::ErrorKind;
using base::Fail;
using nlohmann::json;

std::unexpected<base::Error> Strange(std::string_view what) {
  return Fail(ErrorKind::kInternal,
              fmt::format("Qdrant's answer {}: is it another kind of server, or a version whose "
                          "REST API differs?",
                          what));
}

// "result" of an answer; a null when there is none.
json ResultOf(std::string_view body) {
  const json answer = json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!answer.is_object()) return nullptr;
  const auto result = answer.find("result");
  return result == answer.end() ? json(nullptr) : *result;
}

// Walks into objects; a null where the path ends early.
const json& At(const json& value, std::initializer_list<const char*> path) {
  static const json none;
  const json* at = &value;
  for (const char* name : path) {
    if (!at->is_object()) return none;
    const auto found = at->find(name);
    if (found == at->end()) return none;
    at = &*found;
  }
  return *at;
}

json Numbers(std::span<const float> values) {
  json numbers = json::array();
  for (const float value : values) numbers.push_back(value);
  return numbers;
}

}  // namespace

base::Result<std::vector<Neighbour>> ParseQdrantHits(std::string_view body) {
  const json result = ResultOf(body);
  // An array from points/search, {"points": [...]} from points/query.
  const json& hits = result.is_object() ? At(result, {"points"}) : result;
  if (!hits.is_array()) return Strange("has no points");
  std::vector<Neighbour> neighbours;
  neighbours.reserve(hits.size());
  for (const json& hit : hits) {
    const json& id = At(hit, {"id"});
    const json& score = At(hit, {"score"});
    if (!id.is_number_unsigned() || !score.is_number()) return Strange("has points without score");
    const double similarity = score.get<double>();
    if (!std::isfinite(similarity)) return Strange("has a score that is no number");
    neighbours.push_back({.code = id.get<std::uint64_t>(), .similarity = similarity});
  }
  return neighbours;
}

base::Result<QdrantPage> ParseQdrantPage(std::string_view body) {
  const json result = ResultOf(body);
  const json& points = At(result, {"points"});
  if (!points.is_array()) return Strange("has no points");
  QdrantPage page;
  page.codes.reserve(points.size());
  for (const json& point : points) {
    const json& id = At(point, {"id"});
    if (!id.is_number_unsigned())
      return Strange("has points that are not ours; give the memory a collection of its own");
    page.codes.push_back(id.get<std::uint64_t>());
  }
  const json& next = At(result, {"next_page_offset"});
  if (next.is_number_unsigned())
    page.next = next.get<std::uint64_t>();
  else if (!next.is_null())
    return Strange("has a next page that is no number");
  return page;
}

base::Result<std::uint64_t> ParseQdrantCount(std::string_view body) {
  const json result = ResultOf(body);
  const json& count = At(result, {"count"});
  if (!count.is_number_unsigned()) return Strange("has no count");
  return count.get<std::uint64_t>();
}

base::Result<std::pair<std::uint64_t, std::string>> ParseQdrantCollection(std::string_view body) {
  const json result = ResultOf(body);
  const json& vectors = At(result, {"config", "params", "vectors"});
  const json& size = At(vectors, {"size"});
  const json& distance = At(vectors, {"distance"});
  if (!size.is_number_unsigned() || !distance.is_string())
    return Strange("does not describe one unnamed vector");
  return std::pair(size.get<std::uint64_t>(), distance.get<std::string>());
}

std::string QdrantErrorText(std::string_view body) {
  constexpr std::size_t kMostBytes = 300;
  const json answer = json::parse(body, nullptr, /*allow_exceptions=*/false);
  const json& error = At(answer, {"status", "error"});
  return OneLine(error.is_string() ? error.get<std::string>() : std::string(body), kMostBytes);
}

base::Result<std::unique_ptr<QdrantIndex>> QdrantIndex::Open(net::EventLoop& loop,
                                                             base::Random& random,
                                                             QdrantOptions options) {
  if (options.collection.empty() || options.batch == 0)
    return Fail(ErrorKind::kInvalidArgument, "Qdrant needs a collection's name and a batch size");
  ASSIGN_OR_RETURN(auto client,
                   RetryingClient::Create(
                       loop, random, {.base_url = options.url, .tls = options.tls}, options.retry));
  std::unique_ptr<QdrantIndex> index(new QdrantIndex(std::move(options), std::move(client)));
  RETURN_IF_ERROR(index->EnsureCollection());
  return index;
}

std::string QdrantIndex::Path(std::string_view rest) const {
  return fmt::format("/collections/{}{}", net::PercentEncode(options_.collection), rest);
}

base::Result<net::Response> QdrantIndex::Ask(const char* method, const std::string& target,
                                             std::string body) {
  net::ClientRequest request{.method = method,
                             .target = target,
                             .headers = {{"Accept", "application/json"}},
                             .body = std::move(body),
                             .timeout = options_.timeout};
  if (!request.body.empty()) request.headers["Content-Type"] = "application/json";
  if (!options_.api_key.empty()) request.headers["api-key"] = options_.api_key;
  auto answer = client_->Send(request);
  const std::string doing =
      fmt::format("asking Qdrant at {} ({} {})", options_.url, method, target);
  if (!answer) return Fail(answer.error().While(doing));
  const int status = answer->status;
  if (status < 300) return answer;
  ErrorKind kind = ErrorKind::kInternal;
  if (status == 401 || status == 403)
    kind = ErrorKind::kUnauthenticated;
  else if (status == 404)
    kind = ErrorKind::kNotFound;
  else if (status == 409)
    kind = ErrorKind::kAlreadyExists;
  else if (status == 429 || status >= 500)
    kind = ErrorKind::kUnavailable;
  return Fail(kind, fmt::format("{}: {}: {}", doing, status, QdrantErrorText(answer->body)));
}

base::Result<> QdrantIndex::EnsureCollection() {
  auto found = Ask("GET", Path(""), "");
  if (!found && found.error().kind() == ErrorKind::kNotFound) {
    const json wanted = {{"vectors", {{"size", options_.dimensions}, {"distance", "Cosine"}}}};
    const auto made = Ask("PUT", Path(""), wanted.dump());
    // Another process may have made it in between.
    if (!made && made.error().kind() != ErrorKind::kAlreadyExists) return Fail(made.error());
    found = Ask("GET", Path(""), "");
  }
  if (!found) return Fail(found.error());
  ASSIGN_OR_RETURN(const auto shape, ParseQdrantCollection(found->body));
  if (shape.first != options_.dimensions || shape.second != "Cosine")
    return Fail(ErrorKind::kInvalidArgument,
                fmt::format("the collection {} of Qdrant at {} keeps {} vectors of {} numbers, the "
                            "memory needs Cosine and {}: name another collection",
                            options_.collection, options_.url, shape.second, shape.first,
                            options_.dimensions));
  return {};
}

base::Result<> QdrantIndex::Put(std::span<const CodedVector> vectors) {
  while (!vectors.empty()) {
    const auto some = vectors.first(std::min(vectors.size(), options_.batch));
    vectors = vectors.subspan(some.size());
    json points = json::array();
    for (const CodedVector& vector : some) {
      if (vector.values.size() != options_.dimensions)
        return Fail(ErrorKind::kInvalidArgument,
                    fmt::format("a vector of {} numbers for a collection of {}",
                                vector.values.size(), options_.dimensions));
      points.push_back({{"id", vector.code}, {"vector", Numbers(vector.values)}});
    }
    RETURN_IF_ERROR(
        Ask("PUT", Path("/points?wait=true"), json{{"points", std::move(points)}}.dump()));
  }
  return {};
}

base::Result<> QdrantIndex::Remove(std::span<const std::uint64_t> codes) {
  while (!codes.empty()) {
    const auto some = codes.first(std::min(codes.size(), options_.batch));
    codes = codes.subspan(some.size());
    const json body = {{"points", std::vector<std::uint64_t>(some.begin(), some.end())}};
    RETURN_IF_ERROR(Ask("POST", Path("/points/delete?wait=true"), body.dump()));
  }
  return {};
}

base::Result<std::vector<Neighbour>> QdrantIndex::Search(std::span<const float> values,
                                                         std::size_t k) {
  if (k == 0) return std::vector<Neighbour>();
  json body = {{"query", Numbers(values)}, {"limit", k}, {"with_payload", false}};
  auto answer = Ask("POST", Path("/points/query"), body.dump());
  if (!answer && answer.error().kind() == ErrorKind::kNotFound) {
    // Servers before 1.10 know the older form of the question alone.
    body["vector"] = std::move(body["query"]);
    body.erase("query");
    answer = Ask("POST", Path("/points/search"), body.dump());
  }
  if (!answer) return Fail(answer.error());
  return ParseQdrantHits(answer->body);
}

base::Result<std::uint64_t> QdrantIndex::Count() {
  ASSIGN_OR_RETURN(const auto answer,
                   Ask("POST", Path("/points/count"), json{{"exact", true}}.dump()));
  return ParseQdrantCount(answer.body);
}

base::Result<> QdrantIndex::Clear() {
  const auto dropped = Ask("DELETE", Path(""), "");
  if (!dropped && dropped.error().kind() != ErrorKind::kNotFound) return Fail(dropped.error());
  {
    const std::lock_guard lock(mutex_);
    position_.reset();
  }
  return EnsureCollection();
}

std::optional<Position> QdrantIndex::position() {
  const std::lock_guard lock(mutex_);
  return position_;
}

void QdrantIndex::set_position(const Position& position) {
  const std::lock_guard lock(mutex_);
  position_ = position;
}

base::Result<std::vector<std::uint64_t>> QdrantIndex::Codes() {
  constexpr std::size_t kPage = 10'000;
  std::vector<std::uint64_t> codes;
  std::optional<std::uint64_t> from;
  while (true) {
    json body = {{"limit", kPage}, {"with_payload", false}, {"with_vector", false}};
    if (from) body["offset"] = *from;
    ASSIGN_OR_RETURN(const auto answer, Ask("POST", Path("/points/scroll"), body.dump()));
    ASSIGN_OR_RETURN(const QdrantPage page, ParseQdrantPage(answer.body));
    codes.insert(codes.end(), page.codes.begin(), page.codes.end());
    if (!page.next) return codes;
    // Pages are in the order of ids: one that goes back would never end.
    if (from && *page.next <= *from) return Strange("turns in a circle");
    from = page.next;
  }
}

}  // namespace enclave::memory
