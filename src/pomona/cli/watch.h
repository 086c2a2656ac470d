// --watch: keeping a dataset up to date with its source.
#pragma once

#include <functional>
#include <string>

#include <CLI/CLI.hpp>

#include "pomona/base/status.h"
#include "pomona/cli/command.h"
#include "pomona/io/bucket.h"

namespace pomona::cli {

struct WatchFlags {
  int seconds = 0;    // between two looks; 0: look once
  std::string queue;  // SQS URL; empty: every `seconds`

  void Add(CLI::App* command);
  bool on() const { return seconds > 0 || !queue.empty(); }
};

// Calls `once` and, with --watch, again whenever the time has come or the queue tells of a change,
// until stopped. What passes (no network, another run was faster, nothing to read yet) is told and
// tried again; a wrong command line ends it. The first exit code without --watch.
Result<int> Watch(const WatchFlags& flags, const io::BucketOptions& bucket, Context* context,
                  const std::function<Result<int>()>& once);

}  // namespace pomona::cli
