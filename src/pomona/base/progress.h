// How long work tells its caller where it is. Rooms never print: they call an Observer, and
// cli/ decides what a person sees.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "pomona/base/profile.h"

namespace pomona {

struct Progress {
  std::string stage;  // "listing", "features", "moments", ...: what `done` counts
  int64_t done = 0;
  int64_t total = 0;  // 0: not known yet
  int64_t rejected = 0;
};

// Everything may be empty. The functions may be called from any thread, one call at a time.
struct Observer {
  std::function<void(const Progress&)> progress;
  std::function<void(const std::string&)> warning;  // one sentence: what, where, what to do
  Profile* profile = nullptr;                       // where the time goes (see Span)

  void Report(const Progress& p) const {
    if (progress) progress(p);
  }
  void Warn(const std::string& message) const {
    if (warning) warning(message);
  }
};

}  // namespace pomona
