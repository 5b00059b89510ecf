#include "rca/diagnosis.h"

namespace enclave::rca {

std::string_view ToString(CauseKind kind) {
  switch (kind) {
    case CauseKind::kCodeError:
      return "code error";
    case CauseKind::kWrongResult:
      return "wrong result";
    case CauseKind::kCpu:
      return "cpu";
    case CauseKind::kMemory:
      return "memory";
    case CauseKind::kDisk:
      return "disk";
    case CauseKind::kNetworkDelay:
      return "network delay";
    case CauseKind::kNetworkLoss:
      return "network loss";
    case CauseKind::kSlowDependency:
      return "slow dependency";
    case CauseKind::kDependencyDown:
      return "dependency down";
    case CauseKind::kCrash:
      return "crash";
    case CauseKind::kConfiguration:
      return "configuration";
    case CauseKind::kBadRelease:
      return "bad release";
    case CauseKind::kTrafficSurge:
      return "traffic surge";
    case CauseKind::kCertificate:
      return "certificate";
  }
  return "unknown";
}

}  // namespace enclave::rca
