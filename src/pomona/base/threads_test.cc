#include "pomona/base/threads.h"

#include <sched.h>

#include <chrono>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "pomona/testing/temp_folder.h"

namespace pomona {
namespace {

TEST(ThreadsTest, BetweenOneAndAllCpus) {
  EXPECT_GE(AvailableCpus(), 1);
  EXPECT_LE(AvailableCpus(), static_cast<int>(std::thread::hardware_concurrency()));
}

TEST(ThreadsTest, FollowsTheAffinityMask) {
  const std::string cpus = testing::InChild([] {
    cpu_set_t allowed;
    sched_getaffinity(0, sizeof(allowed), &allowed);
    cpu_set_t one;
    CPU_ZERO(&one);
    for (int cpu = 0; CPU_COUNT(&one) == 0; ++cpu) {
      if (CPU_ISSET(cpu, &allowed)) CPU_SET(cpu, &one);
    }
    sched_setaffinity(0, sizeof(one), &one);
    return std::to_string(AvailableCpus());
  });
  EXPECT_EQ(cpus, "1");
}

TEST(SleepTest, TakesItsTime) {
  const auto start = std::chrono::steady_clock::now();
  EXPECT_TRUE(Sleep(std::chrono::milliseconds(20), {}));
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(20));
}

TEST(SleepTest, EndsWhenStopped) {
  std::stop_source stop;
  std::jthread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    stop.request_stop();
  });
  EXPECT_FALSE(Sleep(std::chrono::hours(1), stop.get_token()));
  EXPECT_FALSE(Sleep(std::chrono::hours(1), stop.get_token()));
}

}  // namespace
}  // namespace pomona
