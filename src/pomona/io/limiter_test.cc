#include "pomona/io/limiter.h"

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace pomona::io {
namespace {

// One request after the other, each answered alike.
void Ask(Limiter* limiter, int times, bool too_much) {
  for (int i = 0; i < times; ++i) {
    int64_t ticket = 0;
    ASSERT_TRUE(limiter->Begin({}, &ticket));
    limiter->Done(ticket, too_much);
  }
}

TEST(LimiterTest, GrowsByOneAnAnswerUntilItIsTooMuch) {
  Limiter limiter(16, 256);
  Ask(&limiter, 48, false);
  EXPECT_EQ(limiter.limit(), 64);
  Ask(&limiter, 1000, false);
  EXPECT_EQ(limiter.limit(), 256);
  Ask(&limiter, 1, true);
  EXPECT_EQ(limiter.limit(), 128);
  Ask(&limiter, 129, false);  // about a round of answers
  EXPECT_EQ(limiter.limit(), 129);
}

TEST(LimiterTest, OneRoundOfRefusalsIsOneCut) {
  Limiter limiter(64, 256);
  std::vector<int64_t> tickets(64);
  for (int64_t& ticket : tickets) ASSERT_TRUE(limiter.Begin({}, &ticket));
  for (const int64_t ticket : tickets) limiter.Done(ticket, true);
  EXPECT_EQ(limiter.limit(), 32);
}

TEST(LimiterTest, NeverStopsAltogether) {
  Limiter limiter(4, 256);
  Ask(&limiter, 20, true);
  EXPECT_EQ(limiter.limit(), 1);
  Ask(&limiter, 1, false);
  EXPECT_EQ(limiter.limit(), 2);
}

TEST(LimiterTest, NoMoreThanTheLimitAreUnderWay) {
  Limiter limiter(3, 3);
  std::atomic<int> under_way = 0;
  std::atomic<int> most = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 16; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 50; ++i) {
          int64_t ticket = 0;
          if (!limiter.Begin({}, &ticket)) return;
          const int now = ++under_way;
          for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
          }
          std::this_thread::yield();
          --under_way;
          limiter.Done(ticket, false);
        }
      });
    }
  }
  EXPECT_LE(most, 3);
  EXPECT_GT(most, 0);
}

TEST(LimiterTest, WaitingCanBeStopped) {
  Limiter limiter(1, 1);
  int64_t ticket = 0;
  ASSERT_TRUE(limiter.Begin({}, &ticket));
  std::stop_source stop;
  std::jthread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    stop.request_stop();
  });
  EXPECT_FALSE(limiter.Begin(stop.get_token(), &ticket));
}

}  // namespace
}  // namespace pomona::io
