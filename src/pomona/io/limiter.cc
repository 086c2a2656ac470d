#include "pomona/io/limiter.h"

#include <algorithm>
#include <random>
#include <utility>

namespace pomona::io {

using Clock = std::chrono::steady_clock;

// As long as the longest pause of a request that was refused before.
constexpr std::chrono::seconds kHopelessFor{10};

// What waits for the store is told at once that it does not come back.
bool Limiter::IsHopeless() const { return tries_ >= kMostTries && Clock::now() < next_try_; }

Limiter::Admission Limiter::Begin(std::stop_token stop, int64_t* ticket) {
  std::unique_lock lock(mutex_);
  while (!HasRoom() || (IsDown() && Clock::now() < next_try_)) {
    if (IsHopeless()) return Admission::kHopeless;
    if (HasRoom()) {
      free_.wait_until(lock, stop, next_try_, [this] { return !IsDown() || IsHopeless(); });
    } else {
      free_.wait(lock, stop, [this] { return HasRoom() || IsHopeless(); });
    }
    if (stop.stop_requested()) return Admission::kStopped;
  }
  ++under_way_;
  trying_ = IsDown();
  *ticket = cuts_;
  return Admission::kGo;
}

void Limiter::Done(int64_t ticket, Outcome outcome) {
  const std::lock_guard lock(mutex_);
  --under_way_;
  if (outcome == Outcome::kTooMuch && ticket == cuts_) {
    limit_ = std::max(1.0, limit_ / 2);
    ++cuts_;
  }
  if (outcome == Outcome::kAnswered) {
    Answer();
  } else {
    Fail();
  }
  const int room = static_cast<int>(limit_) - under_way_;
  if (room > 0) free_.notify_one();
  if (room > 1) free_.notify_one();  // the limit has grown
}

void Limiter::Answer() {
  limit_ = std::min(most_, limit_ + (cuts_ == 0 ? 1 : 1 / limit_));
  if (IsDown()) free_.notify_all();
  failures_ = 0;
  tries_ = 0;
  trying_ = false;
}

// What was sent before the store went down says nothing about whether it still is.
void Limiter::Fail() {
  ++failures_;
  if (std::exchange(trying_, false)) ++tries_;
  if (tries_ >= kMostTries) {
    next_try_ = Clock::now() + kHopelessFor;
    free_.notify_all();
  } else if (IsDown()) {
    next_try_ = Clock::now() + BackoffDelay(tries_);
  }
}

int Limiter::limit() const {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(limit_);
}

int Limiter::tries() const {
  const std::lock_guard lock(mutex_);
  return tries_;
}

std::chrono::milliseconds BackoffDelay(int attempt) {
  constexpr int64_t kFirst = 100, kMost = 10'000;
  static thread_local std::minstd_rand random{std::random_device{}()};
  const int64_t most = std::min(kMost, kFirst << std::min(attempt, 20));
  return std::chrono::milliseconds(std::uniform_int_distribution<int64_t>(most / 10, most)(random));
}

}  // namespace pomona::io
