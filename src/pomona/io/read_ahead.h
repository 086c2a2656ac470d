// Reading images before they are asked for, so that a network's latency is waited for once and not
// once an image.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>
#include <unordered_map>
#include <vector>

#include "pomona/io/source.h"

namespace pomona::io {

struct ReadAheadOptions {
  int64_t max_file_bytes = 0;                 // larger files are kTooLarge and not read
  int64_t memory_bytes = int64_t{256} << 20;  // read and not yet taken, by the sizes listed
  size_t images = 1024;                       // read and not yet taken
  int threads = 256;                          // reads under way at most: kFirstThreads, and more
                                              // while Take has to wait; what a store can bear of
                                              // them its source finds out itself (Limiter)
};

// Reads `entries` in order, on threads of its own, as far ahead of Take as memory allows. Where
// reading does not wait for a network (Source::remote), there are no threads and Take reads.
class ReadAhead {
 public:
  static constexpr size_t kFirstThreads = 64;

  // `source` and what `entries` point to must outlive it.
  ReadAhead(const Source& source, std::vector<const Entry*> entries,
            const ReadAheadOptions& options, std::stop_token stop);
  // Stops reads that are under way.
  ~ReadAhead();
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  // What Source::Read gives for entries[index]; waits for it, or reads it itself if no thread has
  // begun to. Each index can be taken once, best in order; from any thread.
  Result<Outcome<std::vector<uint8_t>>> Take(size_t index);

 private:
  using Bytes = Outcome<std::vector<uint8_t>>;
  enum class State : uint8_t { kWaiting, kReading, kRead, kTaken };

  int64_t Cost(size_t index) const;
  Result<Bytes> ReadOne(size_t index) const;
  void StartThreads(size_t n);
  bool MayRead();
  void Work();

  const Source& source_;
  const std::vector<const Entry*> entries_;
  const ReadAheadOptions options_;
  std::stop_source stop_;
  std::stop_callback<std::function<void()>> forward_stop_;

  std::mutex mutex_;
  std::condition_variable_any room_;  // for a thread: something may be read now
  std::condition_variable_any read_;  // for Take: something was read
  std::vector<State> states_;
  std::unordered_map<size_t, Result<Bytes>> results_;  // of what is kRead
  size_t next_ = 0;                                    // no index before it is kWaiting
  size_t ahead_ = 0;                                   // how many are kReading or kRead
  int64_t in_memory_ = 0;                              // Cost of what is kReading or kRead,
  int64_t read_bytes_ = 0;                             // and of what is kRead
  bool filling_ = true;                                // see MayRead
  std::vector<std::jthread> threads_;
};

}  // namespace pomona::io
