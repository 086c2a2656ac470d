// The units of work of a reduction, which threads or tasks of a cluster take. What has to be
// merged, and in which order, follows from the manifest alone: so nothing depends on who computed
// what.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pomona/base/status.h"
#include "pomona/dataset/dataset.h"
#include "pomona/reduce/moments.h"
#include "pomona/reduce/pca.h"

namespace pomona::reduce {

// Consecutive parts, [first, last).
struct Block {
  size_t first = 0;
  size_t last = 0;
  int64_t rows = 0;
};

std::vector<Block> Blocks(const dataset::Dataset& dataset);

// To be merged into the moments of all blocks before it. An error names the part with a feature
// that is not finite. Thread-safe.
Result<Moments> MomentsOfBlock(const dataset::Dataset& dataset, const Block& block);

// Rows of projection.parquet: paths and labels, and rows x k components.
struct Projected {
  std::vector<dataset::Row> rows;
  std::vector<double> values;
};

// Thread-safe.
Result<Projected> ProjectPart(const dataset::Dataset& dataset, size_t part, const Pca& pca);

// For other processes: a Pca, and what became of the parts of a block, to the last bit. Rows keep
// path and label only.
std::string ToBytes(const Pca& pca);
Result<Pca> PcaFromBytes(std::string_view bytes);
std::string ToBytes(const std::vector<Projected>& parts);
Result<std::vector<Projected>> ProjectedFromBytes(std::string_view bytes);

}  // namespace pomona::reduce
