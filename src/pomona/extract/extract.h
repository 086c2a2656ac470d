// source + recipe + model -> dataset.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "pomona/base/progress.h"
#include "pomona/base/status.h"
#include "pomona/dataset/dataset.h"
#include "pomona/dataset/manifest.h"
#include "pomona/extract/plan.h"
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
  int64_t group_bytes = int64_t{20} << 20;  // of images that a thread prepares before it runs them
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
  // Whether the dataset is another now.
  bool changed() const { return computed + resumed + carried + removed + replaced > 0; }
  double seconds = 0;  // from the start of the listing to the end of the commit
};

// The manifest, without parts, of what these options make.
dataset::Manifest Contract(const io::Source& source, const model::Runner& runner,
                           const ExtractOptions& options);

// A part that is finished: on the store, not yet committed.
struct ComputedPart {
  dataset::PartEntry entry;
  int64_t damaged = 0;  // damaged JPEGs among its rows, which the recipe's policy bore
};

// An extraction in steps: plan here, parts wherever there is time (threads of this process, tasks
// of a cluster), then one commit. What a part's file holds depends on the part alone, so parts may
// be computed anywhere, in any order and more than once. `results` must outlive it.
class Extraction {
 public:
  // Lists the source (unless `listing` is given), compares it with what `results` holds, and copies
  // what is carried over. UsageError if `results` holds a dataset of another recipe, model, source
  // or label than `contract`.
  static Result<Extraction> Begin(const io::Source& source, dataset::Manifest contract,
                                  io::Store* results, const ExtractOptions& options,
                                  std::optional<io::Listing> listing, const Observer& observer,
                                  std::stop_token stop);

  // What ComputeParts has to match.
  const dataset::Manifest& manifest() const { return manifest_; }
  // What no run has finished, in the plan's order.
  const std::vector<const PlannedPart*>& missing() const { return missing_; }
  // Images of the source, and how many of them need nothing more.
  Progress progress() const;

  // `computed` is missing()[index].
  void Finish(size_t index, const ComputedPart& computed);

  // Makes all parts the dataset; every missing one must be finished. Conflict if somebody else
  // committed another dataset meanwhile.
  Result<ExtractReport> Commit(Profile* profile);

 private:
  Extraction(io::Store* results, dataset::Manifest manifest)
      : results_(results), manifest_(std::move(manifest)) {}

  Status Compare(const io::Listing& listing, const ExtractOptions& options);
  Status KeepAndCarry();
  Status FindFinished();

  io::Store* results_;
  dataset::Manifest manifest_;  // its parts: kept and carried ones, computed ones at the end
  std::optional<dataset::Dataset> committed_;
  Plan plan_;
  std::vector<std::optional<dataset::PartEntry>> computed_;  // as plan_.compute
  std::vector<const PlannedPart*> missing_;
  std::vector<size_t> missing_at_;  // in plan_.compute
  ExtractReport report_;
  std::chrono::steady_clock::time_point start_;
};

// Featurises the images of `parts` and writes each part under its key; `done(index in parts, part)`
// as each is finished. `manifest` names recipe and model, which `runner` and `options` must be of.
// Reports progress from `progress` on. Cancelled if stopped: parts finished by then stay.
Status ComputeParts(const std::vector<const PlannedPart*>& parts, const io::Source& source,
                    model::Runner* runner, io::Store* results, const dataset::Manifest& manifest,
                    const ExtractOptions& options,
                    const std::function<void(size_t, const ComputedPart&)>& done,
                    const Observer& observer, Progress progress, std::stop_token stop);

// Begin, ComputeParts and Commit on the threads of this process. Idempotent: whatever moment a run
// ends at, running it again finishes the job and gives the same bytes. UsageError if `results`
// holds a dataset of another recipe, model, source or label. Cancelled if stopped: parts finished
// by then are kept for the next run. Lists the source unless `listing` is given.
Result<ExtractReport> Extract(const io::Source& source, model::Runner* runner, io::Store* results,
                              const ExtractOptions& options, const Observer& observer,
                              std::stop_token stop,
                              std::optional<io::Listing> listing = std::nullopt);

}  // namespace pomona::extract
