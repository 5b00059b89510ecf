// The contents of ConfigMaps and Secrets, decoded.
#pragma once

#include <map>
#include <string>

#include "kube/object.h"

namespace enclave::cluster {

// `data` and `binaryData` by key. Values that are no valid base64 are left out.
std::map<std::string, std::string> ConfigMapData(const kube::Object& config_map);
std::map<std::string, std::string> SecretData(const kube::Object& secret);

}  // namespace enclave::cluster
