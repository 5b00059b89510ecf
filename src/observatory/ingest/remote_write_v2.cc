#include <algorithm>
#include <cstdint>
#include <vector>

#include <fmt/format.h>
#include <protozero/pbf_reader.hpp>

#include "observatory/ingest/any_value.h"
#include "observatory/ingest/remote_series.h"
#include "observatory/ingest/text.h"

namespace enclave::observatory::ingest {
namespace {

using protozero::pbf_reader;
using protozero::pbf_wire_type;
using protozero::tag_and_type;
using telemetry::LabelView;
using telemetry::MetricType;

constexpr pbf_wire_type kV2Bytes = pbf_wire_type::length_delimited;
constexpr std::size_t kMaxV2HelpBytes = 4096;

base::Error BadReference(std::uint32_t reference, std::size_t symbols) {
  return {base::ErrorKind::kInvalidArgument,
          fmt::format("a series refers to symbol {} of {}", reference, symbols)};
}

class V2Decoder {
 public:
  V2Decoder(RemoteWrite& result, ByteBudget::Hold& hold) : result_(result), hold_(hold) {}

  base::Result<> AddSymbol(std::string_view symbol) {
    RETURN_IF_ERROR(hold_.Charge(2 * sizeof(std::string_view)));
    symbols_.push_back(symbol);
    return {};
  }

  base::Result<> Series(pbf_reader message) {
    telemetry::SeriesWrite series;
    std::size_t histograms = 0;
    telemetry::MetricMetadata metadata;
    bool described = false;
    while (message.next()) {
      switch (message.tag_and_type()) {
        case tag_and_type(1, kV2Bytes):
          RETURN_IF_ERROR(ReadPairs(message, [&](std::string_view name, std::string_view value) {
            if (!value.empty()) series.labels.push_back({name, value});
          }));
          break;
        case tag_and_type(2, kV2Bytes):
          series.samples.push_back(ReadSample(message.get_message()));
          RETURN_IF_ERROR(hold_.Charge(2 * sizeof(telemetry::Sample)));
          break;
        case tag_and_type(3, kV2Bytes):
          message.skip();
          ++histograms;
          break;
        case tag_and_type(4, kV2Bytes): {
          ASSIGN_OR_RETURN(auto exemplar, ReadV2Exemplar(message.get_message()));
          series.exemplars.push_back(std::move(exemplar));
          break;
        }
        case tag_and_type(5, kV2Bytes): {
          ASSIGN_OR_RETURN(metadata, ReadV2Metadata(message.get_message()));
          described = metadata != telemetry::MetricMetadata{};
          break;
        }
        default:
          message.skip();
      }
    }
    RETURN_IF_ERROR(
        hold_.Charge(2 * sizeof(series) + series.labels.capacity() * sizeof(LabelView)));
    if (described) {
      for (const LabelView& label : series.labels)
        if (label.name == telemetry::kMetricName && IsUtf8(label.value))
          result_.batch.metadata[std::string(label.value)] = metadata;
    }
    Finish(std::move(series), histograms, result_);
    return {};
  }

 private:
  template <typename Take>
  base::Result<> ReadPairs(pbf_reader& message, Take take) {
    const auto references = message.get_packed_uint32();
    for (auto at = references.begin(); at != references.end(); ++at) {
      const std::uint32_t name = *at;
      if (++at == references.end()) {
        return base::Fail(base::ErrorKind::kInvalidArgument,
                          "the references of a series' labels have to come in pairs");
      }
      const std::uint32_t value = *at;
      if (std::max(name, value) >= symbols_.size())
        return base::Fail(BadReference(std::max(name, value), symbols_.size()));
      // A short reference may stand for labels of 64 bytes in memory.
      RETURN_IF_ERROR(hold_.Charge(2 * sizeof(telemetry::Label)));
      take(symbols_[name], symbols_[value]);
    }
    return {};
  }

  base::Result<telemetry::Exemplar> ReadV2Exemplar(pbf_reader message) {
    RETURN_IF_ERROR(hold_.Charge(2 * sizeof(telemetry::Exemplar)));
    telemetry::Exemplar exemplar;
    std::vector<telemetry::Label> labels;
    std::size_t bytes = 0;
    while (message.next()) {
      switch (message.tag_and_type()) {
        case tag_and_type(1, kV2Bytes):
          RETURN_IF_ERROR(ReadPairs(message, [&](std::string_view name, std::string_view value) {
            bytes += name.size() + value.size();
            if (bytes <= kMaxV2HelpBytes) AddExemplarLabel(name, value, labels, exemplar);
          }));
          break;
        case tag_and_type(2, pbf_wire_type::fixed64):
          exemplar.value = message.get_double();
          break;
        case tag_and_type(3, pbf_wire_type::varint):
          exemplar.time_ms = message.get_int64();
          break;
        default:
          message.skip();
      }
    }
    RETURN_IF_ERROR(hold_.Charge(std::min(bytes, kMaxV2HelpBytes)));
    exemplar.labels = ToLabels(std::move(labels));
    return exemplar;
  }

  base::Result<telemetry::MetricMetadata> ReadV2Metadata(pbf_reader message) {
    telemetry::MetricMetadata metadata;
    while (message.next()) {
      switch (message.tag_and_type()) {
        case tag_and_type(1, pbf_wire_type::varint): {
          const std::int32_t type = message.get_enum();
          metadata.type =
              type >= 0 && type <= 7 ? static_cast<MetricType>(type) : MetricType::kUnknown;
          break;
        }
        case tag_and_type(3, pbf_wire_type::varint): {
          ASSIGN_OR_RETURN(metadata.help, Symbol(message.get_uint32()));
          break;
        }
        case tag_and_type(4, pbf_wire_type::varint): {
          ASSIGN_OR_RETURN(metadata.unit, Symbol(message.get_uint32()));
          break;
        }
        default:
          message.skip();
      }
    }
    RETURN_IF_ERROR(hold_.Charge(metadata.help.size() + metadata.unit.size() + 128));
    return metadata;
  }

  base::Result<std::string> Symbol(std::uint32_t reference) const {
    if (reference >= symbols_.size()) return base::Fail(BadReference(reference, symbols_.size()));
    return ToUtf8(Cut(symbols_[reference], kMaxV2HelpBytes));
  }

  RemoteWrite& result_;
  ByteBudget::Hold& hold_;
  std::vector<std::string_view> symbols_;
};

}  // namespace

base::Result<RemoteWrite> DecodeRemoteWriteV2(std::string_view body, ByteBudget::Hold& hold) {
  RemoteWrite result;
  std::size_t index = 0;
  try {
    V2Decoder decoder(result, hold);
    // Symbols may stand after the series that refer to them.
    for (pbf_reader message(body.data(), body.size()); message.next();) {
      if (message.tag_and_type() == tag_and_type(4, kV2Bytes)) {
        RETURN_IF_ERROR(decoder.AddSymbol(View(message.get_view())));
      } else {
        message.skip();
      }
    }
    for (pbf_reader message(body.data(), body.size()); message.next();) {
      if (message.tag_and_type() == tag_and_type(5, kV2Bytes)) {
        RETURN_IF_ERROR(decoder.Series(message.get_message()));
        ++index;
      } else {
        message.skip();
      }
    }
  } catch (const protozero::exception& error) {
    return base::Fail(
        base::ErrorKind::kInvalidArgument,
        fmt::format("the body is no io.prometheus.write.v2.Request: after {} series: {}", index,
                    error.what()));
  }
  return result;
}

}  // namespace enclave::observatory::ingest
