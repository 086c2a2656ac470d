#pragma once

#include <chrono>
#include <stop_token>

namespace pomona {

// CPUs this process may use: its affinity mask, cut down to a cgroup v2 quota. At least 1.
int AvailableCpus();

// Waits, unless stopped: then it gives false, at once.
bool Sleep(std::chrono::milliseconds time, const std::stop_token& stop);

}  // namespace pomona
