#include "pomona/io/read_ahead.h"

#include <algorithm>
#include <new>
#include <optional>
#include <system_error>
#include <utility>

namespace pomona::io {

ReadAhead::ReadAhead(const Source& source, std::vector<const Entry*> entries,
                     const ReadAheadOptions& options, std::stop_token stop)
    : source_(source),
      entries_(std::move(entries)),
      options_(options),
      forward_stop_(std::move(stop), [this] { stop_.request_stop(); }) {
  if (!source_.remote()) return;
  states_.resize(entries_.size(), State::kWaiting);
  StartThreads(std::min(entries_.size(), static_cast<size_t>(options_.threads)));
}

// As many as the system allows; without any, Take reads.
void ReadAhead::StartThreads(size_t n) try {
  threads_.reserve(n);
  for (size_t i = 0; i < n; ++i) threads_.emplace_back([this] { Work(); });
} catch (const std::system_error&) {
}

ReadAhead::~ReadAhead() { stop_.request_stop(); }

Result<Outcome<std::vector<uint8_t>>> ReadAhead::Take(size_t index) {
  if (threads_.empty()) return ReadOne(index);
  std::unique_lock lock(mutex_);
  if (states_[index] == State::kWaiting) {
    states_[index] = State::kTaken;
    lock.unlock();
    return ReadOne(index);
  }
  if (!read_.wait(lock, stop_.get_token(), [&] { return states_[index] == State::kRead; })) {
    return Interrupted("stopped while reading");
  }
  Result<Bytes> bytes = std::move(results_.extract(index).mapped());
  states_[index] = State::kTaken;
  in_memory_ -= Cost(index);
  --ahead_;
  room_.notify_one();
  return bytes;
}

int64_t ReadAhead::Cost(size_t index) const {
  return std::min(entries_[index]->size, options_.max_file_bytes);
}

Result<ReadAhead::Bytes> ReadAhead::ReadOne(size_t index) const try {
  const Entry& entry = *entries_[index];
  if (entry.rejected) return Bytes(*entry.rejected);
  return source_.Read(entry, options_.max_file_bytes, stop_.get_token());
} catch (const std::bad_alloc&) {
  return Bytes(Rejection{Reason::kNoMemory, "this machine has not enough free memory to read it",
                         std::nullopt});
}

// A file larger than all of the memory is read when nothing else is held.
bool ReadAhead::MayRead() {
  while (next_ < entries_.size() && states_[next_] != State::kWaiting) ++next_;
  if (next_ == entries_.size() || ahead_ == 0) return true;
  return ahead_ < options_.images && in_memory_ + Cost(next_) <= options_.memory_bytes;
}

void ReadAhead::Work() {
  std::unique_lock lock(mutex_);
  while (room_.wait(lock, stop_.get_token(), [this] { return MayRead(); })) {
    if (next_ == entries_.size()) break;
    const size_t index = next_++;
    states_[index] = State::kReading;
    in_memory_ += Cost(index);
    ++ahead_;
    if (MayRead()) room_.notify_one();  // one that was taken may make room for several
    lock.unlock();
    Result<Bytes> bytes = ReadOne(index);
    lock.lock();
    results_.emplace(index, std::move(bytes));
    states_[index] = State::kRead;
    read_.notify_all();
  }
  room_.notify_all();  // there is nothing left to read
}

}  // namespace pomona::io
