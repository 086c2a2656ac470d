// Where the time of a run goes: spans of work or waiting by stage, from any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

namespace pomona {

class Profile {
 public:
  using Clock = std::chrono::steady_clock;
  enum class Kind { kBusy, kWaiting };

  struct Stage {
    std::string name;
    int64_t count = 0;   // spans of work
    double busy = 0;     // seconds of work, summed over threads
    double waiting = 0;  // seconds in which a thread could not go on
  };

  // Thread-safe. `subject` says what was worked on (an image's path); may be empty.
  void Add(const char* stage, Kind kind, Clock::time_point start, Clock::time_point end,
           const std::string& subject);

  // In the order of their first spans.
  std::vector<Stage> Stages() const;

  // The spans as JSON that chrome://tracing and Perfetto open ("Trace Event Format", complete
  // events). Every span counts in Stages; only the first kMaxEvents are kept for the trace.
  std::string TraceJson() const;
  int64_t dropped_events() const;

  double Age() const;  // seconds since it was made

  static constexpr size_t kMaxEvents = 200'000;  // some 20 MB

 private:
  struct Event {
    size_t stage;
    Kind kind;
    int thread;
    int64_t start_us;
    int64_t duration_us;
    std::string subject;
  };

  const Clock::time_point origin_ = Clock::now();
  mutable std::mutex mutex_;
  std::vector<Stage> stages_;
  std::unordered_map<std::thread::id, int> threads_;
  std::vector<Event> events_;
  int64_t dropped_ = 0;
};

// Adds the time from its construction to its end to `profile`; does nothing without one.
class Span {
 public:
  Span(Profile* profile, const char* stage, const std::string& subject = {},
       Profile::Kind kind = Profile::Kind::kBusy)
      : profile_(profile), stage_(stage), kind_(kind) {
    if (profile_ == nullptr) return;
    subject_ = subject;
    start_ = Profile::Clock::now();
  }
  Span(const Span&) = delete;
  Span& operator=(const Span&) = delete;
  ~Span() {
    if (profile_ != nullptr) {
      profile_->Add(stage_, kind_, start_, Profile::Clock::now(), subject_);
    }
  }

 private:
  Profile* const profile_;
  const char* const stage_;
  const Profile::Kind kind_;
  std::string subject_;
  Profile::Clock::time_point start_;
};

// What `work()` gives, its time added to `profile` as a Span.
template <typename Work>
auto Timed(Profile* profile, const char* stage, Work work, const std::string& subject = {},
           Profile::Kind kind = Profile::Kind::kBusy) {
  const Span span(profile, stage, subject, kind);
  return work();
}

}  // namespace pomona
