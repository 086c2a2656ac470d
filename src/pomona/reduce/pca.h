// Standardised principal components.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "pomona/base/status.h"
#include "pomona/reduce/moments.h"

namespace pomona::reduce {

// How many components to keep: a count, or the smallest count whose explained variance reaches a
// fraction.
struct Components {
  int count = 6;        // used when fraction is 0
  double fraction = 0;  // (0, 1]

  bool operator==(const Components&) const = default;
};

// "6" (1 or more) or "0.95", "1.0" (over 0, at most 1, with a decimal point). UsageError otherwise.
Result<Components> ParseComponents(std::string_view text);

// x -> (x - mean) / scale, column by column. `scale` is the sample standard deviation (divisor
// n - 1, as Spark ML's StandardScaler; scikit-learn divides by n), and 1 for a constant column,
// told by scikit-learn's criterion var <= n eps var + (n eps mean)^2.
struct Scaler {
  std::vector<double> mean;
  std::vector<double> scale;
  std::vector<int> constant;  // indices of constant columns, ascending

  bool operator==(const Scaler&) const = default;
};

struct Pca {
  std::string dataset;  // what it was fitted on: DatasetIdentity (reduce.h), or empty
  int64_t n = 0;        // images it was fitted on
  int dimension = 0;
  Scaler scaler;
  int k = 0;                       // components kept: min(asked, rank)
  int rank = 0;                    // of the standardised data: the eigenvalues that exceed
                                   // max(n, dimension) eps times the largest
  std::vector<double> components;  // k x dimension, row-major, orthonormal rows, by falling
                                   // variance; the entry of largest magnitude of each row (the
                                   // first of equals) is positive; 0 at constant columns
  std::vector<double> variance;    // all `dimension` eigenvalues of the correlation matrix
                                   // (divisor n - 1), falling, those beyond the rank exactly 0
  double total_variance = 0;       // sum of `variance`

  bool operator==(const Pca&) const = default;

  // variance[i] / total_variance; all zeros if the data do not vary at all.
  std::vector<double> ExplainedRatio() const;

  // rows x dimension numbers -> rows x k: ((x - mean) / scale) . components^T. Unlike Spark ML's
  // PCA.transform the mean is always subtracted.
  std::vector<double> Project(const float* features, int64_t rows) const;
  std::vector<double> Project(const double* features, int64_t rows) const;
};

// Whether columns are divided by their deviations. If not, Scaler::scale is 1 everywhere, and the
// covariance matrix takes the place of the correlation matrix (scikit-learn's and Spark ML's PCA).
enum class Scaling { kStandardize, kNone };

// The moments of at least one row.
Scaler FitScaler(const Moments& moments, Scaling scaling = Scaling::kStandardize);

// Exact: the singular vectors of all centred rows while they are few (Moments::is_thin), else the
// eigenvectors of the correlation matrix; the two agree to rounding. UsageError if `components` is
// not a valid choice or its count exceeds the dimension; fewer than 2 rows, or moments that are not
// finite, are an error. Asking for more than the rank gives k = rank (compare k to what was asked).
// The same bits for any number of threads. Stopped() if asked to before the eigenvalues are known;
// what comes after takes long only for many components.
Result<Pca> FitPca(Moments moments, const Components& components,
                   Scaling scaling = Scaling::kStandardize, int threads = 1,
                   const std::stop_token& stop = {});

// What work that was asked to stop ends with.
Status Stopped();

// UsageError unless FitPca could take `components` for features of `dimension` numbers.
Status CheckComponents(const Components& components, int dimension);

}  // namespace pomona::reduce
