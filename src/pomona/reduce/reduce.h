// dataset -> pca/ in the results folder.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "pomona/base/progress.h"
#include "pomona/base/status.h"
#include "pomona/dataset/dataset.h"
#include "pomona/io/store.h"
#include "pomona/reduce/blocks.h"
#include "pomona/reduce/moments.h"
#include "pomona/reduce/pca.h"

namespace pomona::reduce {

inline constexpr char kPcaModelName[] = "pca/model.json";
inline constexpr char kComponentsName[] = "pca/components.parquet";
inline constexpr char kProjectionName[] = "pca/projection.parquet";

class PcaWriter;  // pca_files.h

// By default Reduce keeps all features if they take no more: those of 20,000 images of 1,280
// numbers.
inline constexpr int64_t kKeptBytes = 128'000'000;

struct ReduceOptions {
  Components k;
  int threads = 1;
  int64_t kept_bytes = kKeptBytes;  // features that take no more are read once, not twice
};

// A reduction in steps, so that its blocks (blocks.h) may be computed by whoever has the time:
// threads here, tasks of a cluster. What is given in order is in the order of Blocks, or of the
// manifest's parts. `results` and what `observer` calls must outlive it.
class Reduction {
 public:
  // UsageError if `k` exceeds the dimension.
  static Result<Reduction> Begin(const dataset::Dataset& dataset, io::Store* results,
                                 const Components& k, const Observer& observer);

  Reduction(Reduction&&) noexcept;
  Reduction& operator=(Reduction&&) noexcept;
  ~Reduction();

  // Of the next block; gives what Moments::Merge gives.
  Moments Merge(Moments moments);
  // Once every block is merged.
  Result<Pca> Fit(int threads = 1, const std::stop_token& stop = {});
  // The next part.
  Status Append(const Projected& projected);
  // Once every part is there.
  Status Commit();

 private:
  Reduction(io::Store* results, const Components& k, Observer observer);

  io::Store* results_;
  Components k_;
  Observer observer_;
  std::string identity_;
  int64_t rows_ = 0;
  int64_t projected_ = 0;
  std::optional<Moments> total_;
  std::unique_ptr<PcaWriter> writer_;
};

// Moments part by part (merged in manifest order: the same bits for any number of threads), scaler,
// PCA, projection; memory is that of `threads` parts and a few dimension x dimension matrices more
// than there are threads, whatever the number of parts. Reports the stages "moments" and
// "projection", in images. Warns when fewer components than asked exist. UsageError if k exceeds
// the dimension, before anything is read. pca/ is as it was until the last moment: all files are
// written aside, then put in place, model.json last; should that be cut off, LoadPca and
// LoadProjection say that pca/ is a mixture.
Result<Pca> Reduce(const dataset::Dataset& dataset, io::Store* results,
                   const ReduceOptions& options, const Observer& observer, std::stop_token stop);

// How many of `threads` threads Reduce can have so that the process takes at most `bytes`, program
// and libraries included; 0 if not even one. Parts have `part_rows` rows. The result is the same
// with any number.
int ThreadsWithin(int64_t bytes, int dimension, int64_t part_rows, int threads);

// What Pca::dataset says of a PCA fitted on the features that `manifest` commits: a hash of recipe,
// model and part keys. When they differ, pca/ is of another state of features/.
std::string DatasetIdentity(const dataset::Manifest& manifest);

// What Reduce wrote, to the last bit. NothingToRead if there is none; an error if it is damaged.
Result<Pca> LoadPca(const io::Store& results);

// pca/projection.parquet: path, label, pc1 ... pck (fp64), in the dataset's order.
struct Projection {
  std::vector<std::string> paths;
  std::vector<std::string> labels;  // "" where an image has none
  int k = 0;
  std::vector<double> values;  // rows x k, row-major
};
Result<Projection> LoadProjection(const io::Store& results);

}  // namespace pomona::reduce
