// How long work tells its caller where it is. Rooms never print: they call an Observer, and
// cli/ decides what a person sees.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace pomona {

struct Progress {
  std::string stage;  // "listing", "features", "moments", ...: what `done` counts
  int64_t done = 0;
  int64_t total = 0;  // 0: not known yet
  int64_t rejected = 0;
};

// Either function may be empty. Both may be called from any thread, one call at a time.
struct Observer {
  std::function<void(const Progress&)> progress;
  std::function<void(const std::string&)> warning;  // one sentence: what, where, what to do

  void Report(const Progress& p) const {
    if (progress) progress(p);
  }
  void Warn(const std::string& message) const {
    if (warning) warning(message);
  }
};

}  // namespace pomona
