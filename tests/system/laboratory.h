// The whole laboratory, as `enclave up` brings it: observatory, boutique and load; one for all
// tests of this fixture, since bringing it up is the slow part.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "system/kubectl.h"

namespace enclave::system_test {

// A span as the observatory gives it back.
struct SeenSpan {
  std::string service;
  std::string name;
  std::string id;
  std::string parent;  // "": the root
  bool failed = false;
  std::map<std::string, std::string> attributes;
  std::set<std::string> events;  // their names
  // "src/lab/boutique/money.cc:12"; "" when the span names no line.
  std::string Place() const;
};
// Of a trace in Tempo's JSON.
std::vector<SeenSpan> SpansOf(const Json& trace);

// "FILE:LINE" of the first line of a source file that contains `marker`; a failed expectation when
// there is none.
std::string PlaceOf(const std::string& file, const std::string& marker);

class LaboratoryTest : public testing::Test {
 protected:
  static constexpr int kObservatoryPort = 9090;
  static constexpr int kShopPort = 80;

  static void SetUpTestSuite();
  static void TearDownTestSuite();

  static std::string ServiceAddress(const std::string& ns, const std::string& name);
  static std::string Shop() { return ServiceAddress("boutique", "frontend"); }
  static std::string Observatory() { return ServiceAddress("observatory", "observatory"); }
  // The observatory's answer; a failed expectation when it is no 200.
  static Json Ask(const std::string& path);
  // Traces that a TraceQL query finds, newest first.
  static std::vector<Json> FindTraces(const std::string& query, int limit = 50);
  // What `enclave load` saw.
  static Json Load(int actions, int seed, int rate = 25);

  // Brings a release of a service out and waits for it; takes it back.
  static void Release(const std::string& service, const std::string& version);
  static void RollBack(const std::string& service);

  static Enclave* enclave_;
  static Kubectl* kubectl_;

 private:
  static std::map<std::string, std::string> addresses_;  // of Services, which stay
};

}  // namespace enclave::system_test
