#pragma once

namespace pomona {

// CPUs this process may use: its affinity mask, cut down to a cgroup v2 quota. At least 1.
int AvailableCpus();

}  // namespace pomona
