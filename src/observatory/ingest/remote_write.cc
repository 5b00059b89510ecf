#include "observatory/ingest/remote_write.h"

#include <algorithm>
#include <cstdint>

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

constexpr pbf_wire_type kBytes = pbf_wire_type::length_delimited;
constexpr std::size_t kMaxHelpBytes = 4096;

// The numbers of the protocol are those of the model.
static_assert(static_cast<int>(MetricType::kCounter) == 1);
static_assert(static_cast<int>(MetricType::kGaugeHistogram) == 4);
static_assert(static_cast<int>(MetricType::kStateSet) == 7);

MetricType TypeOf(std::int32_t number) {
  return number >= 0 && number <= 7 ? static_cast<MetricType>(number) : MetricType::kUnknown;
}

LabelView ReadLabel(pbf_reader message) {
  LabelView label;
  while (message.next()) {
    switch (message.tag_and_type()) {
      case tag_and_type(1, kBytes):
        label.name = View(message.get_view());
        break;
      case tag_and_type(2, kBytes):
        label.value = View(message.get_view());
        break;
      default:
        message.skip();
    }
  }
  return label;
}

telemetry::Exemplar ReadExemplar(pbf_reader message) {
  telemetry::Exemplar exemplar;
  std::vector<telemetry::Label> labels;
  while (message.next()) {
    switch (message.tag_and_type()) {
      case tag_and_type(1, kBytes): {
        const LabelView label = ReadLabel(message.get_message());
        AddExemplarLabel(label.name, label.value, labels, exemplar);
        break;
      }
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
  exemplar.labels = ToLabels(std::move(labels));
  return exemplar;
}

void ReadMetadata(pbf_reader message, telemetry::Batch& batch) {
  telemetry::MetricMetadata metadata;
  std::string_view name;
  while (message.next()) {
    switch (message.tag_and_type()) {
      case tag_and_type(1, pbf_wire_type::varint):
        metadata.type = TypeOf(message.get_enum());
        break;
      case tag_and_type(2, kBytes):
        name = View(message.get_view());
        break;
      case tag_and_type(4, kBytes):
        metadata.help = ToUtf8(Cut(View(message.get_view()), kMaxHelpBytes));
        break;
      case tag_and_type(5, kBytes):
        metadata.unit = ToUtf8(Cut(View(message.get_view()), kMaxHelpBytes));
        break;
      default:
        message.skip();
    }
  }
  if (!name.empty() && IsUtf8(name)) batch.metadata[std::string(name)] = std::move(metadata);
}

class Decoder {
 public:
  Decoder(RemoteWrite& result, ByteBudget::Hold& hold) : result_(result), hold_(hold) {}

  base::Result<> Series(pbf_reader message) {
    telemetry::SeriesWrite series;
    series.labels.reserve(labels_before_);
    std::size_t histograms = 0;
    while (message.next()) {
      switch (message.tag_and_type()) {
        case tag_and_type(1, kBytes):
          if (const LabelView label = ReadLabel(message.get_message()); !label.value.empty())
            series.labels.push_back(label);
          RETURN_IF_ERROR(ChargeMany(series));
          break;
        case tag_and_type(2, kBytes):
          series.samples.push_back(ReadSample(message.get_message()));
          RETURN_IF_ERROR(ChargeMany(series));
          break;
        case tag_and_type(3, kBytes): {
          const pbf_reader exemplar = message.get_message();
          RETURN_IF_ERROR(hold_.Charge(sizeof(telemetry::Exemplar) + 8 * exemplar.length()));
          series.exemplars.push_back(ReadExemplar(exemplar));
          break;
        }
        case tag_and_type(4, kBytes):
          message.skip();
          ++histograms;
          break;
        default:
          message.skip();
      }
    }
    labels_before_ = std::min<std::size_t>(series.labels.size(), 64);
    RETURN_IF_ERROR(hold_.Charge(sizeof(series) + series.labels.capacity() * sizeof(LabelView) +
                                 series.samples.capacity() * sizeof(telemetry::Sample)));
    Finish(std::move(series), histograms, result_);
    return {};
  }

 private:
  // A series is charged at its end; an endless one has no end.
  base::Result<> ChargeMany(const telemetry::SeriesWrite& series) {
    const std::size_t items = series.labels.size() + series.samples.size();
    if (items % 256 != 0) [[likely]]
      return {};
    return hold_.Charge(256 * 2 * sizeof(LabelView));
  }

  RemoteWrite& result_;
  ByteBudget::Hold& hold_;
  std::size_t labels_before_ = 0;  // series of a request mostly have as many labels as the last
};

}  // namespace

base::Result<RemoteWrite> DecodeRemoteWrite(std::string_view body, ByteBudget::Hold& hold) {
  RemoteWrite result;
  std::size_t index = 0;
  try {
    std::size_t count = 0;
    for (pbf_reader message(body.data(), body.size()); message.next(); message.skip())
      if (message.tag() == 1) ++count;
    // What is reserved is charged as the series come; each takes two bytes of the body at least.
    RETURN_IF_ERROR(hold.Charge(count * sizeof(telemetry::SeriesWrite)));
    result.batch.series.reserve(count);
    Decoder decoder(result, hold);
    pbf_reader message(body.data(), body.size());
    while (message.next()) {
      switch (message.tag_and_type()) {
        case tag_and_type(1, kBytes):
          RETURN_IF_ERROR(decoder.Series(message.get_message()));
          ++index;
          break;
        case tag_and_type(3, kBytes): {
          const pbf_reader metadata = message.get_message();
          RETURN_IF_ERROR(hold.Charge(2 * metadata.length() + 200));
          ReadMetadata(metadata, result.batch);
          break;
        }
        default:
          message.skip();
      }
    }
  } catch (const protozero::exception& error) {
    return base::Fail(base::ErrorKind::kInvalidArgument,
                      fmt::format("the body is no prometheus.WriteRequest: after {} series: {}",
                                  index, error.what()));
  }
  return result;
}

}  // namespace enclave::observatory::ingest
