// What is to be done: a pure function of the listing and of what is committed already, so that a
// run, its re-run after a crash, and every machine of a cluster make the same plan.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "pomona/base/status.h"
#include "pomona/dataset/dataset.h"
#include "pomona/dataset/part.h"
#include "pomona/dataset/removed.h"
#include "pomona/image/decode.h"
#include "pomona/io/source.h"

namespace pomona::extract {

struct PlannedEntry {
  io::Entry entry;
  int attempt = 0;  // earlier runs that rejected this version and may have been wrong
};

// Images that go through decoding and inference together, by path.
struct PlannedPart {
  std::string key;
  std::vector<PlannedEntry> entries;
};

// What is still true of a committed part in which something changed: rows of unchanged images are
// copied into a part of their own, without running the network.
struct CarriedPart {
  std::string key;
  size_t from = 0;               // index in the old manifest
  std::vector<size_t> rows;      // indices into its rows
  std::vector<size_t> rejected;  // indices into its rejected images
};

struct Plan {
  std::vector<size_t> kept;          // parts of the old manifest that are current, in its order
  std::vector<CarriedPart> carried;  // in the order of the old manifest
  std::vector<PlannedPart> compute;  // sorted by path
  int64_t listed = 0;                // images of the source
  std::vector<dataset::Removed> removed;  // images that the source no longer has, now and before
  int64_t removed_now = 0;                // of these: in `committed` still
  int64_t replaced = 0;                   // images whose size, version or label changed

  int64_t to_compute() const;
};

struct PlanOptions {
  int64_t part_images = 1024;  // images a part
  image::DecodeLimits limits = {};
};

// Compares `listing` with `committed` (if any). A part's key is the XXH3-128 of `contract` (recipe
// and model hashes) and of its images' path, label, size, version and attempt. Images rejected for
// a transient reason, or by a limit that would let them pass now, are tried again.
// `removed_before` are those that the committed dataset lists already; one that is back leaves the
// list.
Result<Plan> MakePlan(const io::Listing& listing, const dataset::Dataset* committed,
                      std::vector<dataset::Removed> removed_before, const std::string& contract,
                      const PlanOptions& options);

}  // namespace pomona::extract
