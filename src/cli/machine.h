// What this machine is, for the Node that stands for it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "cluster/kubelet/kubelet_options.h"

namespace enclave::cli {

// Capacity, kernel, system image and ids, from sysconf, uname, /etc/os-release and /proc.
void DescribeMachine(cluster::KubeletOptions* options);

// The directory `deploy` that belongs to this program: beside it or above it. Empty when there is
// none.
std::filesystem::path FindDeployDirectory();

// Whether another program listens on this port, of this IPv4 address or of all.
bool PortIsTaken(const std::string& address, std::uint16_t port);

// Raises the limit of open files to what the system allows: every connection and watch takes one.
void RaiseFileLimit();

}  // namespace enclave::cli
