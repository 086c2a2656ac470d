// An extraction as the command line asks for it.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>

#include "pomona/base/profile.h"
#include "pomona/base/status.h"
#include "pomona/cli/command.h"
#include "pomona/cli/flags.h"
#include "pomona/extract/extract.h"
#include "pomona/image/sandbox.h"
#include "pomona/io/source.h"
#include "pomona/io/store.h"
#include "pomona/model/card.h"
#include "pomona/model/runner.h"
#include "pomona/precision/choose.h"

namespace pomona::cli {

// How an image becomes a feature.
struct FeatureJob {
  model::Card card;
  std::unique_ptr<image::Sandbox> sandbox;  // --sandbox
  std::unique_ptr<model::Runner> runner;
  extract::ExtractOptions options;
  std::filesystem::path weights;  // --weights
};

struct ExtractJob : FeatureJob {
  std::unique_ptr<io::Source> source;
  std::unique_ptr<io::Store> results;
  bool auto_precision = false;              // --precision auto: RunExtract chooses, `runner` is f32
  std::optional<precision::Choice> choice;  // what it found
};

// Both: everything that can be wrong with the flags is found here, cheapest first, before any image
// is read. Features without a source cannot have --precision auto.
Result<FeatureJob> Prepare(const FeatureFlags& flags);
Result<ExtractJob> Prepare(const ExtractFlags& flags);

Result<extract::ExtractReport> RunExtract(ExtractJob* job, Profile* profile, Context* context);

// `once(first)` on `job` and, with --watch, again and again: each time with its source opened anew,
// so that a file that was replaced is read as it is now. `first` until one succeeded.
Result<int> WatchSource(const ExtractFlags& flags, ExtractJob* job, Context* context,
                        const std::function<Result<int>(bool first)>& once);

}  // namespace pomona::cli
