#include "pomona/base/threads.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <thread>

namespace pomona {
namespace {

// CPUs granted by a cgroup v2 quota ("max 100000" or "150000 100000"), or 0 without one.
int CgroupCpus() {
  std::ifstream in("/sys/fs/cgroup/cpu.max");
  double quota = 0;  // stays 0 for "max"
  double period = 0;
  if (!(in >> quota >> period) || quota <= 0 || period <= 0) return 0;
  return static_cast<int>(std::ceil(quota / period));
}

}  // namespace

int AvailableCpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  // The mask does not fit where the kernel knows more than CPU_SETSIZE (1,024) CPUs.
  int cpus = sched_getaffinity(0, sizeof(set), &set) == 0
                 ? CPU_COUNT(&set)
                 : static_cast<int>(std::thread::hardware_concurrency());
  const int quota = CgroupCpus();
  if (quota > 0) cpus = std::min(cpus, quota);
  return std::max(cpus, 1);
}

bool Sleep(std::chrono::milliseconds time, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any condition;
  std::unique_lock lock(mutex);
  condition.wait_for(lock, stop, time, [] { return false; });
  return !stop.stop_requested();
}

}  // namespace pomona
