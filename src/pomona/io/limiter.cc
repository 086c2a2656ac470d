#include "pomona/io/limiter.h"

#include <algorithm>
#include <utility>

namespace pomona::io {

bool Limiter::Begin(std::stop_token stop, int64_t* ticket) {
  std::unique_lock lock(mutex_);
  if (!free_.wait(lock, std::move(stop),
                  [this] { return under_way_ < static_cast<int>(limit_); })) {
    return false;
  }
  ++under_way_;
  *ticket = cuts_;
  return true;
}

void Limiter::Done(int64_t ticket, bool too_much) {
  const std::lock_guard lock(mutex_);
  --under_way_;
  if (!too_much) {
    limit_ = std::min(most_, limit_ + (cuts_ == 0 ? 1 : 1 / limit_));
  } else if (ticket == cuts_) {
    limit_ = std::max(1.0, limit_ / 2);
    ++cuts_;
  }
  const int room = static_cast<int>(limit_) - under_way_;
  if (room > 0) free_.notify_one();
  if (room > 1) free_.notify_one();  // the limit has grown
}

int Limiter::limit() const {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(limit_);
}

}  // namespace pomona::io
