// source + recipe + model -> dataset.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>

#include "pomona/base/progress.h"
#include "pomona/base/status.h"
#include "pomona/dataset/manifest.h"
#include "pomona/image/decode.h"
#include "pomona/image/recipe.h"
#include "pomona/image/sandbox.h"
#include "pomona/io/source.h"
#include "pomona/io/store.h"
#include "pomona/model/runner.h"

namespace pomona::extract {

struct ExtractOptions {
  image::Recipe recipe;
  image::DecodeLimits limits;
  image::Sandbox* sandbox = nullptr;  // where images are decoded; null: in this process
  nlohmann::json
      precision_choice;        // what --precision auto found, for manifest and footers; or null
  int64_t part_images = 1024;  // images a part: the unit that a crash can lose
  int threads = 1;             // images in work at the same time, one CPU each
  int64_t read_ahead_bytes = int64_t{256} << 20;  // files read before their turn (remote sources)
};

// listed = kept + carried + resumed + computed, and over the whole dataset
// listed = featured + rejected.
struct ExtractReport {
  int64_t listed = 0;    // images of the source
  int64_t ignored = 0;   // files passed over because their name is not an image's
  int64_t featured = 0;  // images of the dataset with a feature
  int64_t rejected = 0;  // and without
  int64_t kept = 0;      // already in the dataset, unchanged
  int64_t carried = 0;   // copied from a part in which other images changed
  int64_t resumed = 0;   // finished by an earlier run that did not get to commit
  int64_t computed = 0;  // read, decoded and run through the network now (or rejected now)
  int64_t damaged = 0;   // of `computed`: damaged JPEGs that the recipe's policy bore
  int64_t removed = 0;   // images that left the dataset because the source no longer has them
  int64_t replaced = 0;  // images that changed since they were in the dataset
  double seconds = 0;    // from the start of the listing to the end of the commit
};

// The manifest, without parts, of what these options make.
dataset::Manifest Contract(const io::Source& source, const model::Runner& runner,
                           const ExtractOptions& options);

// Lists, plans, runs every part that is not there yet and commits. Idempotent: whatever moment a
// run ends at, running it again finishes the job and gives the same bytes. UsageError if `results`
// holds a dataset of another recipe, model, source or label. Cancelled if stopped: parts finished
// by then are kept for the next run.
Result<ExtractReport> Extract(const io::Source& source, model::Runner* runner, io::Store* results,
                              const ExtractOptions& options, const Observer& observer,
                              std::stop_token stop);

}  // namespace pomona::extract
