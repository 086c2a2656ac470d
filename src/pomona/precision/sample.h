// A few images that stand for a whole source, and their features.
#pragma once

#include <cstdint>
#include <span>
#include <stop_token>
#include <vector>

#include "pomona/base/progress.h"
#include "pomona/base/status.h"
#include "pomona/image/decode.h"
#include "pomona/image/image.h"
#include "pomona/image/recipe.h"
#include "pomona/image/sandbox.h"
#include "pomona/io/source.h"
#include "pomona/model/runner.h"

namespace pomona::precision {

// The first `count` entries of an order of which every beginning is a stratified sample: one entry
// of each label in turn. Labels, and entries within one, follow the hashes of their names, so the
// same listing gives the same sample everywhere, and no numbering of files biases it. Entries that
// the listing rejected are left out.
std::vector<io::Entry> StratifiedSample(const std::vector<io::Entry>& entries, int64_t count);

struct SampleOptions {
  image::Recipe recipe;
  image::DecodeLimits limits;
  int threads = 1;
  image::Sandbox* sandbox = nullptr;              // where images are decoded; null: in this process
  int64_t read_ahead_bytes = int64_t{256} << 20;  // files read before their turn (remote sources)
};

struct PreparedSample {
  std::vector<image::Image> images;  // recipe.width x recipe.height, in the order of the entries
  int64_t unusable = 0;              // entries that could not be read or decoded
};

// Reads, decodes and prepares `entries`, reporting as stage "sample". An error says that the source
// as a whole fails; Cancelled when stopped.
Result<PreparedSample> PrepareSample(const io::Source& source, std::span<const io::Entry> entries,
                                     const SampleOptions& options, const Observer& observer,
                                     const std::stop_token& stop);

struct SampleFeatures {
  std::vector<float> values;     // images x dimension, row-major
  double images_per_second = 0;  // of the network alone: threads / median time of one image
};

// Runs every image, `threads` at a time.
Result<SampleFeatures> RunSample(model::Runner* runner, std::span<const image::Image> images,
                                 int threads, const std::stop_token& stop);

}  // namespace pomona::precision
