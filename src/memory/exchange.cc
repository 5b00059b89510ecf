#include "memory/exchange.h"

#include <cmath>
#include <cstring>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "net/tls.h"

namespace enclave::memory {
namespace {

using base::ErrorKind;
using base::Fail;
using nlohmann::json;

constexpr std::string_view kFormat = "enclave-memory";

std::unexpected<base::Error> WrongLine(std::string what) {
  return Fail(ErrorKind::kInvalidArgument, std::move(what));
}

base::Result<std::string> TextAt(const json& object, const char* name, bool required) {
  const auto found = object.find(name);
  if (found == object.end() && !required) return std::string();
  if (found == object.end() || !found->is_string())
    return WrongLine(fmt::format("\"{}\" must be a string", name));
  return found->get<std::string>();
}

base::Result<std::int64_t> IntegerAt(const json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_number_integer() ||
      (found->is_number_unsigned() && found->get<std::uint64_t>() > INT64_MAX))
    return WrongLine(fmt::format("\"{}\" must be a whole number", name));
  return found->get<std::int64_t>();
}

base::Result<json> ParseObject(std::string_view line) {
  if (line.size() > kMostLineBytes)
    return WrongLine(fmt::format("longer than {} bytes", kMostLineBytes));
  json value = json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!value.is_object()) return WrongLine("is not a JSON object");
  return value;
}

json ToJson(const Outcome& outcome) {
  json value = {{"about", ToString(outcome.about)}, {"service", outcome.cause.service},
                {"kind", outcome.cause.kind},       {"good", outcome.good},
                {"sayer", ToString(outcome.sayer)}, {"saidBy", outcome.said_by},
                {"timeNs", outcome.time_ns}};
  if (outcome.about == About::kAction) value["action"] = outcome.action;
  return value;
}

base::Result<Outcome> OutcomeFrom(const json& value) {
  if (!value.is_object()) return WrongLine("an outcome must be an object");
  Outcome outcome;
  ASSIGN_OR_RETURN(const std::string about, TextAt(value, "about", true));
  ASSIGN_OR_RETURN(outcome.about, AboutFromString(about));
  ASSIGN_OR_RETURN(outcome.cause.service, TextAt(value, "service", false));
  ASSIGN_OR_RETURN(outcome.cause.kind, TextAt(value, "kind", false));
  ASSIGN_OR_RETURN(outcome.action, TextAt(value, "action", false));
  ASSIGN_OR_RETURN(const std::string sayer, TextAt(value, "sayer", true));
  ASSIGN_OR_RETURN(outcome.sayer, SayerFromString(sayer));
  ASSIGN_OR_RETURN(outcome.said_by, TextAt(value, "saidBy", false));
  ASSIGN_OR_RETURN(outcome.time_ns, IntegerAt(value, "timeNs"));
  const auto good = value.find("good");
  if (good == value.end() || !good->is_boolean())
    return WrongLine("\"good\" of an outcome must be true or false");
  outcome.good = good->get<bool>();
  return outcome;
}

base::Result<std::vector<Feature>> FeaturesFrom(const json& value) {
  if (!value.is_array()) return WrongLine("\"features\" must be an array");
  if (value.size() > kMostFeatures)
    return WrongLine(fmt::format("at most {} features are kept", kMostFeatures));
  std::vector<Feature> features;
  for (const json& one : value) {
    if (!one.is_array() || one.size() != 3 || !one[0].is_string() || !one[1].is_number() ||
        !one[2].is_string())
      return WrongLine("a feature must be [family, weight, key]");
    const std::size_t family = FamilyFromString(one[0].get_ref<const std::string&>());
    if (family == kFamilies) return WrongLine("a feature is of no known family");
    features.push_back({.family = static_cast<Family>(family),
                        .key = one[2].get<std::string>(),
                        .weight = static_cast<float>(one[1].get<double>())});
  }
  return features;
}

}  // namespace

std::string HeaderLine(std::size_t dimensions) {
  return json{{"format", kFormat},
              {"version", kExchangeVersion},
              {"fingerprintVersion", kFingerprintVersion},
              {"dimensions", dimensions}}
      .dump();
}

base::Result<> CheckHeaderLine(std::string_view line, std::size_t dimensions) {
  ASSIGN_OR_RETURN(const json header, ParseObject(line));
  ASSIGN_OR_RETURN(const std::string format, TextAt(header, "format", true));
  if (format != kFormat) return WrongLine("is not the header of an exported memory");
  const std::pair<const char*, std::int64_t> expected[] = {
      {"version", kExchangeVersion},
      {"fingerprintVersion", kFingerprintVersion},
      {"dimensions", static_cast<std::int64_t>(dimensions)}};
  for (const auto& [name, value] : expected) {
    ASSIGN_OR_RETURN(const std::int64_t found, IntegerAt(header, name));
    if (found != value)
      return WrongLine(fmt::format("\"{}\" is {}, this memory has {}", name, found, value));
  }
  return {};
}

std::string IncidentLine(const Incident& incident) {
  const auto& values = incident.fingerprint.values;
  json features = json::array();
  for (const Feature& feature : incident.fingerprint.features)
    features.push_back({ToString(feature.family), feature.weight, feature.key});
  json outcomes = json::array();
  for (const Outcome& outcome : incident.outcomes) outcomes.push_back(ToJson(outcome));
  json summary = json::parse(incident.summary, nullptr, /*allow_exceptions=*/false);
  json value = {{"id", incident.id},
                {"timeNs", incident.time_ns},
                {"service", incident.cause.service},
                {"kind", incident.cause.kind},
                {"confidence", incident.confidence},
                {"outcomes", std::move(outcomes)},
                {"features", std::move(features)},
                {"fingerprint",
                 net::Base64Encode(std::string_view(reinterpret_cast<const char*>(values.data()),
                                                    values.size() * sizeof(float)))}};
  if (summary.is_object()) value["summary"] = std::move(summary);
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

base::Result<Incident> ParseIncidentLine(std::string_view line, std::size_t dimensions) {
  ASSIGN_OR_RETURN(const json value, ParseObject(line));
  Incident incident;
  ASSIGN_OR_RETURN(incident.id, TextAt(value, "id", true));
  ASSIGN_OR_RETURN(incident.time_ns, IntegerAt(value, "timeNs"));
  ASSIGN_OR_RETURN(incident.cause.service, TextAt(value, "service", false));
  ASSIGN_OR_RETURN(incident.cause.kind, TextAt(value, "kind", false));
  if (const auto confidence = value.find("confidence"); confidence != value.end()) {
    if (!confidence->is_number()) return WrongLine("\"confidence\" must be a number");
    incident.confidence = confidence->get<double>();
  }
  ASSIGN_OR_RETURN(const std::string text, TextAt(value, "fingerprint", true));
  auto bytes = net::Base64Decode(text);
  if (!bytes || bytes->size() != dimensions * sizeof(float))
    return WrongLine(fmt::format(
        "\"fingerprint\" must be {} numbers of 32 bits, little-endian, in base64", dimensions));
  incident.fingerprint.values.resize(dimensions);
  std::memcpy(incident.fingerprint.values.data(), bytes->data(), bytes->size());
  if (const auto features = value.find("features"); features != value.end()) {
    ASSIGN_OR_RETURN(incident.fingerprint.features, FeaturesFrom(*features));
  }
  if (const auto summary = value.find("summary"); summary != value.end()) {
    if (!summary->is_object()) return WrongLine("\"summary\" must be an object");
    incident.summary = summary->dump(-1, ' ', false, json::error_handler_t::replace);
  }
  if (const auto outcomes = value.find("outcomes"); outcomes != value.end()) {
    if (!outcomes->is_array()) return WrongLine("\"outcomes\" must be an array");
    for (const json& one : *outcomes) {
      ASSIGN_OR_RETURN(Outcome outcome, OutcomeFrom(one));
      incident.outcomes.push_back(std::move(outcome));
    }
  }
  RETURN_IF_ERROR(Validate(incident, dimensions));
  return incident;
}

base::Result<std::size_t> Export(const Ledger& ledger,
                                 const std::function<base::Result<>(std::string_view)>& line) {
  std::size_t count = 0;
  RETURN_IF_ERROR(line(HeaderLine(ledger.dimensions())));
  RETURN_IF_ERROR(ledger.ForEach([&](const Incident& incident) {
    ++count;
    return line(IncidentLine(incident));
  }));
  return count;
}

base::Result<Ledger::Merged> Import(
    Ledger& ledger, const std::function<base::Result<std::optional<std::string>>()>& next_line) {
  constexpr std::size_t kMostNamed = 10;
  std::string problems;
  std::size_t wrong = 0;
  std::size_t number = 0;
  bool header_seen = false;
  const std::size_t dimensions = ledger.dimensions();
  const auto complain = [&](const base::Error& error) {
    if (wrong++ < kMostNamed)
      problems +=
          fmt::format("{}line {}: {}", problems.empty() ? "" : "; ", number, error.message());
  };
  const auto next = [&]() -> base::Result<std::optional<Incident>> {
    while (true) {
      ASSIGN_OR_RETURN(const std::optional<std::string> line, next_line());
      if (!line) break;
      ++number;
      if (line->find_first_not_of(" \t\r") == std::string::npos) continue;
      if (!std::exchange(header_seen, true)) {
        if (const auto header = CheckHeaderLine(*line, dimensions); !header) {
          // Lines of another format would each be wrong in the same way.
          return Fail(ErrorKind::kInvalidArgument,
                      fmt::format("line {}: {}", number, header.error().message()));
        }
        continue;
      }
      auto incident = ParseIncidentLine(*line, dimensions);
      if (!incident) {
        complain(incident.error());
        continue;
      }
      if (wrong == 0) return std::move(*incident);
      // Only read on to find what else is wrong.
    }
    if (wrong > 0)
      return Fail(
          ErrorKind::kInvalidArgument,
          fmt::format("nothing was imported: {}{}", problems,
                      wrong > kMostNamed ? fmt::format("; and {} more", wrong - kMostNamed) : ""));
    if (!header_seen)
      return Fail(ErrorKind::kInvalidArgument, "nothing was imported: there is no header line");
    return std::nullopt;
  };
  return ledger.Merge(next);
}

}  // namespace enclave::memory
