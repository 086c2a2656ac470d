// How many requests a store bears at a time, found out by asking.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <stop_token>

namespace pomona::io {

// Additive increase, multiplicative decrease (Chiu and Jain 1989), as TCP has it: one more for
// every answer until the store first says that it is too much, then one more for every round of
// answers; half as many when it says so. What it says to requests of before the last cut is no
// reason to cut again.
//
// After kDownAfter failures in a row of all that is asked, the store counts as down (a circuit
// breaker): one request at a time tries whether it is still so, after growing pauses. After
// kMostTries it is hopeless for a while, and nothing is sent.
class Limiter {
 public:
  enum class Outcome { kAnswered, kTooMuch, kFailed };
  enum class Admission { kGo, kStopped, kHopeless };
  static constexpr int kDownAfter = 16;
  static constexpr int kMostTries = 10;  // about half a minute, by BackoffDelay

  Limiter(int first, int most) : limit_(first), most_(most) {}

  // Waits until a request may be sent and gives the ticket that Done wants, if kGo.
  Admission Begin(std::stop_token stop, int64_t* ticket);
  void Done(int64_t ticket, Outcome outcome);

  int limit() const;
  // How many requests in a row have failed since the store is down; 0 while it is not.
  int tries() const;

 private:
  bool IsDown() const { return failures_ >= kDownAfter; }
  bool IsHopeless() const;
  bool HasRoom() const { return under_way_ < (IsDown() ? 1 : static_cast<int>(limit_)); }
  void Fail();
  void Answer();

  mutable std::mutex mutex_;
  std::condition_variable_any free_;
  double limit_;
  const double most_;
  int under_way_ = 0;
  int64_t cuts_ = 0;
  int failures_ = 0;  // in a row
  bool trying_ = false;
  int tries_ = 0;
  std::chrono::steady_clock::time_point next_try_;
};

// How long to wait after attempt 0, 1, 2 ...: any time up to a limit that doubles from 0.1 s to 10
// s
// ("full jitter"), so that clients do not come back together.
std::chrono::milliseconds BackoffDelay(int attempt);

}  // namespace pomona::io
