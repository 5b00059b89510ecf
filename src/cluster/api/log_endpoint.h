// pods/NAME/log: the lines of a container, as they come when followed.
#pragma once

#include "cluster/api/resource_handler.h"
#include "kube/log_stream.h"

namespace enclave::cluster {

// `logs` outlives the handler's use.
ConnectHandler ServeLogs(kube::LogSource& logs);

}  // namespace enclave::cluster
