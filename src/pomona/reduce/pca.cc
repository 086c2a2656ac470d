#include "pomona/reduce/pca.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <numeric>
#include <utility>

#include <lapacke.h>
#include <tbb/parallel_invoke.h>
#include <tbb/task_arena.h>

#include "pomona/base/text.h"
#include "pomona/reduce/blas.h"
#include "pomona/reduce/scores.h"
#include "pomona/reduce/tridiagonal.h"

namespace pomona::reduce {
namespace {

constexpr double kEps = std::numeric_limits<double>::epsilon();

// LAPACK counts its workspace, 2 dimension^2 numbers and more, in 32 bits.
constexpr int kMaxDimension = 32'000;

Status LapackError(const char* function, int info) {
  return Status::ExecutionError("LAPACK's ", function, " failed with code ", info);
}

bool AllFinite(const std::vector<double>& values) {
  return std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); });
}

// What a centred column is multiplied by so that the sum of squares of a column is its variance
// after scaling. Constant columns get 0: what they hold is rounding noise.
std::vector<double> Weights(const Scaler& scaler, int64_t n) {
  std::vector<double> weights(scaler.scale.size());
  const double root = std::sqrt(static_cast<double>(n - 1));
  std::transform(scaler.scale.begin(), scaler.scale.end(), weights.begin(),
                 [root](double scale) { return 1 / (scale * root); });
  for (const int j : scaler.constant) weights[j] = 0;
  return weights;
}

// The eigenvectors are asked for once it is known how many are wanted.
class Spectrum {
 public:
  virtual ~Spectrum() = default;

  // Eigenvalues of the correlation matrix, falling; those that are missing are 0.
  virtual const std::vector<double>& values() const = 0;

  // The eigenvectors of the first `count` values, one row each. To be called once.
  virtual Result<std::vector<double>> Vectors(int count) = 0;
};

// By the singular values of the r x dimension matrix of centred and scaled rows, r < dimension.
class ThinSpectrum : public Spectrum {
 public:
  static Result<std::unique_ptr<Spectrum>> Make(const Moments& moments,
                                                const std::vector<double>& weights) {
    const int d = moments.dimension();
    std::vector<double> rows(moments.rows().begin(), moments.rows().end());
    const auto r = static_cast<int>(rows.size() / d);
    for (size_t i = 0; i < rows.size(); i += d) {
      for (int j = 0; j < d; ++j) rows[i + j] *= weights[j];
    }
    auto out = std::make_unique<ThinSpectrum>();
    out->values_.resize(r);
    out->vectors_.resize(rows.size());
    std::vector<double> left(static_cast<size_t>(r) * r);
    // Row-major r x d is column-major d x r, so LAPACK's left vectors are ours on the right.
    const int info = LAPACKE_dgesdd(LAPACK_COL_MAJOR, 'S', d, r, rows.data(), d,
                                    out->values_.data(), out->vectors_.data(), d, left.data(), r);
    if (info != 0) return LapackError("dgesdd", info);
    for (double& value : out->values_) value *= value;
    out->dimension_ = d;
    return out;
  }

  const std::vector<double>& values() const override { return values_; }

  Result<std::vector<double>> Vectors(int count) override {
    vectors_.resize(static_cast<size_t>(count) * dimension_);
    return std::move(vectors_);
  }

 private:
  int dimension_ = 0;
  std::vector<double> values_;
  std::vector<double> vectors_;
};

// By reduction to a tridiagonal matrix T = Q^T C Q, which alone tells every eigenvalue. A few
// eigenvectors of T, turned back by Q, cost little beside it; all of them cost more than it.
class DenseSpectrum : public Spectrum {
 public:
  // `likely` of the eigenvectors are found beside the eigenvalues.
  static Result<std::unique_ptr<Spectrum>> Make(Moments moments, const std::vector<double>& weights,
                                                int likely, int threads,
                                                const std::stop_token& stop) {
    const int d = moments.dimension();
    auto out = std::make_unique<DenseSpectrum>();
    tbb::task_arena arena(threads);
    out->matrix_ = arena.execute([&] { return std::move(moments).m2(); });
    for (int i = 0; i < d; ++i) {
      double* row = out->matrix_.data() + static_cast<size_t>(i) * d;
      for (int j = i; j < d; ++j) row[j] *= weights[i] * weights[j];
    }
    out->diagonal_.resize(d);
    out->beside_.resize(d);
    out->reflectors_.resize(d);
    // The row-major upper triangle is column-major lower.
    const int info = Tridiagonalise(d, threads, stop, out->matrix_.data(), out->diagonal_.data(),
                                    out->beside_.data(), out->reflectors_.data());
    if (stop.stop_requested()) return Stopped();
    if (info != 0) return LapackError("dsytrd", info);
    Status values;
    Status vectors;
    arena.execute([&] {
      tbb::parallel_invoke([&] { values = out->FindValues(); },
                           [&] { vectors = out->FindVectors(likely); });
    });
    ARROW_RETURN_NOT_OK(values);
    ARROW_RETURN_NOT_OK(vectors);
    return out;
  }

  const std::vector<double>& values() const override { return values_; }

  Result<std::vector<double>> Vectors(int count) override {
    const bool found = vectors_.size() == static_cast<size_t>(count) * diagonal_.size();
    if (!found) ARROW_RETURN_NOT_OK(FindVectors(count));
    return std::move(vectors_);
  }

 private:
  Status FindValues() {
    values_ = diagonal_;
    std::vector<double> beside = beside_;
    const auto d = static_cast<int>(values_.size());
    const int info = LAPACKE_dsterf(d, values_.data(), beside.data());
    if (info != 0) return LapackError("dsterf", info);
    std::reverse(values_.begin(), values_.end());
    return Status::OK();
  }

  // Multiple relatively robust representations: Dhillon, Parlett, Voemel, "The Design and
  // Implementation of the MRRR Algorithm", ACM TOMS 32 (2006).
  Status FindVectors(int count) {
    const auto d = static_cast<int>(diagonal_.size());
    vectors_.resize(static_cast<size_t>(count) * d);
    if (count == 0) return Status::OK();
    std::vector<double> diagonal = diagonal_;
    std::vector<double> beside = beside_;
    std::vector<double> found(d);
    std::vector<int> support(size_t{2} * count);
    int m = 0;
    int accurate = 1;
    int info = LAPACKE_dstemr(LAPACK_COL_MAJOR, 'V', 'I', d, diagonal.data(), beside.data(), 0, 0,
                              d - count + 1, d, &m, found.data(), vectors_.data(), d, count,
                              support.data(), &accurate);
    if (info != 0) return LapackError("dstemr", info);
    info = LAPACKE_dormtr(LAPACK_COL_MAJOR, 'L', 'L', 'N', d, count, matrix_.data(), d,
                          reflectors_.data(), vectors_.data(), d);
    if (info != 0) return LapackError("dormtr", info);
    for (int i = 0; i < count / 2; ++i) {  // they came with rising values
      const auto first = vectors_.begin() + static_cast<ptrdiff_t>(i) * d;
      std::swap_ranges(first, first + d, vectors_.end() - static_cast<ptrdiff_t>(i + 1) * d);
    }
    return Status::OK();
  }

  Moments::Numbers matrix_;         // the reflectors that make Q, as Tridiagonalise leaves them
  std::vector<double> reflectors_;  // and their factors
  std::vector<double> diagonal_;    // of T
  std::vector<double> beside_;      // the diagonal
  std::vector<double> values_;
  std::vector<double> vectors_;
};

int NumericalRank(const std::vector<double>& values, int64_t n, int dimension) {
  const auto size = static_cast<double>(std::max<int64_t>(n, dimension));
  const double least = size * kEps * values.front();
  const auto above = [least](double value) { return value > least; };
  return static_cast<int>(std::partition_point(values.begin(), values.end(), above) -
                          values.begin());
}

int CountKept(const Pca& pca, const Components& asked) {
  if (asked.fraction == 0) return std::min(asked.count, pca.rank);
  double sum = 0;
  for (int i = 0; i < pca.rank; ++i) {
    sum += pca.variance[i];
    if (sum >= asked.fraction * pca.total_variance) return i + 1;
  }
  return pca.rank;
}

void FixSign(double* component, int dimension) {
  const double* largest =
      std::max_element(component, component + dimension,
                       [](double a, double b) { return std::abs(a) < std::abs(b); });
  if (*largest < 0) {
    std::transform(component, component + dimension, component, std::negate<>());
  }
}

void FixComponents(Pca* pca) {
  for (int i = 0; i < pca->k; ++i) {
    double* component = pca->components.data() + static_cast<size_t>(i) * pca->dimension;
    for (const int j : pca->scaler.constant) component[j] = 0;
    FixSign(component, pca->dimension);
  }
}

Status CheckMoments(const Moments& moments) {
  if (moments.n() < 2) {
    return Status::Invalid("principal components need at least 2 images with features, not ",
                           moments.n());
  }
  if (moments.dimension() > kMaxDimension) {
    return Status::Invalid("features of ", moments.dimension(),
                           " numbers are too long for principal components: at most ",
                           kMaxDimension);
  }
  if (!AllFinite(moments.mean())) {
    return Status::Invalid("the features hold a value that is not finite: extract them again");
  }
  return Status::OK();
}

template <typename T>
std::vector<double> ProjectRows(const Pca& pca, const T* features, int64_t rows) {
  const int k = pca.k;
  const int dimension = pca.dimension;
  const Scaler& scaler = pca.scaler;
  std::vector<double> out(static_cast<size_t>(rows) * k);
  if (out.empty()) return out;
  std::vector<double> weights = pca.components;  // and not each row, by scale: fewer divisions
  for (size_t i = 0; i < weights.size(); ++i) weights[i] /= scaler.scale[i % dimension];
  Scores(features, rows, dimension, scaler.mean.data(), weights.data(), k, out.data());
  return out;
}

template <typename T>
bool ParseWhole(std::string_view text, T* value) {
  const char* end = text.data() + text.size();
  std::from_chars_result parsed{};
  if constexpr (std::is_floating_point_v<T>) {
    parsed = std::from_chars(text.data(), end, *value, std::chars_format::fixed);
  } else {
    parsed = std::from_chars(text.data(), end, *value);
  }
  return parsed.ec == std::errc() && parsed.ptr == end;
}

}  // namespace

Status Stopped() {
  return Interrupted("stopped before the principal components were done; nothing was replaced");
}

Result<Components> ParseComponents(std::string_view text) {
  Components out;
  const bool is_fraction = text.find('.') != std::string_view::npos;
  if (is_fraction && ParseWhole(text, &out.fraction) && out.fraction > 0 && out.fraction <= 1) {
    return out;
  }
  if (!is_fraction && ParseWhole(text, &out.count) && out.count >= 1) return out;
  return UsageError(Quoted(ToUtf8(text)) +
                    " is no number of components: give a whole number from 1, or a fraction of the "
                    "variance with a decimal point, over 0 and at most 1, such as 0.95");
}

Status CheckComponents(const Components& components, int dimension) {
  const bool fraction = components.fraction != 0;
  if (fraction && !(components.fraction > 0 && components.fraction <= 1)) {
    return UsageError("the fraction of variance to keep is " + std::to_string(components.fraction) +
                      ": give one over 0 and at most 1");
  }
  if (!fraction && components.count < 1) {
    return UsageError("the number of components is " + std::to_string(components.count) +
                      ": give 1 or more");
  }
  if (!fraction && components.count > dimension) {
    return UsageError("features of " + std::to_string(dimension) + " numbers have no " +
                      std::to_string(components.count) + " components: ask for at most " +
                      std::to_string(dimension));
  }
  return Status::OK();
}

Scaler FitScaler(const Moments& moments, Scaling scaling) {
  Scaler scaler{moments.mean(), moments.m2_diagonal(), {}};
  const auto n = static_cast<double>(moments.n());
  for (int j = 0; j < moments.dimension(); ++j) {
    const double m2 = scaler.scale[j];
    const double population = m2 / n;
    const double shift = n * kEps * scaler.mean[j];
    const bool constant = population <= n * kEps * population + shift * shift;
    if (constant) scaler.constant.push_back(j);
    const bool scaled = scaling == Scaling::kStandardize && !constant;
    scaler.scale[j] = scaled ? std::sqrt(m2 / (n - 1)) : 1;
  }
  return scaler;
}

Result<Pca> FitPca(Moments moments, const Components& components, Scaling scaling, int threads,
                   const std::stop_token& stop) {
  UseOneBlasThread();
  ARROW_RETURN_NOT_OK(CheckComponents(components, moments.dimension()));
  ARROW_RETURN_NOT_OK(CheckMoments(moments));
  Pca pca;
  pca.n = moments.n();
  pca.dimension = moments.dimension();
  pca.scaler = FitScaler(moments, scaling);
  const std::vector<double> weights = Weights(pca.scaler, pca.n);
  const int likely = components.fraction == 0 ? components.count : 0;
  ARROW_ASSIGN_OR_RAISE(
      const auto spectrum,
      moments.is_thin() ? ThinSpectrum::Make(moments, weights)
                        : DenseSpectrum::Make(std::move(moments), weights, likely, threads, stop));
  pca.rank = NumericalRank(spectrum->values(), pca.n, pca.dimension);
  pca.variance = spectrum->values();
  pca.variance.resize(pca.rank);
  pca.variance.resize(pca.dimension);
  pca.total_variance = std::accumulate(pca.variance.begin(), pca.variance.end(), 0.0);
  pca.k = CountKept(pca, components);
  ARROW_ASSIGN_OR_RAISE(pca.components, spectrum->Vectors(pca.k));
  FixComponents(&pca);
  return pca;
}

std::vector<double> Pca::ExplainedRatio() const {
  std::vector<double> ratio(variance.size());
  if (total_variance == 0) return ratio;
  std::transform(variance.begin(), variance.end(), ratio.begin(),
                 [this](double v) { return v / total_variance; });
  return ratio;
}

std::vector<double> Pca::Project(const float* features, int64_t rows) const {
  return ProjectRows(*this, features, rows);
}

std::vector<double> Pca::Project(const double* features, int64_t rows) const {
  return ProjectRows(*this, features, rows);
}

}  // namespace pomona::reduce
