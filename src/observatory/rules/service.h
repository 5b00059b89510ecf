// Everything this folder does, put together for a program: reads the configuration and its rule
// files and follows their changes, evaluates, and sends alerts on.
//
// Thread safety: all methods may be called from any thread but the service's own. Ownership:
// engine, sink and source outlive the service, which owns its loop and threads.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/random.h"
#include "base/result.h"
#include "observatory/rules/api_json.h"
#include "observatory/rules/rule_engine.h"
#include "observatory/rules/rule_manager.h"
#include "telemetry/sink.h"
#include "telemetry/source.h"

namespace enclave::observatory::rules {

struct ServiceOptions {
  std::string config_file{};  // "": no rules
  // Where people and receivers find the observatory: "http://127.0.0.1:9090".
  std::string external_url{};
  int workers = 1;
  // How often the files are looked at.
  base::Duration reload_interval = std::chrono::seconds(5);
  // Hears of every alert that is sent, beside Alertmanagers and webhooks; on the service's loop.
  RuleManager::Notify on_alerts{};
};

class Service {
 public:
  // The error of a configuration or rule file that cannot be used.
  static base::Result<std::unique_ptr<Service>> Start(ServiceOptions options, RuleEngine& engine,
                                                      telemetry::Sink& sink,
                                                      telemetry::MetricSource* source,
                                                      base::Random& random = base::SystemRandom());
  ~Service();

  // Reads the files again now. On an error everything stays as it was.
  base::Result<> Reload();
  std::vector<GroupStatus> Status() const;

 private:
  struct Impl;
  explicit Service(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace enclave::observatory::rules
