// --profile: where the time of a run went.
#pragma once

#include <cstdint>
#include <string>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "pomona/base/profile.h"
#include "pomona/base/status.h"
#include "pomona/cli/console.h"
#include "pomona/io/store.h"

namespace pomona::cli {

inline constexpr char kTraceName[] = "profile/trace.json";

class ProfileFlag {
 public:
  void Add(CLI::App* command);

  // Null without --profile.
  Profile* profile() { return asked_ ? &profile_ : nullptr; }

  // Prints a row a stage, and writes the trace to `results`. `images` were computed on `threads`
  // threads since this flag was made.
  Status Finish(int threads, int64_t images, io::Store* results, Console* console);
  // The rows as JSON; null without --profile.
  nlohmann::json ToJson() const;

 private:
  bool asked_ = false;
  Profile profile_;
};

}  // namespace pomona::cli
