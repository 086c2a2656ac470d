#include "pomona/io/limiter.h"

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace pomona::io {
namespace {

using Admission = Limiter::Admission;
using Outcome = Limiter::Outcome;

// One request after the other, each answered alike.
void Ask(Limiter* limiter, int times, Outcome outcome) {
  for (int i = 0; i < times; ++i) {
    int64_t ticket = 0;
    ASSERT_EQ(limiter->Begin({}, &ticket), Admission::kGo);
    limiter->Done(ticket, outcome);
  }
}

TEST(LimiterTest, GrowsByOneAnAnswerUntilItIsTooMuch) {
  Limiter limiter(16, 256);
  Ask(&limiter, 48, Outcome::kAnswered);
  EXPECT_EQ(limiter.limit(), 64);
  Ask(&limiter, 1000, Outcome::kAnswered);
  EXPECT_EQ(limiter.limit(), 256);
  Ask(&limiter, 1, Outcome::kTooMuch);
  EXPECT_EQ(limiter.limit(), 128);
  Ask(&limiter, 129, Outcome::kAnswered);  // about a round of answers
  EXPECT_EQ(limiter.limit(), 129);
}

TEST(LimiterTest, OneRoundOfRefusalsIsOneCut) {
  Limiter limiter(64, 256);
  std::vector<int64_t> tickets(64);
  for (int64_t& ticket : tickets) ASSERT_EQ(limiter.Begin({}, &ticket), Admission::kGo);
  for (const int64_t ticket : tickets) limiter.Done(ticket, Outcome::kTooMuch);
  EXPECT_EQ(limiter.limit(), 32);
}

TEST(LimiterTest, NeverStopsAltogether) {
  Limiter limiter(4, 256);
  Ask(&limiter, 10, Outcome::kTooMuch);
  EXPECT_EQ(limiter.limit(), 1);
  Ask(&limiter, 1, Outcome::kAnswered);
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
          if (limiter.Begin({}, &ticket) != Admission::kGo) return;
          const int now = ++under_way;
          for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
          }
          std::this_thread::yield();
          --under_way;
          limiter.Done(ticket, Outcome::kAnswered);
        }
      });
    }
  }
  EXPECT_LE(most, 3);
  EXPECT_GT(most, 0);
}

TEST(LimiterTest, OneAtATimeTriesAStoreThatIsDown) {
  Limiter limiter(64, 256);
  std::vector<int64_t> tickets(64);
  for (int64_t& ticket : tickets) ASSERT_EQ(limiter.Begin({}, &ticket), Admission::kGo);
  for (const int64_t ticket : tickets) limiter.Done(ticket, Outcome::kFailed);
  EXPECT_EQ(limiter.tries(), 0);
  int64_t ticket = 0;
  ASSERT_EQ(limiter.Begin({}, &ticket), Admission::kGo);  // after a pause
  std::atomic<bool> begun = false;
  std::jthread other([&] {
    int64_t another = 0;
    begun = limiter.Begin({}, &another) == Admission::kGo;
    limiter.Done(another, Outcome::kAnswered);
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_FALSE(begun);
  limiter.Done(ticket, Outcome::kFailed);
  other.join();
  EXPECT_TRUE(begun);
  EXPECT_EQ(limiter.tries(), 0);
  std::vector<int64_t> more(32);  // all of them at once again
  for (int64_t& one : more) ASSERT_EQ(limiter.Begin({}, &one), Admission::kGo);
}

TEST(LimiterTest, TriesAreCounted) {
  Limiter limiter(64, 256);
  Ask(&limiter, Limiter::kDownAfter, Outcome::kFailed);
  EXPECT_EQ(limiter.tries(), 0);
  Ask(&limiter, 3, Outcome::kFailed);
  EXPECT_EQ(limiter.tries(), 3);
  Ask(&limiter, 1, Outcome::kAnswered);
  EXPECT_EQ(limiter.tries(), 0);
}

TEST(LimiterTest, WaitingCanBeStopped) {
  Limiter limiter(1, 1);
  int64_t ticket = 0;
  ASSERT_EQ(limiter.Begin({}, &ticket), Admission::kGo);
  std::stop_source stop;
  std::jthread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    stop.request_stop();
  });
  EXPECT_EQ(limiter.Begin(stop.get_token(), &ticket), Admission::kStopped);
}

}  // namespace
}  // namespace pomona::io
