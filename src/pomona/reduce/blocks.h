// The units of work of a reduction, which threads or tasks of a cluster take. What has to be
// merged, and in which order, follows from the manifest alone: so nothing depends on who computed
// what.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <stop_token>
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

// The parts of a dataset for the two times that a reduction needs them: if all of them fit, they
// stay in memory from the first to the second. Also the memory of moments that were merged, for
// those of the next block. Thread-safe for different parts.
class Parts {
 public:
  // Keeps at most about `bytes`. `dataset` must outlive it.
  explicit Parts(const dataset::Dataset& dataset, int64_t bytes = 0);

  const dataset::Dataset& dataset() const { return dataset_; }
  Result<std::shared_ptr<const dataset::Part>> Read(size_t i);
  // For the last time.
  Result<dataset::Part> Take(size_t i);

  Moments NewMoments();
  void Return(Moments empty);
  void FreeMoments();  // what was returned

 private:
  const dataset::Dataset& dataset_;
  bool keep_;
  std::vector<std::shared_ptr<dataset::Part>> kept_;
  std::mutex mutex_;
  std::vector<Moments> spare_;
};

// To be merged into the moments of all blocks before it. An error names the part with a feature
// that is not finite. Stopped() if asked to stop between two parts. Thread-safe.
Result<Moments> MomentsOfBlock(Parts* parts, const Block& block, const std::stop_token& stop = {});

// Rows of projection.parquet: paths and labels, and rows x k components.
struct Projected {
  std::vector<dataset::Row> rows;
  std::vector<double> values;
};

// Thread-safe.
Result<Projected> ProjectPart(Parts* parts, size_t part, const Pca& pca);

// For other processes: a Pca, and what became of the parts of a block, to the last bit. Rows keep
// path and label only.
std::string ToBytes(const Pca& pca);
Result<Pca> PcaFromBytes(std::string_view bytes);
std::string ToBytes(const std::vector<Projected>& parts);
Result<std::vector<Projected>> ProjectedFromBytes(std::string_view bytes);

}  // namespace pomona::reduce
