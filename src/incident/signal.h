// What a series measures, and of whom: told from names alone, by the conventions of Prometheus and
// OpenTelemetry, so that any exporter's series can be evidence.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "incident/context.h"
#include "telemetry/labels.h"

namespace enclave::incident {

struct SignalFacts {
  Signal signal = Signal::kOther;
  bool is_counter = false;  // only its rate means anything
  bool is_ratio = false;    // 0 to 1, of a limit or of all
  bool is_seconds = false;
  bool is_rate = false;         // so many a second, once a counter is read as its rate
  bool good_is_high = false;    // successes, availability
  bool of_node = false;         // a machine's, not a service's
  bool is_client_side = false;  // what a caller sees of those it calls
};

SignalFacts SignalOf(std::string_view metric);

// The service a label set belongs to: service_name, service, app, deployment, job, the pod's name
// without its hashes; empty when nothing says.
std::string ServiceOf(const telemetry::Labels& labels);
// "cart" of "cart-7b6dc75c45-2z9p2" and of the StatefulSet's "cart-0"; else the name itself.
std::string_view WithoutPodHash(std::string_view pod);

}  // namespace enclave::incident
