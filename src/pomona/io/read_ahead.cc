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
  StartThreads(kFirstThreads);
}

// At most `n`, and as many as the system allows; without any, Take reads.
void ReadAhead::StartThreads(size_t n) try {
  const size_t most = std::min(entries_.size(), static_cast<size_t>(options_.threads));
  for (; n > 0 && threads_.size() < most; --n) threads_.emplace_back([this] { Work(); });
} catch (const std::system_error&) {
}

ReadAhead::~ReadAhead() { stop_.request_stop(); }

Result<Outcome<std::vector<uint8_t>>> ReadAhead::Take(size_t index) {
  if (!source_.remote()) return ReadOne(index);
  std::unique_lock lock(mutex_);
  if (states_[index] == State::kWaiting) {
    states_[index] = State::kTaken;
    lock.unlock();
    return ReadOne(index);
  }
  if (states_[index] == State::kReading && MayRead()) StartThreads(1);  // there are too few
  if (!read_.wait(lock, stop_.get_token(), [&] { return states_[index] == State::kRead; })) {
    return Interrupted("stopped while reading");
  }
  Result<Bytes> bytes = std::move(results_.extract(index).mapped());
  states_[index] = State::kTaken;
  in_memory_ -= Cost(index);
  read_bytes_ -= Cost(index);
  --ahead_;
  if (MayRead()) room_.notify_one();
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

// A file larger than all of the memory is read when nothing else is held. Reads come in bursts:
// once all that may be ahead is, none begins until half of it is taken. One read after each Take
// would find the caches cold and interrupt the computation as often as there are images.
bool ReadAhead::MayRead() {
  while (next_ < entries_.size() && states_[next_] != State::kWaiting) ++next_;
  if (next_ == entries_.size() || ahead_ == 0) return true;
  const bool room = ahead_ < options_.images && in_memory_ + Cost(next_) <= options_.memory_bytes;
  const bool plenty =
      results_.size() > options_.images / 2 || read_bytes_ > options_.memory_bytes / 2;
  filling_ = room && (filling_ || !plenty);
  return filling_;
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
    read_bytes_ += Cost(index);
    read_.notify_all();
  }
  room_.notify_all();  // there is nothing left to read
}

}  // namespace pomona::io
