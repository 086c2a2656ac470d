#include "pomona/precision/agreement.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numbers>
#include <numeric>
#include <vector>

#include <lapacke.h>

#include "pomona/reduce/moments.h"
#include "pomona/reduce/pca.h"

namespace pomona::precision {
namespace {

constexpr size_t kNeighbours = 10;
constexpr size_t kComponents = 6;

// Rows of unit length in fp64; a row of zeros stays one.
class UnitRows {
 public:
  UnitRows(std::span<const float> features, size_t d)
      : d_(d), values_(features.begin(), features.end()) {
    for (size_t i = 0; i < size(); ++i) {
      double* row = values_.data() + i * d_;
      const double norm = std::sqrt(std::inner_product(row, row + d_, row, 0.0));
      if (norm > 0) std::for_each(row, row + d_, [norm](double& v) { v /= norm; });
    }
  }
  size_t size() const { return values_.size() / d_; }
  std::span<const double> row(size_t i) const { return {values_.data() + i * d_, d_}; }

 private:
  size_t d_;
  std::vector<double> values_;
};

double Dot(std::span<const double> a, std::span<const double> b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

// Two features of only zeros agree.
double Cosine(std::span<const double> a, std::span<const double> b) {
  const bool none = Dot(a, a) == 0 && Dot(b, b) == 0;
  return none ? 1 : std::min(1.0, Dot(a, b));
}

// For each row the indices of the rows nearest to it, ascending; of equals the first.
std::vector<std::vector<size_t>> Nearest(const UnitRows& rows) {
  const size_t n = rows.size();
  std::vector<double> cosine(n * n);
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = i + 1; j < n; ++j) {
      cosine[i * n + j] = cosine[j * n + i] = Dot(rows.row(i), rows.row(j));
    }
  }
  const size_t k = std::min(kNeighbours, n - 1);
  std::vector<std::vector<size_t>> nearest(n);
  for (size_t i = 0; i < n; ++i) {
    std::vector<size_t> others(n);
    std::iota(others.begin(), others.end(), size_t{0});
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(i));
    const double* to = cosine.data() + i * n;
    std::partial_sort(others.begin(), others.begin() + static_cast<std::ptrdiff_t>(k), others.end(),
                      [to](size_t a, size_t b) { return to[a] != to[b] ? to[a] > to[b] : a < b; });
    others.resize(k);
    std::sort(others.begin(), others.end());
    nearest[i] = std::move(others);
  }
  return nearest;
}

double NeighboursKept(const UnitRows& reference, const UnitRows& other) {
  const auto before = Nearest(reference), after = Nearest(other);
  size_t kept = 0, all = 0;
  for (size_t i = 0; i < before.size(); ++i) {
    std::vector<size_t> both;
    std::set_intersection(before[i].begin(), before[i].end(), after[i].begin(), after[i].end(),
                          std::back_inserter(both));
    kept += both.size();
    all += before[i].size();
  }
  return static_cast<double>(kept) / static_cast<double>(all);
}

// Orthonormal rows: the first components, at most kComponents.
Result<std::vector<double>> Subspace(std::span<const float> features, int dimension) {
  reduce::Moments moments(dimension);
  moments.Add(features.data(), static_cast<int64_t>(features.size()) / dimension);
  const int k = std::min(static_cast<int>(kComponents), dimension);
  ARROW_ASSIGN_OR_RAISE(reduce::Pca pca, reduce::FitPca(std::move(moments), {k, 0}));
  return std::move(pca.components);
}

// The largest principal angle between the spans of the rows of `a` and `b`: its sine is the norm of
// b's part outside a.
Result<double> LargestAngle(const std::vector<double>& a, const std::vector<double>& b, size_t d) {
  const size_t k = std::min(a.size(), b.size()) / d;
  if (k == 0) return 0.0;  // nothing varies
  const auto row = [d](const std::vector<double>& m, size_t i) {
    return std::span<const double>(m.data() + i * d, d);
  };
  std::vector<double> outside(b.begin(), b.begin() + static_cast<std::ptrdiff_t>(k * d));
  for (size_t i = 0; i < k; ++i) {
    for (size_t j = 0; j < k; ++j) {
      const double along = Dot(row(a, j), row(b, i));
      for (size_t c = 0; c < d; ++c) outside[i * d + c] -= along * a[j * d + c];
    }
  }
  std::vector<double> gram(k * k);
  for (size_t i = 0; i < k; ++i) {
    for (size_t j = 0; j < k; ++j) gram[i * k + j] = Dot(row(outside, i), row(outside, j));
  }
  std::vector<double> squared_sines(k);  // ascending
  const auto n = static_cast<lapack_int>(k);
  const auto info =
      LAPACKE_dsyev(LAPACK_ROW_MAJOR, 'N', 'U', n, gram.data(), n, squared_sines.data());
  if (info != 0) return Status::UnknownError("LAPACK dsyev failed with ", info);
  const double sine = std::sqrt(std::clamp(squared_sines.back(), 0.0, 1.0));
  return std::asin(sine) * 180 / std::numbers::pi;
}

bool AllFinite(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
}

double Rounded(double value) { return std::round(value * 1e6) / 1e6; }

}  // namespace

Result<Agreement> Compare(std::span<const float> reference, std::span<const float> other,
                          int dimension) {
  const auto d = static_cast<size_t>(dimension);
  if (reference.size() != other.size() || dimension < 1 || reference.size() % d != 0 ||
      reference.size() / d < 2) {
    return Status::Invalid("two or more features of ", dimension, " numbers are needed on both ",
                           "sides, not ", reference.size(), " and ", other.size(), " numbers");
  }
  if (!AllFinite(reference) || !AllFinite(other)) {
    return Status::Invalid("features with a NaN or an infinity cannot be compared");
  }
  const UnitRows a(reference, d), b(other, d);
  Agreement out;
  out.images = static_cast<int64_t>(a.size());
  out.min_cosine = 1;
  for (size_t i = 0; i < a.size(); ++i) {
    const double cosine = Cosine(a.row(i), b.row(i));
    out.mean_cosine += cosine / static_cast<double>(a.size());
    out.min_cosine = std::min(out.min_cosine, cosine);
  }
  out.neighbours_kept = NeighboursKept(a, b);
  ARROW_ASSIGN_OR_RAISE(const auto before, Subspace(reference, dimension));
  ARROW_ASSIGN_OR_RAISE(const auto after, Subspace(other, dimension));
  ARROW_ASSIGN_OR_RAISE(out.subspace_degrees, LargestAngle(before, after, d));
  return out;
}

bool IsInside(const Agreement& agreement, const Budget& budget) {
  return agreement.min_cosine >= budget.min_cosine &&
         agreement.neighbours_kept >= budget.neighbours_kept &&
         agreement.subspace_degrees <= budget.subspace_degrees;
}

nlohmann::json ToJson(const Agreement& agreement) {
  return {{"images", agreement.images},
          {"mean_cosine", Rounded(agreement.mean_cosine)},
          {"min_cosine", Rounded(agreement.min_cosine)},
          {"neighbours_kept", Rounded(agreement.neighbours_kept)},
          {"subspace_degrees", Rounded(agreement.subspace_degrees)}};
}

nlohmann::json ToJson(const Budget& budget) {
  return {{"min_cosine", budget.min_cosine},
          {"neighbours_kept", budget.neighbours_kept},
          {"subspace_degrees", budget.subspace_degrees}};
}

}  // namespace pomona::precision
