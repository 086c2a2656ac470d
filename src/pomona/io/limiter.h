// How many requests a store bears at a time, found out by asking.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <stop_token>

namespace pomona::io {

// Additive increase, multiplicative decrease (Chiu and Jain 1989), as TCP has it: one more for
// every answer until the store first says that it is too much, then one more for every round of
// answers; half as many when it says so. What it says to requests of before the last cut is no
// reason to cut again.
class Limiter {
 public:
  Limiter(int first, int most) : limit_(first), most_(most) {}

  // Waits until a request may be sent and gives the ticket that Done wants; false when stopped.
  bool Begin(std::stop_token stop, int64_t* ticket);
  void Done(int64_t ticket, bool too_much);

  int limit() const;

 private:
  mutable std::mutex mutex_;
  std::condition_variable_any free_;
  double limit_;
  const double most_;
  int under_way_ = 0;
  int64_t cuts_ = 0;
};

}  // namespace pomona::io
