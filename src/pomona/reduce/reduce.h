// dataset -> pca/ in the results folder.
#pragma once

#include <memory>
#include <stop_token>
#include <string>

#include "pomona/base/progress.h"
#include "pomona/base/status.h"
#include "pomona/dataset/dataset.h"
#include "pomona/io/store.h"
#include "pomona/reduce/pca.h"

namespace pomona::reduce {

inline constexpr char kPcaModelName[] = "pca/model.json";
inline constexpr char kComponentsName[] = "pca/components.parquet";
inline constexpr char kProjectionName[] = "pca/projection.parquet";

struct ReduceOptions {
  Components k;
  int threads = 1;
};

// Moments part by part (merged in manifest order: the same bits for any number of threads), scaler,
// PCA, projection, in constant memory; writes model.json last. Warns when fewer components than
// asked exist. UsageError if k exceeds the dimension, before anything is read.
Result<Pca> Reduce(const dataset::Dataset& dataset, io::Store* results,
                   const ReduceOptions& options, const Observer& observer, std::stop_token stop);

// What Reduce wrote. NothingToRead if there is none.
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
