#include "cli/telemetry_http.h"

#include <fmt/format.h>

#include "base/quote.h"

namespace enclave::cli {

using base::ErrorKind;
using base::Fail;
using base::Result;
using kube::Json;

namespace {

constexpr std::size_t kMostAnswerBytes = std::size_t{256} << 20U;
constexpr std::size_t kMostShownBytes = 200;

std::string Form(const TelemetryHttp::Parameters& parameters) {
  std::string text;
  for (const auto& [name, value] : parameters) {
    if (!text.empty()) text += '&';
    text += net::PercentEncode(name) + "=" + net::PercentEncode(value);
  }
  return text;
}

}  // namespace

Result<std::unique_ptr<TelemetryHttp>> TelemetryHttp::Create(net::EventLoop& loop,
                                                             const std::string& url) {
  net::HttpClientOptions options{.base_url = url};
  options.max_idle_connections = 8;
  options.max_body_bytes = kMostAnswerBytes;
  ASSIGN_OR_RETURN(auto client, net::HttpClient::Create(loop, std::move(options)));
  return std::unique_ptr<TelemetryHttp>(new TelemetryHttp(std::move(client), url));
}

Result<std::string> TelemetryHttp::Ask(net::ClientRequest request) const {
  const std::string path = request.target.substr(0, request.target.find('?'));
  auto answer = client_->SendAndWait(std::move(request));
  if (!answer)
    return Fail(answer.error().kind(),
                fmt::format("asking {}{}: {}", url_, path, answer.error().message()));
  if (answer->status == 200) return std::move(answer->body);
  const ErrorKind kind = answer->status == 404   ? ErrorKind::kNotFound
                         : answer->status == 429 ? ErrorKind::kResourceExhausted
                         : answer->status < 500  ? ErrorKind::kInvalidArgument
                                                 : ErrorKind::kUnavailable;
  return Fail(kind, fmt::format("{}{} answers {}: {}", url_, path, answer->status,
                                base::Quote(answer->body.substr(0, kMostShownBytes))));
}

Result<std::string> TelemetryHttp::Get(const std::string& path, const Parameters& parameters,
                                       const net::Headers& headers) const {
  net::ClientRequest request;
  request.target = parameters.empty() ? path : path + "?" + Form(parameters);
  request.headers = headers;
  return Ask(std::move(request));
}

namespace {

Result<Json> Parsed(const std::string& body, const std::string& path) {
  Json json = Json::parse(body, nullptr, false);
  if (json.is_discarded())
    return Fail(ErrorKind::kUnavailable, path + " answers with something that is no JSON");
  return json;
}

}  // namespace

Result<Json> TelemetryHttp::GetJson(const std::string& path, const Parameters& parameters) const {
  ASSIGN_OR_RETURN(const std::string body, Get(path, parameters));
  return Parsed(body, path);
}

Result<Json> TelemetryHttp::PostForm(const std::string& path, const Parameters& parameters) const {
  net::ClientRequest request{.method = "POST", .target = path};
  request.headers["Content-Type"] = "application/x-www-form-urlencoded";
  request.body = Form(parameters);
  ASSIGN_OR_RETURN(const std::string body, Ask(std::move(request)));
  return Parsed(body, path);
}

std::string SelectorOf(const telemetry::Matchers& matchers, const std::string& otherwise) {
  std::string text;
  bool any = false;
  for (const telemetry::Matcher& matcher : matchers) {
    text += (text.empty() ? "" : ",") + matcher.ToString();
    any = any || !matcher.MatchesEmpty();
  }
  // A selector that also matches what has none of the labels is refused by the servers.
  if (!any) text += fmt::format("{}{}=~\".+\"", text.empty() ? "" : ",", otherwise);
  return "{" + text + "}";
}

telemetry::Labels LabelsOf(const Json& json) {
  std::vector<telemetry::Label> labels;
  if (json.is_object())
    for (const auto& [name, value] : json.items())
      if (value.is_string()) labels.push_back({name, value.get<std::string>()});
  return telemetry::Labels::From(std::move(labels));
}

}  // namespace enclave::cli
