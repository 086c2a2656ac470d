// Many parts, many threads, bounded memory.
#pragma once

#include <functional>
#include <stop_token>
#include <vector>

#include "pomona/base/progress.h"
#include "pomona/base/status.h"
#include "pomona/dataset/part.h"
#include "pomona/extract/featurize.h"
#include "pomona/extract/plan.h"
#include "pomona/io/read_ahead.h"
#include "pomona/io/source.h"

namespace pomona::extract {

struct PipelineOptions {
  int dimension = 0;  // of a feature
  int threads = 1;
  int64_t group_bytes = 0;  // of prepared images, a thread
  io::ReadAheadOptions read_ahead;
};

// Featurises the images of `parts` and hands each part, complete and in order, to `write(index in
// parts, part)`. Images of later parts are in work while an earlier one is written; a few groups of
// images a thread are in flight, whatever the number of images. A group is one task from bytes to
// vectors: first all of it is prepared, then all of it goes through the network. Its pixels never
// leave the core that decoded them, and no thread waits for another stage but for bytes that come
// over a network, which are read ahead. Reports progress from `progress` on.
// Cancelled if stopped; the first error otherwise.
Status RunParts(const std::vector<const PlannedPart*>& parts, const io::Source& source,
                const Featurizer& featurizer, const PipelineOptions& options,
                const std::function<Status(size_t, const dataset::Part&)>& write,
                const Observer& observer, Progress progress, std::stop_token stop);

}  // namespace pomona::extract
