// What shim and kubelet both do with a container's cgroups, given only their directories: counting
// out-of-memory kills, killing, removing. Which files exist in a directory tells what it is: a v2
// group, or a v1 group of one controller. Standard library only (see container_files.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace enclave::cluster {

// Moves the calling process into the groups. Returns the directory that refused, or "".
std::string JoinCgroups(const std::vector<std::string>& directories);
// How often the kernel killed for want of memory there.
std::int64_t CgroupOomKills(const std::vector<std::string>& directories);
// Sends SIGKILL to every process in the groups, except the caller. True when at least one was
// there.
bool KillCgroups(const std::vector<std::string>& directories);
// Removes the (empty) groups; false when one of them still exists.
bool RemoveCgroups(const std::vector<std::string>& directories);

}  // namespace enclave::cluster
